"""What Terraform's provider microsoft365 reads otherwise than this helper does, and would stumble over.

It takes variables as they are, knows no default cloud, and its variables count before the provider block.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from m365_identity._checks.found import Found
from m365_identity._checks.result import LinkFinding, finding
from m365_identity._messages import settings as messages
from m365_identity._network.proxies import VARIABLES as PROXIES
from m365_identity._text import shown
from m365_identity.clouds import CLOUDS

__all__ = ["provider"]

_SETS_UP: Final = ("M365_CLIENT_ID", "M365_TENANT_ID", "M365_AUTH_METHOD", "M365_CLOUD")
_METHODS: Final = {
    "workload_identity": "AZURE_FEDERATED_TOKEN_FILE",
    "oidc": "M365_OIDC_TOKEN_FILE_PATH",
    "managed_identity": "IDENTITY_ENDPOINT",
}
_UNREAD: Final = "M365_FEDERATED_TOKEN_FILE"


def provider(found: Found) -> Iterator[LinkFinding]:
    """Whether `provider "microsoft365" {}` would sign in with the same token."""
    environ = found.environ
    findings = [*_unread(environ)]
    if any(environ.get(name) for name in _SETS_UP):
        findings += [*_verbatim(environ), *_cloud(environ), *_method(environ), *_proxy(environ)]
        findings = findings or [finding(messages.PROVIDER)]
    elif not findings:
        findings = [finding(messages.PROVIDER_UNUSED)]
    yield from findings


def _unread(environ: Mapping[str, str]) -> Iterator[LinkFinding]:
    if environ.get(_UNREAD):
        yield finding(messages.UNREAD, variable=_UNREAD)


def _verbatim(environ: Mapping[str, str]) -> Iterator[LinkFinding]:
    for name in (*_SETS_UP, *_METHODS.values()):
        value = environ.get(name, "")
        if value != value.strip():
            yield finding(messages.WHITE_SPACE, variable=name, value=shown(value))


def _cloud(environ: Mapping[str, str]) -> Iterator[LinkFinding]:
    variable = "M365_CLOUD" if environ.get("M365_CLOUD") else "AZURE_CLOUD"
    cloud = environ.get(variable, "").strip()
    if not cloud:
        yield finding(messages.PROVIDER_NO_CLOUD)
    elif cloud not in CLOUDS:
        yield finding(messages.PROVIDER_CLOUD_UNKNOWN, variable=variable, value=shown(cloud), clouds=", ".join(CLOUDS))
    elif cloud == "gcc":
        yield finding(messages.PROVIDER_GCC, variable=variable)


def _method(environ: Mapping[str, str]) -> Iterator[LinkFinding]:
    method = environ.get("M365_AUTH_METHOD", "").strip()
    if not method:
        yield finding(messages.PROVIDER_NO_METHOD)
    elif method not in _METHODS:
        yield finding(messages.PROVIDER_METHOD, method=shown(method))
    elif not environ.get(_METHODS[method], "").strip():
        yield finding(messages.PROVIDER_NO_FILE, method=method, variable=_METHODS[method])


def _proxy(environ: Mapping[str, str]) -> Iterator[LinkFinding]:
    if environ.get("M365_PROXY_URL") and not any(environ.get(name) for name in PROXIES):
        yield finding(messages.PROVIDER_PROXY)
