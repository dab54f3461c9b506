"""What Terraform's provider microsoft365 reads otherwise than this helper does, and would stumble over.

It takes variables as they are, knows no default cloud, and its variables count before the provider block.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from m365_identity._checks.found import Found
from m365_identity._checks.result import LinkFinding, finding
from m365_identity._messages import settings as messages
from m365_identity._network.proxies import VARIABLES as PROXIES
from m365_identity._text import shown
from m365_identity.clouds import CLOUDS

__all__ = ["provider"]

_SETS_UP: Final = ("M365_CLIENT_ID", "M365_TENANT_ID", "M365_AUTH_METHOD", "M365_CLOUD")
_METHODS: Final = {"workload_identity": "AZURE_FEDERATED_TOKEN_FILE", "oidc": "M365_OIDC_TOKEN_FILE_PATH"}
_IDENTITY: Final = "managed_identity"
# By method: what the tenant and the client id are read from, the first that is set.
_TENANTS: Final = {"workload_identity": ("M365_TENANT_ID", "AZURE_TENANT_ID"), "oidc": ("M365_TENANT_ID",)}
_CLIENTS: Final = {
    "workload_identity": ("M365_CLIENT_ID", "AZURE_CLIENT_ID"),
    "oidc": ("M365_CLIENT_ID",),
    _IDENTITY: ("M365_MANAGED_IDENTITY_ID", "AZURE_CLIENT_ID"),
}
_ENDPOINT: Final = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")
_ISOLATED: Final = ("ex", "rx")
_UNREAD: Final = "M365_FEDERATED_TOKEN_FILE"


def provider(found: Found) -> Iterator[LinkFinding]:
    """Whether `provider "microsoft365" {}` would sign in with the same token."""
    environ = found.environ
    findings = [*_unread(environ)]
    if any(environ.get(name) for name in _SETS_UP):
        findings += [*_verbatim(environ), *_cloud(environ), *_method(found), *_proxy(environ)]
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
    elif cloud in _ISOLATED:
        yield finding(messages.PROVIDER_ISOLATED, variable=variable, cloud=cloud)


def _method(found: Found) -> Iterator[LinkFinding]:
    environ = found.environ
    method = environ.get("M365_AUTH_METHOD", "").strip()
    if not method:
        yield finding(messages.PROVIDER_NO_METHOD)
        return
    if method not in _CLIENTS:
        yield finding(messages.PROVIDER_METHOD, method=shown(method))
        return
    absent = next((name for name in _ENDPOINT if not environ.get(name, "").strip()), None)
    if method == _IDENTITY and absent:
        yield finding(messages.PROVIDER_NO_ENDPOINT, method=method, variable=absent)
    for names in (_CLIENTS[method], *([_TENANTS[method]] if method in _TENANTS else [])):
        if not any(environ.get(name, "").strip() for name in names):
            yield finding(messages.PROVIDER_LACKS, method=method, variables=" or ".join(names), first=names[0])
    file = environ.get(_METHODS.get(method, ""), "").strip()
    if method in _METHODS and not file:
        yield finding(messages.PROVIDER_NO_FILE, method=method, variable=_METHODS[method])
    elif file and found.token_file is not None and not Path(file).is_file():
        yield finding(messages.PROVIDER_FILE_ABSENT, variable=_METHODS[method], path=shown(file))


def _proxy(environ: Mapping[str, str]) -> Iterator[LinkFinding]:
    if environ.get("M365_PROXY_URL") and not any(environ.get(name) for name in PROXIES):
        yield finding(messages.PROVIDER_PROXY)
