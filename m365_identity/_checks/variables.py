"""Variables that contradict each other, and variables that have an SDK sign in as somebody else or elsewhere."""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from m365_identity._checks.found import Found
from m365_identity._checks.result import Finding, ok, warn
from m365_identity._text import printable
from m365_identity.clouds import CLOUDS, cloud_of

__all__ = ["contradictions", "others"]

_PAIRS: Final = (
    ("M365_CLIENT_ID", "AZURE_CLIENT_ID"),
    ("M365_TENANT_ID", "AZURE_TENANT_ID"),
    ("M365_OIDC_TOKEN_FILE_PATH", "AZURE_FEDERATED_TOKEN_FILE"),
)
_MEANT: Final = "leave it if that is meant; else unset the wrong one, or see `m365.workload.identity/env`"
_SECRETS: Final = {
    "AZURE_CLIENT_SECRET": "a client secret",
    "AZURE_CLIENT_CERTIFICATE_PATH": "a certificate",
    "AZURE_PASSWORD": "a user's password",
}
_REGIONS: Final = ("AZURE_REGIONAL_AUTHORITY_NAME", "MSAL_FORCE_REGION")
_MANAGED: Final = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_WITH_TOKEN: Final = ("prod", "workloadidentitycredential")  # of AZURE_TOKEN_CREDENTIALS


def contradictions(found: Found) -> Iterator[Finding]:
    """M365_* and AZURE_* that say different things: this helper and Azure SDKs would go different ways."""
    environ = found.environ
    none = True
    for ours, theirs in _PAIRS:
        first, second = _value(environ, ours), _value(environ, theirs)
        if first and second and first.lower() != second.lower():
            none = False
            yield warn(
                f"{ours} is {printable(first)} and {theirs} is {printable(second)}: this helper and Terraform's "
                "provider take the first, Azure SDKs the second",
                fix=_MEANT,
            )
    name, other = _value(environ, "M365_CLOUD"), _value(environ, "AZURE_CLOUD")
    if name in CLOUDS and other in CLOUDS and name != other:
        none = False
        yield warn(f"M365_CLOUD is {name} and AZURE_CLOUD is {other}: the first counts here", fix="unset AZURE_CLOUD")
    authority = _value(environ, "AZURE_AUTHORITY_HOST")
    known = cloud_of(authority) if authority else None
    cloud = found.place.cloud if found.place else None
    if known and cloud and known.authority != cloud.authority:
        none = False
        yield warn(
            f"AZURE_AUTHORITY_HOST is {printable(authority)}, and the cloud {cloud.name} signs in at "
            f"{cloud.authority}: Azure SDKs take the first, this helper and Terraform's provider the second",
            fix=_MEANT,
        )
    if none:
        yield ok("M365_* and AZURE_* do not contradict each other")


def others(found: Found) -> Iterator[Finding]:
    """Variables that keep Azure SDKs from signing in with the token, or send them elsewhere. Values are not shown."""
    environ = found.environ
    findings = [*_secrets(environ), *_chain(environ), *_managed(environ), *_regions(environ)]
    yield from findings or [ok("no variable has an SDK sign in with something else")]


def _secrets(environ: Mapping[str, str]) -> Iterator[Finding]:
    for variable, what in _SECRETS.items():
        if _value(environ, variable):
            yield warn(
                f"{variable} is set: DefaultAzureCredential signs in with {what} before it looks at the token",
                fix=f"unset {variable}, or use WorkloadIdentityCredential itself",
            )


def _chain(environ: Mapping[str, str]) -> Iterator[Finding]:
    chosen = _value(environ, "AZURE_TOKEN_CREDENTIALS")
    if chosen and chosen.lower() not in _WITH_TOKEN:
        yield warn(
            f"AZURE_TOKEN_CREDENTIALS is {printable(chosen)}: DefaultAzureCredential leaves the token out",
            fix="unset AZURE_TOKEN_CREDENTIALS, or set it to WorkloadIdentityCredential",
        )


def _managed(environ: Mapping[str, str]) -> Iterator[Finding]:
    for variable in _MANAGED:
        endpoint = _value(environ, variable)
        if not endpoint:
            continue
        hidden = f"{variable} is set: ManagedIdentityCredential asks it and not the token"
        try:
            is_here = urlsplit(endpoint).hostname in _LOOPBACK
        except ValueError:
            is_here = False
        if is_here and variable == "IDENTITY_ENDPOINT":
            yield ok(f"{hidden}; it is on this pod's loopback, as `m365-identity serve` is")
        else:
            yield warn(hidden, fix=f"unset {variable}, or use WorkloadIdentityCredential itself")


def _regions(environ: Mapping[str, str]) -> Iterator[Finding]:
    for variable in _REGIONS:
        if _value(environ, variable):
            yield warn(
                f"{variable} is set: MSAL and some SDKs sign in at a regional host, which Entra refuses to most "
                "applications (AADSTS100007)",
                fix=f"unset {variable}",
            )


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()
