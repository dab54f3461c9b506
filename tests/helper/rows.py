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
    of_identity = "--identity-name IDENTITY --resource-group GROUP"
    identity = (
        f"{settings.client_id} is the client id of a user-assigned managed identity, which az ad app does not know "
        f"(az identity list --query \"[?clientId=='{settings.client_id}'].[name,resourceGroup]\")"
    )
    return {
        "client": settings.client_id,
        "consent": f"az ad app permission admin-consent --id {settings.client_id}",
        "tenant": settings.tenant_id,
        "cloud": "public",
        "expected": "api://AzureADTokenExchange",
        "login": settings.authority,
        "graph": settings.graph,
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
        "wait": "",
        "list": f"{command} list {who}",
        "list_of_identity": f"{identity}: az identity federated-credential list {of_identity}, and update or delete",
        "create": f"{command} create {who} --parameters {shlex.quote(json.dumps(made))}",
        "create_for_identity": f"{identity}: az identity federated-credential create {of_identity} "
        f"--name {made['name']} --issuer {token.issuer} --subject {token.subject} --audiences {token.audience}",
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
    (7000112, 1000031): ("is disabled", "an administrator", "accountEnabled=true"),
    (700025,): ("is a public client", "public client flows", "--is-fallback-public-client false"),
    (70052,): ("only taken from managed identities", "a token of Entra's", "mount the ServiceAccount's token"),
    (90002, 900023, 50029): ("does not know tenant", "the tenant id is wrong", "az account show"),
    (90038,): ("another national cloud", "M365_CLOUD is wrong", "m365.workload.identity/cloud"),
    (900382, 900432, 1000104): ("from one cloud to another", "is not in the cloud", "m365.workload.identity/cloud"),
    (900439,): ("US Government cannot sign in", "is a US Government one", "gcchigh"),
    (50049, 50050, 90051): ("does not know the login host", "misspelt", "unset AZURE_AUTHORITY_HOST"),
    (100007,): ("regional endpoint", "AZURE_REGIONAL_AUTHORITY_NAME", "unset AZURE_REGIONAL_AUTHORITY_NAME"),
    (50027, 5002723, 50120, 90016, 240002): (
        "Entra cannot read the token",
        "something else than",
        "mount the projected token",
    ),
    (50013, 50006, 50012, 700027, 50099, 900384): (
        "signature could not be verified",
        "signing key was changed",
        "jwks_uri",
    ),
    (5002738, 50032): ("signed in a way", "elliptic curve", "an RSA key of 2048 bits"),
    (700024, 500133): ("expired or not yet valid", "the clock of the node", "without subPath"),
    (700222, 700229, 700226): ("Entra issued itself", "a token of Entra's", "mount the ServiceAccount's token"),
    (700223, 700238): ("does not allow federation", "among those that the tenant allows", "management policy"),
    (90061, 50166, 501661): ("could not read the keys", "cannot be read from the internet", "readable from"),
    (500011, 50001, 650054): ("is not in tenant", "the scope is another cloud's", "ask for https://graph"),
    (70011, 28002, 28003, 700022, 700023, 1002012, 90009, 901002): (
        "cannot be asked for",
        "/.default",
        "ask for one resource",
    ),
    (7000218, 7000216, 50192): ("without any proof", "was empty", "holds a token"),
    (7000215, 7000222, 70002): ("client secret", "another credential", "unset AZURE_CLIENT_SECRET"),
    (90014, 900144, 90100, 90102, 90117, 90121): (
        "a part of the request is missing",
        "client id or scope is empty",
        "proxies that change",
    ),
    (9002313, 70003, 90004, 90013, 90015, 90023, 90056, 90107, 165900, 900561): (
        "did not arrive as it was sent",
        "changes requests",
        "unchanged",
    ),
    (53003, 530032, 50053, 53004, 53011, 530034, 530035): ("Conditional Access", "allowed location", "named location"),
    (65001, 65005, 650056, 650057, 90008, 90093, 90094, 90095, 90099): (
        "no administrator has consented",
        "not granted",
        "admin-consent",
    ),
    (50196, 90055): ("too many requests", "a new credential is made for every call", "make one credential"),
    (90033, 90006, 90024, 90012, 50033, 90090, 90091, 501621): (
        "passing problem",
        "none on this side",
        "try again later",
    ),
    (7000229,): ("has no service principal", "`az ad sp create` was left out", "az ad sp create --id"),
    (50105, 501051): ("is not assigned to the API", "`Assignment required` on", "appRoleAssignmentRequired=false"),
    (50005, 50072, 50074, 50076, 50078, 50079, 50097, 50129, 50131, 50158, 53000, 53001, 53002): (
        "asks for a device",
        "a person signed in",
        "from a device that the policy allows",
    ),
    (50002, 500021, 500022, 500212, 500213): (
        "may not be signed in to",
        "Restrict-Access-To-Tenants",
        "the list of the",
    ),
    (65002,): ("one of Microsoft's own", "copied from an example", "az ad app list"),
    (50059, 50128, 50194, 90019, 90027, 90124, 90130, 9001023, 9002332): (
        "names no tenant",
        "common",
        "az account show",
    ),
    (50003, 50007, 50010, 50042, 50043, 50124, 50146, 501241, 501461): (
        "not set up",
        "signing",
        "the owner of that API",
    ),
    (500014, 650052): ("is disabled in tenant", "an administrator has disabled", "accountEnabled=true"),
    (51000, 90010, 90043, 90082): ("not enabled here", "is not available in the cloud", "Microsoft's support"),
    (50000, 90036, 90092): ("a problem of its own", "none on this side", "Microsoft's support"),
    (50048, 700021, 700026, 700030, 50017): ("signed itself", "something else than", "mount the projected token"),
    (700231,): ("no second step", "an access token of another", "name the application itself"),
    (700236,): ("for another tenant", "a token of Entra's", "mount the ServiceAccount's token"),
    (70023,): ("lives longer than Entra takes", "expirationSeconds above 86400", "to 3600"),
    (700263,): ("two federated identity credentials", "under another name", "delete one"),
    (7002381,): ("wants a claim", "what Kubernetes writes", "policy on federated identity credentials"),
}
"""By code: words of its meaning, of its first cause and of its fix, which are those of Microsoft's page on the code."""
