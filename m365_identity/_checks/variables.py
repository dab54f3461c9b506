"""Variables that contradict each other, and variables that make an SDK sign in as somebody else or elsewhere."""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from m365_identity._checks.found import Found
from m365_identity._checks.result import LinkFinding, finding
from m365_identity._messages import settings as messages
from m365_identity._text import shown
from m365_identity.clouds import CLOUDS, cloud_of

__all__ = ["contradictions", "others"]

_PAIRS: Final = (
    ("M365_CLIENT_ID", "AZURE_CLIENT_ID"),
    ("M365_TENANT_ID", "AZURE_TENANT_ID"),
    ("M365_OIDC_TOKEN_FILE_PATH", "AZURE_FEDERATED_TOKEN_FILE"),
)
# Each counts only with the others that it needs.
_SECRETS: Final = {
    "AZURE_CLIENT_SECRET": ("a client secret", ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")),
    "AZURE_CLIENT_CERTIFICATE_PATH": ("a certificate", ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")),
    "AZURE_PASSWORD": ("a user's password", ("AZURE_CLIENT_ID", "AZURE_USERNAME")),
}
# What other tools take before the token, by the variable that tells them of the token.
_OF_TOOLS: Final = (
    (
        "ARM_OIDC_TOKEN_FILE_PATH",
        "ARM_USE_OIDC",
        "Terraform's providers azuread, azurerm and azapi",
        (
            *("ARM_CLIENT_SECRET", "ARM_CLIENT_SECRET_FILE_PATH", "ARM_CLIENT_CERTIFICATE"),
            *("ARM_CLIENT_CERTIFICATE_PATH", "ARM_OIDC_TOKEN"),
        ),
    ),
    (
        "ARM_OIDC_TOKEN_FILE_PATH",
        "POWER_PLATFORM_USE_OIDC",
        "Power Platform's provider",
        (
            *("POWER_PLATFORM_CLIENT_SECRET", "POWER_PLATFORM_CLIENT_CERTIFICATE"),
            "POWER_PLATFORM_CLIENT_CERTIFICATE_FILE_PATH",
        ),
    ),
    ("AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT", "Ansible", ("AZURE_SECRET", "AZURE_X509_CERTIFICATE_PATH")),
)
# AKS identity bindings: Azure SDKs that opt in send their token to this proxy.
_PROXY: Final = "AZURE_KUBERNETES_TOKEN_PROXY"
_PROXY_AUTHORITIES: Final = ("AZURE_KUBERNETES_CA_FILE", "AZURE_KUBERNETES_CA_DATA")
_REGIONS: Final = ("AZURE_REGIONAL_AUTHORITY_NAME", "MSAL_FORCE_REGION")
_MANAGED: Final = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
# Who asks them for http.
_PROXIES: Final = {
    **dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), "in Python and JavaScript, and curl,"),
    **dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "in JavaScript"),
}
_WITH_TOKEN: Final = ("prod", "workloadidentitycredential")  # of AZURE_TOKEN_CREDENTIALS


def contradictions(found: Found) -> Iterator[LinkFinding]:
    """M365_* and AZURE_* that say different things: this helper and Azure SDKs would go different ways."""
    findings = [*_different_values(found.environ), *_different_clouds(found)]
    yield from findings or [finding(messages.NO_CONTRADICTION)]


def _different_values(environ: Mapping[str, str]) -> Iterator[LinkFinding]:
    for ours, theirs in _PAIRS:
        first, second = _value(environ, ours), _value(environ, theirs)
        if theirs == "AZURE_FEDERATED_TOKEN_FILE" and _value(environ, _PROXY):
            continue  # it is for the proxy, and has another audience on purpose
        if first and second and first.lower() != second.lower():
            yield finding(messages.VARIABLES_DIFFER, ours=ours, first=shown(first), theirs=theirs, second=shown(second))


