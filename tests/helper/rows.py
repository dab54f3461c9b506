"""What has to be read for each row of the advice table, filled in here by other means than those of the library."""

import json
import re
import shlex
from collections.abc import Sequence

from m365_identity._advice.codes import BY_CODE
from m365_identity._tokens.assertion import Assertion
from m365_identity.settings import Settings
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.entra.federated_credential import federated_credential

__all__ = ["WORDS", "fits"]

_ANY = "\0"
"""Stands for a text that the test does not know: the time, and Entra's own sentence."""


def fits(code: int, settings: Settings, token: Assertion, *, meaning: str, causes: Sequence[str], fix: str) -> bool:
    """Whether this is the advice of `code`, whole and with nothing else, for a token in which nothing is odd."""
    row, values = BY_CODE[code], _values(settings, token)
    expected = (row.text, *row.causes, row.fix)
    told = (meaning, *causes, fix)
    return len(told) == len(expected) and all(
        re.fullmatch(re.escape(text.format_map(values)).replace(re.escape(_ANY), ".+"), said) is not None
        for text, said in zip(expected, told, strict=True)
    )


def _values(settings: Settings, token: Assertion) -> dict[str, str]:
    who = f"--id {settings.client_id}"
    command = "az ad app federated-credential"
    changed = {"issuer": token.issuer, "subject": token.subject, "audiences": [token.audience]}
    made = {"name": _name(token), **changed}
    return {
        "client": settings.client_id,
        "tenant": settings.tenant_id,
        "cloud": "public",
        "expected": "api://AzureADTokenExchange",
        "login": settings.authority,
        "graph_scope": "https://graph.microsoft.com/.default",
        "scope": "https://graph.microsoft.com/.default",
        "file": str(settings.token_file),
        "issuer": token.issuer,
        "discovery": f"{token.issuer}/.well-known/openid-configuration",
        "subject": token.subject,
        "audience": token.audience,
        "account": "shop/terraform",
        "slash": "the credential's issuer ends with a slash, and that of this token does not",
        "valid": _ANY,
        "now": _ANY,
        "failure": _ANY,
        "list": f"{command} list {who}",
        "create": f"{command} create {who} --parameters {shlex.quote(json.dumps(made))}",
        "update": f"{command} update {who} --federated-credential-id ITS_NAME "
        f"--parameters {shlex.quote(json.dumps(changed))}",
    }


def _name(token: Assertion) -> str:
    """As the webhook's `fic` gives it."""
    namespace, name = token.account or ("", "")
    account = Account(namespace, name, {"azure.workload.identity/client-id": "0" * 8 + "-0000-4000-8000-" + "0" * 12})
    return federated_credential(account, issuer=token.issuer, policy=Policy()).name


WORDS = {
    (70021,): ("has no federated identity credential for this token", "in one character", "compare with"),
    (700211,): ("has the issuer", "ends with a slash", "create"),
    (700212,): ("has the audience", "another cloud's audience", "update"),
    (700213,): ("has the subject", "another ServiceAccount or in another namespace", "create"),
    (7002137,): ("the form that tokens issued by Entra", "a token of Entra's", "mount the ServiceAccount's token"),
    (7002138,): ("upper and lower case", "waiting heals nothing", "delete that credential"),
    (70025,): ("no federated identity credential at all", "not created yet", "create"),
    (700016, 700011, 70001): ("has no application", "client id", "az ad sp show"),
    (7000112,): ("is disabled", "an administrator", "accountEnabled=true"),
    (700025,): ("is a public client", "public client flows", "--is-fallback-public-client false"),
    (70052,): ("only taken from managed identities", "a token of Entra's", "mount the ServiceAccount's token"),
    (90002, 900023): ("does not know tenant", "the tenant id is wrong", "az account show"),
    (90038,): ("another national cloud", "M365_CLOUD is wrong", "m365.workload.identity/cloud"),
    (900382, 900432): ("from one cloud to another", "is not in the cloud", "m365.workload.identity/cloud"),
    (900439,): ("US Government cannot sign in", "is a US Government one", "gcchigh"),
    (50049,): ("does not know the login host", "misspelt", "unset AZURE_AUTHORITY_HOST"),
    (100007,): ("regional endpoint", "AZURE_REGIONAL_AUTHORITY_NAME", "unset AZURE_REGIONAL_AUTHORITY_NAME"),
    (50027,): ("Entra cannot read the token", "something else than", "mount the projected token"),
    (50013, 50006, 50012, 700027): ("signature could not be verified", "signing key was changed", "jwks_uri"),
    (5002738,): ("signed in a way", "elliptic curve", "an RSA key of 2048 bits"),
    (700024, 500133): ("expired or not yet valid", "subPath", "without subPath"),
    (700222, 700229): ("Entra issued itself", "a token of Entra's", "mount the ServiceAccount's token"),
    (700223, 700238): ("does not allow federation", "among those that the tenant allows", "management policy"),
    (90061, 50166, 501661): ("could not read the keys", "cannot be read from the internet", "readable from"),
    (500011,): ("is not in tenant", "the scope is another cloud's", "ask for https://graph"),
    (70011, 28002, 28003, 700022, 700023, 1002012): ("cannot be asked for", "/.default", "ask for one resource"),
    (7000218, 7000216): ("without any proof", "was empty", "holds a token"),
    (7000215, 7000222, 70002): ("client secret", "another credential", "unset AZURE_CLIENT_SECRET"),
    (90014, 900144): ("a part of the request is missing", "client id or scope is empty", "proxies that change"),
    (9002313,): ("did not arrive as it was sent", "changes requests", "unchanged"),
    (53003, 530032): ("Conditional Access", "allowed location", "named location"),
    (65001,): ("no administrator has consented", "not granted", "admin-consent"),
    (50196, 90055): ("too many requests", "a new credential is made for every call", "make one credential"),
    (90033, 90006, 90024, 90012, 50033): ("passing problem", "none on this side", "try again later"),
}
"""By code: words of its meaning, of its first cause and of its fix, which are those of Microsoft's page on the code."""
