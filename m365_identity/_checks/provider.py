"""What Terraform's provider microsoft365 reads otherwise than this helper does, and would stumble over.

It takes variables as they are, knows no default cloud, and its variables count before the provider block.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from m365_identity._checks.found import Found
from m365_identity._checks.proxies import VARIABLES as PROXIES
from m365_identity._checks.result import Finding, ok, skip, warn
from m365_identity._text import printable
from m365_identity.clouds import CLOUDS

__all__ = ["provider"]

_SETS_UP: Final = ("M365_CLIENT_ID", "M365_TENANT_ID", "M365_AUTH_METHOD", "M365_CLOUD")
_METHODS: Final = {"workload_identity": "AZURE_FEDERATED_TOKEN_FILE", "oidc": "M365_OIDC_TOKEN_FILE_PATH"}
_UNREAD: Final = "M365_FEDERATED_TOKEN_FILE"


def provider(found: Found) -> Iterator[Finding]:
    """Whether `provider "microsoft365" {}` would sign in with the same token."""
    environ = found.environ
    findings = [*_unread(environ)]
    if any(environ.get(name) for name in _SETS_UP):
        findings += [*_verbatim(environ), *_cloud(environ), *_method(environ), *_proxy(environ)]
        findings = findings or [ok('provider "microsoft365" {} finds all that it needs')]
    elif not findings:
        findings = [skip("no M365_* variable is set: Terraform's provider is not used here, or has its own settings")]
    yield from findings


def _unread(environ: Mapping[str, str]) -> Iterator[Finding]:
    if environ.get(_UNREAD):
        yield warn(
            f"{_UNREAD} is set, and nothing reads it, although the provider's documentation names it",
            fix="set AZURE_FEDERATED_TOKEN_FILE",
        )


def _verbatim(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name in (*_SETS_UP, *_METHODS.values()):
        value = environ.get(name, "")
        if value != value.strip():
            yield warn(
                f"{name} has white space around its value, which the provider does not take off",
                fix=f"set {name} to {printable(value)}, without line break",
            )


def _cloud(environ: Mapping[str, str]) -> Iterator[Finding]:
    variable = "M365_CLOUD" if environ.get("M365_CLOUD") else "AZURE_CLOUD"
    cloud = environ.get(variable, "").strip()
    if not cloud:
        yield warn(
            'M365_CLOUD is not set, and the provider has no default for it: it fails with "unsupported microsoft cloud '
            "type ''\"",
            fix="set M365_CLOUD to public; the webhook does",
        )
    elif cloud not in CLOUDS:
        yield warn(
            f"{variable} is {printable(cloud)}, which the provider does not know",
            fix=f"set M365_CLOUD to one of {', '.join(CLOUDS)}",
        )
    elif cloud == "gcc":
        yield warn(
            f"{variable} is gcc: the provider then calls graph.microsoft.us, and GCC tenants are in the public cloud",
            fix='set the annotation m365.workload.identity/cloud to "public"',
        )


def _method(environ: Mapping[str, str]) -> Iterator[Finding]:
    method = environ.get("M365_AUTH_METHOD", "").strip()
    if not method:
        yield warn(
            "M365_AUTH_METHOD is not set: the provider has no default for it",
            fix="set M365_AUTH_METHOD to workload_identity; the webhook does",
        )
    elif method not in _METHODS:
        yield warn(
            f"M365_AUTH_METHOD is {printable(method)}: the provider does not sign in with the token",
            fix="set M365_AUTH_METHOD to workload_identity",
        )
    elif not environ.get(_METHODS[method], "").strip():
        yield warn(
            f"M365_AUTH_METHOD is {method}, and {_METHODS[method]} is not set, which the provider reads then",
            fix=f"set {_METHODS[method]} to the token file",
        )


def _proxy(environ: Mapping[str, str]) -> Iterator[Finding]:
    if environ.get("M365_PROXY_URL") and not any(environ.get(name) for name in PROXIES):
        yield warn(
            "M365_PROXY_URL is set and HTTPS_PROXY is not: the provider heeds the first only for signing in, and only "
            "with client_options in its block",
            fix="set HTTPS_PROXY, and NO_PROXY for what is in the cluster",
        )
