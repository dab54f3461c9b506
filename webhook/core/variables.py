"""The environment variables of an identity, and which of them a container is missing."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from webhook.core.families import (
    ANSIBLE,
    ARM,
    ARM_CLIENT_FILE,
    ARM_TOKEN_FILE_VARIABLE,
    AZURE,
    CLI,
    CLOUD_VARIABLE,
    FAMILIES,
    M365,
    MANAGED_IDENTITY_VARIABLE,
    METHOD_VARIABLE,
    POWER_PLATFORM,
    UNUSED_VARIABLES,
    VARIABLES,
)
from webhook.core.identity import Identity
from webhook.core.names import (
    IDENTITY_ENDPOINT,
    IDENTITY_ENDPOINT_VARIABLE,
    IDENTITY_HEADER_VARIABLE,
    OIDC_TOKEN_FILE_VARIABLE,
    TOKEN_ENDPOINT_CONTAINER,
    TOKEN_FILE_VARIABLE,
)
from webhook.core.reader import MANAGED_IDENTITY, OIDC
from webhook.core.references import known_values, refers


class EnvVar(NamedTuple):
    """One variable: with a plain value, or with the value of a field of the pod, such as `metadata.uid`."""

    name: str
    value: str = ""
    field: str = ""

    def entry(self) -> dict[str, Any]:
        """The variable as an entry of a container's `env`."""
        if self.field:
            reference = {"apiVersion": "v1", "fieldPath": self.field}
            return {"name": self.name, "valueFrom": {"fieldRef": reference}}
        return {"name": self.name, "value": self.value}


_LONGEST_KEPT: Final = 256  # characters of a path; the guide's has 50
_UNUSED: Final = ("unused", "http://127.0.0.1:1/unused")  # an address without a server
_FILES: Final = (OIDC_TOKEN_FILE_VARIABLE, ARM_TOKEN_FILE_VARIABLE)
_SECRETS: Final = frozenset(name for family in FAMILIES.values() for name in family.secrets)
_NAMES: Final = frozenset(
    {
        *(TOKEN_FILE_VARIABLE, *VARIABLES, *ARM_CLIENT_FILE),
        *(IDENTITY_ENDPOINT_VARIABLE, IDENTITY_HEADER_VARIABLE, *_SECRETS),
    }
)
_ENDPOINT: Final = (
    EnvVar(IDENTITY_ENDPOINT_VARIABLE, IDENTITY_ENDPOINT),
    EnvVar(IDENTITY_HEADER_VARIABLE, field="metadata.uid"),
)


class Missing(NamedTuple):
    """The variables that a container is missing, in the order of injection, and what looks like a mistake.

    different: the names of those that it sets to something else. left_over: its own secrets beside our client ids.
    files: variables by which it names other token files than AZURE_FEDERATED_TOKEN_FILE does, each with the path.
    """

    variables: tuple[EnvVar, ...]
    different: tuple[str, ...]
    left_over: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()


def missing(identity: Identity, container: Mapping[str, Any], token_file: str, beside: str = "") -> Missing:
    """The variables that `container` is missing. token_file, beside: as in `webhook.core.volumes.Access`.

    A variable that the container sets itself, by value or valueFrom, is not included. The two of the managed-identity
    protocol are one: a container that sets either has an endpoint of its own.
    """
    usual = is_usual(token_file) and is_usual(beside)
    environment = (_environment if usual else _environment.__wrapped__)(identity, token_file, beside)
    own = {entry.get("name"): entry for entry in container.get("env") or ()}
    if own.keys().isdisjoint(_NAMES):
        return Missing(environment, ())
    own_endpoint = not own.keys().isdisjoint(each.name for each in _ENDPOINT)
    client, client_file = ARM_CLIENT_FILE
    without = {client} if client_file in own else set()
    values = _values(container["env"], own, environment)
    variables = []
    different = []
    for variable in environment:
        if variable.name not in own:
            if variable.name not in without and not (own_endpoint and variable in _ENDPOINT):
                variables.append(variable)
        elif not variable.field and values[variable.name] not in (None, variable.value):
            different.append(variable.name)
    secrets = _left_over(identity, environment, own, values) if not _SECRETS.isdisjoint(own) else ()
    named = ((name, values.get(name)) for name in _FILES if name not in different)
    files = tuple((name, path) for name, path in named if path and path.strip() and path not in (token_file, beside))
    return Missing(tuple(variables), tuple(different), secrets, files)


def _values(
    entries: Sequence[Mapping[str, Any]], own: Mapping[Any, Mapping[str, Any]], environment: tuple[EnvVar, ...]
) -> Mapping[Any, str | None]:
    """The values of a container's own variables, None for those that only the kubelet knows."""
    if any(refers(own[name].get("value")) for name in _NAMES & own.keys()):
        before = {each.name: each.value for each in environment if not each.field and each.name not in own}
        return known_values(entries, before)
    return {name: None if "valueFrom" in own[name] else own[name].get("value", "") for name in _NAMES if name in own}