def _different_clouds(found: Found) -> Iterator[LinkFinding]:
    first, second = _value(found.environ, "M365_CLOUD"), _value(found.environ, "AZURE_CLOUD")
    if first in CLOUDS and second in CLOUDS and first != second:
        yield finding(messages.CLOUDS_DIFFER, first=first, second=second)
    authority = _value(found.environ, "AZURE_AUTHORITY_HOST")
    known = cloud_of(authority) if authority else None
    cloud = found.place.cloud if found.place else None
    if known and cloud and known.authority != cloud.authority:
        yield finding(
            messages.LOGIN_OF_ANOTHER_CLOUD, authority=shown(authority), cloud=cloud.name, login=cloud.authority
        )


def others(found: Found) -> Iterator[LinkFinding]:
    """Variables that keep Azure SDKs from signing in with the token, or send them elsewhere. Values are not shown."""
    environ = found.environ
    findings = [*_secrets(environ), *_chain(environ), *_managed(environ), *_bindings(environ), *_regions(environ)]
    yield from findings or [finding(messages.NO_OTHER_CREDENTIAL)]


def _bindings(environ: Mapping[str, str]) -> Iterator[LinkFinding]:
    if _value(environ, _PROXY):
        yield finding(messages.PROXY_OF_BINDINGS, variable=_PROXY)
        if all(_value(environ, name) for name in _PROXY_AUTHORITIES):
            yield finding(messages.PROXY_AUTHORITIES, file=_PROXY_AUTHORITIES[0], data=_PROXY_AUTHORITIES[1])
        if not _value(environ, "M365_OIDC_TOKEN_FILE_PATH"):
            yield finding(messages.PROXY_TOKEN_ALONE, variable=_PROXY)


def _secrets(environ: Mapping[str, str]) -> Iterator[LinkFinding]:
    for variable, (what, needed) in _SECRETS.items():
        if all(_value(environ, name) for name in (variable, *needed)):
            yield finding(messages.SECRET_SET, variable=variable, what=what)
    for file, mark, tools, secrets in _OF_TOOLS:
        if _value(environ, file) and _value(environ, mark):
            for variable in secrets:
                if _value(environ, variable):
                    yield finding(messages.SECRET_OF_TOOLS, variable=variable, tools=tools, file=file)


def _chain(environ: Mapping[str, str]) -> Iterator[LinkFinding]:
    chosen = _value(environ, "AZURE_TOKEN_CREDENTIALS")
    if chosen and chosen.lower() not in _WITH_TOKEN:
        yield finding(messages.TOKEN_LEFT_OUT, value=shown(chosen))


def _managed(environ: Mapping[str, str]) -> Iterator[LinkFinding]:
    for variable in _MANAGED:
        endpoint = _value(environ, variable)
        if not endpoint:
            continue
        try:
            is_here = urlsplit(endpoint).hostname in _LOOPBACK
        except ValueError:
            is_here = False
        proxy = next((name for name in _PROXIES if _value(environ, name)), "")
        if not is_here or variable != "IDENTITY_ENDPOINT":
            yield finding(messages.ENDPOINT_ELSEWHERE, variable=variable)
        elif proxy and not _is_excluded(endpoint, environ):
            yield finding(messages.ENDPOINT_BEHIND_PROXY, variable=variable, proxy=proxy, clients=_PROXIES[proxy])
        else:
            yield finding(messages.ENDPOINT_HERE, variable=variable)


def _is_excluded(endpoint: str, environ: Mapping[str, str]) -> bool:
    """Whether every client keeps its requests from the proxy: not all know networks, "*", or spaces as commas."""
    variable = next((name for name in ("no_proxy", "NO_PROXY") if environ.get(name)), "")
    return urlsplit(endpoint).hostname in "".join(environ.get(variable, "").split()).split(",")


def _regions(environ: Mapping[str, str]) -> Iterator[LinkFinding]:
    for variable in _REGIONS:
        if _value(environ, variable):
            yield finding(messages.REGION_SET, variable=variable)


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()
