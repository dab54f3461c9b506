"""What the token says: who issued it, for whom, for which audience. Entra compares all three to the letter."""

import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from m365_identity._checks.found import Found
from m365_identity._checks.result import Finding, fail, ok, warn
from m365_identity._text import listed, printable
from m365_identity._tokens.assertion import Assertion
from m365_identity.clouds import CLOUDS

__all__ = ["audience", "issuer", "subject"]

_PUBLISH: Final = (
    "give kube-apiserver a --service-account-issuer that is public, with its two documents there "
    "(`python -m webhook issuer` checks them and writes them for a web server)"
)
_PRIVATE: Final = (".local", ".svc", ".internal", ".localhost", ".lan", ".home.arpa", ".test", ".invalid")
_MOUNT: Final = "name the token of the pod's own ServiceAccount: a projected volume with a serviceAccountToken"


def issuer(found: Found) -> Iterator[Finding]:
    """Entra can fetch the issuer's keys."""
    said = _known(found).issuer
    shown = printable(said)
    if not said:
        yield fail("the token names no issuer", fix=_MOUNT)
    elif said != said.strip() or not said.startswith("https://"):
        yield fail(f'"{shown}" is no https address, so Entra can never fetch its keys', fix=_PUBLISH)
    elif _host(said).startswith("kubernetes.default"):
        yield fail(f"{shown} is the cluster's own name for itself, which Entra can never reach", fix=_PUBLISH)
    elif _is_private(_host(said)):
        yield warn(f"{shown} looks like a private address: Entra must reach it from the internet", fix=_PUBLISH)
    elif said.endswith("/"):
        yield ok(f"{shown} (the federated credential must end with the slash too)")
    else:
        yield ok(f"{shown} (without a slash at the end, in the federated credential too)")


def subject(found: Found) -> Iterator[Finding]:
    """The token is that of a ServiceAccount, and of this pod's namespace."""
    token = _known(found)
    if token.account is None:
        yield fail(
            f'"{printable(token.subject)}" is no ServiceAccount of Kubernetes: the file holds a foreign token',
            fix=_MOUNT,
        )
        return
    namespace, name = token.account
    yield ok(f"{printable(token.subject)} (ServiceAccount {printable(name)} in namespace {printable(namespace)})")
    try:
        here = found.namespace_file.read_text(errors="replace").strip()
    except OSError:
        return  # automountServiceAccountToken: false
    if here and here != namespace:
        yield warn(
            f"the token is of namespace {printable(namespace)}, and this pod is in {printable(here)}", fix=_MOUNT
        )


def audience(found: Found) -> Iterator[Finding]:
    """The audience is the one that the cloud's federated credentials have."""
    token = _known(found)
    shown = listed([printable(each) for each in token.audiences])
    if not token.audiences:
        yield fail("the token names no audience", fix=_MOUNT)
        return
    if len(token.audiences) > 1:
        yield warn(f"{shown}: the token has several audiences, and Entra expects one", fix=_MOUNT)
    if found.place is None:
        yield ok(shown)
        return
    cloud = found.place.cloud
    if cloud.audience in token.audiences:
        if len(token.audiences) == 1:
            yield ok(f"{shown} (as the cloud {cloud.name} expects)")
        return
    others = [other.name for other in CLOUDS.values() if other.audience in token.audiences]
    whose = f"which is that of the cloud {' and '.join(others)}" if others else "which is none of the usual ones"
    yield warn(
        f"{shown}, {whose}: federated credentials in the cloud {cloud.name} usually have {cloud.audience}",
        "the audience in the projected volume was written by hand for another cloud",
        "the cloud or m365.workload.identity/audience of the ServiceAccount is wrong",
        fix=f'set audience: "{cloud.audience}" in the projected volume, or m365.workload.identity/cloud; any other '
        "works if the federated credential has it too",
    )


def _known(found: Found) -> Assertion:
    if found.assertion is None:
        raise ValueError("this check needs the token file")
    return found.assertion


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE)