def _left_over(
    identity: Identity,
    environment: tuple[EnvVar, ...],
    own: Mapping[Any, Mapping[str, Any]],
    values: Mapping[Any, str | None],
) -> tuple[str, ...]:
    """The container's secrets of the families whose client id is ours: they belong to another sign-in."""
    ours = {variable.name: variable.value for variable in environment}
    found: dict[str, None] = {}
    for name in identity.families:
        family = FAMILIES[name]
        if ours.get(family.client) and (family.client not in own or values[family.client] == ours[family.client]):
            # An empty one counts as none, and hides that of `envFrom`.
            found |= dict.fromkeys(each for each in family.secrets if each in own and values[each] != "")
    return tuple(found)


def is_usual(token_file: str) -> bool:
    """Whether what is made for a token at this path may be kept: a stranger's path may have a million characters."""
    return len(token_file) <= _LONGEST_KEPT


def helper_variables(identity: Identity, token_file: str, beside: str = "") -> tuple[EnvVar, ...]:
    """The variables of a helper container.

    Those of its pod, since it stands in for the pod's other containers. Also the cloud by name, whichever families the
    pod has: two clouds share a login host, so AZURE_AUTHORITY_HOST does not say which Graph is meant. And the path of
    its token, if AZURE_FEDERATED_TOKEN_FILE is for another audience.
    """
    known = missing(identity, {}, token_file, beside).variables
    more = [EnvVar(CLOUD_VARIABLE, identity.cloud.name)]
    more += [EnvVar(OIDC_TOKEN_FILE_VARIABLE, beside)] if beside else []
    return (*known, *(each for each in more if each not in known))


# Nearly all containers of an identity have their token at the same path. Without this cache the guide's pod takes 5 us
# more of 38, and one with forty containers 150 us more of 520.
@lru_cache(maxsize=256)
def _environment(identity: Identity, token_file: str, beside: str) -> tuple[EnvVar, ...]:
    """All variables that have a value: one without would hide the user's own from envFrom."""
    values = {TOKEN_FILE_VARIABLE: token_file}
    if beside and identity.auth_method not in (OIDC, MANAGED_IDENTITY):
        identity = identity._replace(auth_method=OIDC)  # workload_identity reads AZURE_FEDERATED_TOKEN_FILE
    for family in identity.families:
        values |= _VALUES[family](identity, beside or token_file)
    if beside and M365 in identity.families:
        values[OIDC_TOKEN_FILE_VARIABLE] = beside
    environment = tuple(EnvVar(name, value) for name, value in values.items() if value)
    return environment + _ENDPOINT if TOKEN_ENDPOINT_CONTAINER in identity.helpers else environment


def _m365(identity: Identity, token_file: str) -> dict[str, str]:
    return {
        "M365_CLIENT_ID": identity.client_id,
        "M365_TENANT_ID": identity.tenant_id,
        METHOD_VARIABLE: identity.auth_method,
        CLOUD_VARIABLE: identity.cloud.name,
        OIDC_TOKEN_FILE_VARIABLE: token_file if identity.auth_method == OIDC else "",
        # Without it the provider takes AZURE_CLIENT_ID, which may be another application.
        MANAGED_IDENTITY_VARIABLE: identity.client_id if identity.auth_method == MANAGED_IDENTITY else "",
    }


def _azure(identity: Identity, _: str) -> dict[str, str]:
    return {
        "AZURE_CLIENT_ID": identity.azure_client_id,
        "AZURE_TENANT_ID": identity.azure_tenant_id,
        "AZURE_AUTHORITY_HOST": identity.cloud.authority,
    }


def _arm(identity: Identity, token_file: str) -> dict[str, str]:
    """Of Azure's application, which `azurerm` needs; `azuread` alone may do with a Microsoft 365 one."""
    return {
        "ARM_CLIENT_ID": identity.azure_client_id or identity.client_id,
        "ARM_TENANT_ID": identity.azure_tenant_id or identity.tenant_id,
        "ARM_USE_OIDC": "true",
        ARM_TOKEN_FILE_VARIABLE: token_file,
        "ARM_ENVIRONMENT": identity.cloud.arm,
    }


def _power_platform(identity: Identity, token_file: str) -> dict[str, str]:
    return {
        "POWER_PLATFORM_CLIENT_ID": identity.client_id,
        "POWER_PLATFORM_TENANT_ID": identity.tenant_id,
        "POWER_PLATFORM_USE_OIDC": "true",
        ARM_TOKEN_FILE_VARIABLE: token_file,
        "POWER_PLATFORM_CLOUD": identity.cloud.name,
        **dict(zip(UNUSED_VARIABLES, _UNUSED, strict=True)),
    }


def _cli(identity: Identity, _: str) -> dict[str, str]:
    return {"CLIMICROSOFT365_ENTRAAPPID": identity.client_id, "CLIMICROSOFT365_TENANT": identity.tenant_id}


def _ansible(identity: Identity, _: str) -> dict[str, str]:
    return {
        "AZURE_CLIENT_ID": identity.azure_client_id,
        "AZURE_TENANT": identity.azure_tenant_id,
        "AZURE_CLOUD_ENVIRONMENT": identity.cloud.python,
    }


_VALUES: Final[Mapping[str, Callable[[Identity, str], dict[str, str]]]] = {
    M365: _m365,
    AZURE: _azure,
    ARM: _arm,
    POWER_PLATFORM: _power_platform,
    CLI: _cli,
    ANSIBLE: _ansible,
}
