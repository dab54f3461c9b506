"""What a failure means, its likely causes, and the fix, with the values of the reader's own pod."""

import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from m365_identity._advice.codes import ABOUT_THE_TOKEN, BY_CODE
from m365_identity._advice.general import general
from m365_identity._failures import Failure
from m365_identity._messages import message
from m365_identity._text import one_line, stamp
from m365_identity._tokens.assertion import Assertion
from m365_identity.errors import Advice
from m365_identity.settings import Settings

__all__ = ["Situation", "advise", "federated_credential", "federated_credential_command"]

_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME: Final = 120  # characters


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Who tried to sign in, with what, and when.

    tenant_id: the one of the call. assertion: what the token says about itself, None if it could not be read. now:
    seconds since the epoch.
    """

    settings: Settings
    tenant_id: str
    scope: str
    assertion: Assertion | None
    now: float


def advise(failure: Failure, situation: Situation) -> Advice:
    """The advice for a failed exchange: by its AADSTS code, else by how it failed."""
    kind = next((BY_CODE[code] for code in failure.codes if code in BY_CODE), None) or general(failure)
    values = _values(situation) | {"failure": failure.description, "status": str(failure.http_status)}
    explained = message(kind, **values)
    seen = (*_differences(situation), *(_observations(situation) if kind in ABOUT_THE_TOKEN else ()))
    # A guess can be the same as what was seen: it is there once.
    causes = dict.fromkeys((*map(one_line, seen), *explained.causes))
    return Advice(code=explained.code, meaning=explained.text, causes=tuple(causes), fix=explained.fix)


def federated_credential(assertion: Assertion | None) -> dict[str, object]:
    """The federated identity credential that lets `assertion` in, as Graph and `az` take it."""
    return {
        "name": _name(assertion),
        "issuer": assertion.issuer if assertion else "<issuer>",
        "subject": assertion.subject if assertion else "<subject>",
        "audiences": [assertion.audience if assertion else "<audience>"],
    }


def _name(assertion: Assertion | None) -> str:
    """A readable name, different for each ServiceAccount of each cluster: an application has each name once.

    `m365wi fic` gives the same name, so that the same credential is not made twice.
    """
    if assertion is None:
        return "kubernetes"
    account = assertion.account or ("kubernetes",)
    mark = hashlib.sha256(f"{assertion.issuer}\n{assertion.subject}".encode()).hexdigest()[:8]
    return f"{_NAME.sub('-', '-'.join(account))[: _LONGEST_NAME - 9]}-{mark}"


def federated_credential_command(client_id: str, assertion: Assertion | None) -> str:
    """The shell command that makes that credential."""
    return (
        f"az ad app federated-credential create --id {shlex.quote(client_id)} "
        f"--parameters {shlex.quote(json.dumps(federated_credential(assertion)))}"
    )


def _values(situation: Situation) -> dict[str, str]:
    settings, assertion = situation.settings, situation.assertion
    unknown = "(not known: the token could not be read)"
    client = shlex.quote(settings.client_id)
    # Without the name, which cannot be changed.
    changed = {name: value for name, value in federated_credential(assertion).items() if name != "name"}
    account = assertion.account if assertion else None
    return {
        "client": settings.client_id,
        "tenant": situation.tenant_id,
        "cloud": settings.cloud.name,
        "expected": settings.cloud.audience,
        "login": settings.authority,
        "graph_scope": settings.scope,
        "file": str(settings.token_file),
        "scope": situation.scope,
        "issuer": assertion.issuer if assertion else unknown,
        "discovery": f"{assertion.issuer.rstrip('/') if assertion else unknown}/.well-known/openid-configuration",
        "subject": assertion.subject if assertion else unknown,
        "audience": assertion.audience if assertion else unknown,
        "account": "/".join(account) if account else "of the pod",
        "slash": _slash(assertion),
        "valid": _validity(situation),
        "now": stamp(situation.now),
        "create": federated_credential_command(settings.client_id, assertion),
        "list": f"az ad app federated-credential list --id {client}",
        "update": f"az ad app federated-credential update --id {client} --federated-credential-id ITS_NAME "
        f"--parameters {shlex.quote(json.dumps(changed))}",
    }


def _differences(situation: Situation) -> Iterator[str]:
    """What the call asks for and the settings do not say."""
    own = situation.settings.tenant_id
    if situation.tenant_id.lower() != own.lower():
        yield f"this call asked for tenant {situation.tenant_id}, and the settings have {own}"


def _observations(situation: Situation) -> Iterator[str]:
    """What is odd in the token itself. It comes before any guess, since it is certain."""
    assertion, settings = situation.assertion, situation.settings
    if assertion is None:
        return
    if assertion.audience != settings.cloud.audience:
        yield (
            f'the audience of this token is "{assertion.audience}", '
            f'and the usual one in the cloud {settings.cloud.name} is "{settings.cloud.audience}"'
        )
    if not assertion.issuer.startswith("https://") or assertion.issuer.startswith("https://kubernetes.default"):
        yield (
            f'Entra can never reach the issuer of this token, "{assertion.issuer}": '
            "the cluster needs one that is public"
        )
    elif assertion.issuer.endswith("/"):
        yield _slash(assertion)
    if assertion.expires is not None and assertion.expires <= situation.now:
        yield f"this token expired at {stamp(assertion.expires)}"


def _slash(assertion: Assertion | None) -> str:
    """How the issuer of a credential may differ from that of the token in its last character."""
    if assertion is None:
        return "the slash at the issuer's end is missing, or is one too many"
    if assertion.issuer.endswith("/"):
        return f'the issuer of this token ends with a slash, "{assertion.issuer}": the credential must have it too'
    return "the credential's issuer ends with a slash, and that of this token does not"


def _validity(situation: Situation) -> str:
    assertion = situation.assertion
    if assertion is None or assertion.expires is None:
        return "of a time that is not known"
    start = f"from {stamp(assertion.issued)} " if assertion.issued is not None else ""
    return f"{start}until {stamp(assertion.expires)}"
