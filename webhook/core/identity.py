"""From annotations to an identity: who the pod will be, with every mistake found at once.

Precedence, the first that is set wins; a value of nothing but white space counts as not set:

    setting            pod annotation                   ServiceAccount annotation              else
    client id          M client-id                      M client-id, then A client-id          none, warned about
    Azure client id    -                                A client-id                            none
    tenant id          M tenant-id                      M tenant-id, then A tenant-id          policy
    Azure tenant id    -                                A tenant-id                            policy
    token expiration   A service-account-token-exp…     A service-account-token-expiration     3600 s
    cloud              M cloud                          M cloud                                policy
    auth method        M auth-method                    M auth-method                          workload_identity
    variable families  M env                            M env                                  m365,azure
    helpers            M preflight, M token-endpoint    -                                      none
    audience           -                                M audience                             policy, then by cloud
    skipped names      A skip-containers                -                                      none

with A = azure.workload.identity/ and M = m365.workload.identity/.
"""

import difflib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from webhook.core import names
from webhook.core.clouds import CLOUDS, Cloud
from webhook.core.policy import Policy
from webhook.core.review import Request

AUTH_METHODS: Final = ("workload_identity", "oidc")
FAMILIES: Final = ("m365", "azure")

_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TENANT: Final = re.compile(r"[0-9a-zA-Z.-]{1,255}")
_AUDIENCE: Final = re.compile(r"[!-~]{1,600}")
_HELPERS: Final = {
    names.PREFLIGHT: names.PREFLIGHT_CONTAINER,
    names.TOKEN_ENDPOINT: names.TOKEN_ENDPOINT_CONTAINER,
}
_PLACEHOLDER: Final = "00000000-0000-0000-0000-000000000000"
_KNOWN: Final = sorted(names.ACCOUNT_ANNOTATIONS | names.POD_ANNOTATIONS)
# A stranger may send thousands of annotations; comparing spellings is the only work that grows with them.
_SPELLINGS_COMPARED: Final = 20
_LONGEST_SHOWN: Final = 80  # characters of a value in a message
_SILENT: Final = Request(uid="", namespace="", pod={"spec": {"containers": []}})
_DEFAULT_POLICY: Final = Policy()


@dataclass(frozen=True)
class Account:
    """A ServiceAccount, as far as it matters: where it is and what it is annotated with."""

    namespace: str
    name: str
    annotations: Mapping[str, str]
    readings: dict[Policy, "Reading"] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __str__(self) -> str:
        return f"ServiceAccount {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Identity:
    """Who a pod will be. Empty strings stand for what nobody has set. token_expiration is in seconds.

    helpers: the containers that the pod gets beside its own, in their order. helper_image: what they run in.
    environments: what `webhook.core.variables` has made of it, by the token's file.
    """

    client_id: str
    azure_client_id: str
    tenant_id: str
    azure_tenant_id: str
    cloud: Cloud
    auth_method: str
    families: tuple[str, ...]
    audience: str
    token_expiration: int
    helpers: tuple[str, ...] = ()
    helper_image: str = ""
    environments: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)


class Reading(NamedTuple):
    """What the annotations say.

    identity: None when there are problems. problems: what must be mended before the pod can run. warnings: what looks
    like a mistake. annotated: whether anybody has set a client id at all, a valid one or not.
    """

    identity: Identity | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    annotated: bool


class _Value(NamedTuple):
    """The annotation that won: its text, and where it stands, for the error message."""

    text: str
    place: str

    def problem(self, expected: str) -> str:
        return f"{self.place} is {_quoted(self.text)}, expected {expected}"


def is_guid(text: str) -> bool:
    """Whether `text` is a GUID with hyphens and nothing else."""
    return _GUID.fullmatch(text) is not None


def is_tenant(text: str) -> bool:
    """Whether `text` can be a tenant: a GUID or a domain, by the rule of the Azure SDKs."""
    return _TENANT.fullmatch(text) is not None


def is_audience(text: str) -> bool:
    """Whether `text` can be an audience: printable ASCII without spaces, at most the 600 characters Entra takes."""
    return _AUDIENCE.fullmatch(text) is not None


def containers_to_skip(request: Request) -> tuple[str, ...]:
    """The names in the annotation skip-containers, in their order."""
    text = _annotations(request).get(names.SKIP_CONTAINERS)
    if not text:
        return ()
    return tuple(dict.fromkeys(name for name in (part.strip() for part in re.split("[;,]", text)) if name))


def read_identity(request: Request, account: Account, policy: Policy) -> Reading:
    """What the annotations of the pod and its ServiceAccount say. The module's docstring has the precedence.

    A pod without annotations of its own says nothing, so all such pods of one ServiceAccount share one reading.
    """
    if any(key.startswith((names.AZURE_PREFIX, names.M365_PREFIX)) for key in _annotations(request)):
        return _read_identity(request, account, policy)
    reading = account.readings.get(policy)
    if reading is None:
        reading = account.readings[policy] = _read_identity(request, account, policy)
    return reading


def read_account_alone(account: Account, policy: Policy = _DEFAULT_POLICY) -> Reading:
    """What the annotations of `account` say of a pod that says nothing.

    No policy mends or makes a mistake in them, so whether there is an identity does not depend on it.
    """
    return read_identity(_SILENT, account, policy)


def _read_identity(request: Request, account: Account, policy: Policy) -> Reading:
    on_pod = _Annotations(f"Pod {_cut(request.namespace)}/{_cut(request.pod_name)}", _annotations(request))
    on_account = _Annotations(str(account), account.annotations)
    problems: list[str] = []

    azure_client = on_account.value(names.AZURE_CLIENT_ID)
    client = on_pod.value(names.CLIENT_ID) or on_account.value(names.CLIENT_ID) or azure_client
    azure_tenant = on_account.value(names.AZURE_TENANT_ID)
    tenant = on_pod.value(names.TENANT_ID) or on_account.value(names.TENANT_ID) or azure_tenant
    audience = on_account.value(names.AUDIENCE)

    for value in _distinct(client, azure_client):
        if not is_guid(value.text):
            problems.append(value.problem(f"the application's GUID ({_app_query(value.text)})"))
    for value in _distinct(tenant, azure_tenant):
        if not is_tenant(value.text):
            problems.append(value.problem("the tenant's GUID or domain (az account show --query tenantId)"))
    if audience and not is_audience(audience.text):
        problems.append(audience.problem("an audience of at most 600 characters without spaces"))
    expiration = _expiration(on_pod.value(names.TOKEN_EXPIRATION) or on_account.value(names.TOKEN_EXPIRATION), problems)
    cloud_name = _one_of(on_pod.value(names.CLOUD) or on_account.value(names.CLOUD), CLOUDS, policy.cloud, problems)
    method = on_pod.value(names.AUTH_METHOD) or on_account.value(names.AUTH_METHOD)
    auth_method = _one_of(method, AUTH_METHODS, AUTH_METHODS[0], problems)
    families = _families(on_pod.value(names.ENV) or on_account.value(names.ENV), problems)
    helpers = _helpers(request, on_pod, policy, problems)

    warnings = tuple(_warnings(on_pod, on_account, client, tenant, cloud_name, policy))
    if problems:
        return Reading(None, tuple(problems), warnings, annotated=client is not None)
    cloud = CLOUDS[cloud_name]
    identity = Identity(
        client_id=client.text if client else "",
        azure_client_id=azure_client.text if azure_client else "",
        tenant_id=tenant.text if tenant else policy.tenant_id,
        azure_tenant_id=azure_tenant.text if azure_tenant else policy.tenant_id,
        cloud=cloud,
        auth_method=auth_method,
        families=families,
        audience=audience.text if audience else policy.audience or cloud.audience,
        token_expiration=expiration,
        helpers=helpers,
        helper_image=policy.helper_image,
    )
    return Reading(identity, (), warnings, annotated=client is not None)


class _Annotations(NamedTuple):
    """The annotations of one object, which knows its own name for error messages."""

    owner: str
    values: Mapping[str, str]

    def value(self, key: str) -> _Value | None:
        text = self.values.get(key, "").strip()
        return _Value(text, f"{self.owner}: annotation {key}") if text else None


def _annotations(request: Request) -> Mapping[str, str]:
    return (request.pod.get("metadata") or {}).get("annotations") or {}


def _distinct(first: _Value | None, second: _Value | None) -> Iterator[_Value]:
    if first:
        yield first
    if second and second != first:
        yield second


def _expiration(value: _Value | None, problems: list[str]) -> int:
    if value is None:
        return names.DEFAULT_EXPIRATION
    # Ten digits are more than enough, and Python refuses to read thousands of them.
    if re.fullmatch("[0-9]{1,10}", value.text):
        seconds = int(value.text)
        if names.MINIMUM_EXPIRATION <= seconds <= names.MAXIMUM_EXPIRATION:
            return seconds
    problems.append(
        f"{value.place}: token expiration {_cut(value.text)} not valid. Expected value to be between "
        f"{names.MINIMUM_EXPIRATION} and {names.MAXIMUM_EXPIRATION}"
    )
    return names.DEFAULT_EXPIRATION


def _one_of(
    value: _Value | None, allowed: Mapping[str, object] | tuple[str, ...], default: str, problems: list[str]
) -> str:
    if value is None:
        return default
    if value.text not in allowed:
        problems.append(value.problem(f"one of {', '.join(allowed)}"))
        return default
    return value.text


def _families(value: _Value | None, problems: list[str]) -> tuple[str, ...]:
    if value is None:
        return FAMILIES
    asked = {part.strip() for part in value.text.split(",")}
    if not asked <= set(FAMILIES):
        problems.append(value.problem('"m365,azure", "m365" or "azure"'))
    return tuple(family for family in FAMILIES if family in asked)


def _helpers(request: Request, on_pod: _Annotations, policy: Policy, problems: list[str]) -> tuple[str, ...]:
    """The helper containers that the pod asks for and that can run in it."""
    spec = request.pod["spec"]
    names_taken = {container.get("name") for container in spec["containers"]}
    left_out = containers_to_skip(request)
    found = []
    for key, container in _HELPERS.items():
        value = on_pod.value(key)
        if value is None or value.text == "false":
            continue
        why = ""
        if value.text != "true":
            problems.append(value.problem('"true" or "false"'))
        elif not policy.helper_image:
            why = "the webhook has no image to run it in: set its --helper-image"
        elif (spec.get("os") or {}).get("name") == "windows":
            why = "there is no image of it for Windows: take the annotation off"
        elif key == names.TOKEN_ENDPOINT and spec.get("hostNetwork"):
            why = "with hostNetwork all of the node could use it: take either off"
        elif container in names_taken:
            why = f"a container is named {container} already: give it another name"
        elif container not in left_out:
            found.append(container)
        if why:
            problems.append(f'{value.place} is "true", but {why}')
    return tuple(found)


def _warnings(
    on_pod: _Annotations,
    on_account: _Annotations,
    client: _Value | None,
    tenant: _Value | None,
    cloud: str,
    policy: Policy,
) -> Iterator[str]:
    if client is None:
        yield f"no client id: annotation {names.AZURE_CLIENT_ID} is missing on {on_account.owner}"
    elif client.text == _PLACEHOLDER:
        yield f"client id {_PLACEHOLDER} is a placeholder: put in the application's"
    yield from _near_misses(on_account, names.ACCOUNT_ANNOTATIONS)
    yield from _near_misses(on_pod, names.POD_ANNOTATIONS)
    if tenant is None and not policy.tenant_id:
        yield f"no tenant id: annotation {names.AZURE_TENANT_ID} is missing on {on_account.owner}"
    elif tenant is not None and tenant.text == _PLACEHOLDER:
        yield f"tenant id {_PLACEHOLDER} is a placeholder: put in your tenant's"
    if cloud == "gcc":
        yield f'cloud "gcc": GCC tenants use the public endpoints; set {names.CLOUD} to "public"'


def _near_misses(annotations: _Annotations, known: frozenset[str]) -> Iterator[str]:
    """Warnings about annotations under our prefixes that nobody will read where they stand."""
    compared = 0
    for key in annotations.values:
        if not key.startswith((names.AZURE_PREFIX, names.M365_PREFIX)) or key in known:
            continue
        kind = annotations.owner.split(" ", 1)[0]
        if key in names.ACCOUNT_ANNOTATIONS:
            yield f"annotation {key} has no effect on a {kind}: it belongs on the ServiceAccount"
        elif key in names.POD_ANNOTATIONS:
            yield f"annotation {key} has no effect on a {kind}: it belongs on the Pod"
        elif key == names.USE_LABEL:
            yield f"annotation {key} has no effect: it is a label of the Pod"
        elif compared < _SPELLINGS_COMPARED:
            compared += 1
            meant = _meant(key)
            if meant:
                prefix = meant.partition("/")[0] + "/"
                yield f"annotation {meant} may be meant: {ascii(key.removeprefix(prefix))[1:-1]} is unknown"


def _meant(key: str) -> str:
    """The annotation that `key` is a misspelling of, or ""; one with the prefix that it has is likelier."""
    prefix, _, spelled = key[:100].partition("/")
    for same in (True, False):
        known = {_plain(name.partition("/")[2]): name for name in _KNOWN if name.startswith(prefix + "/") is same}
        close = difflib.get_close_matches(_plain(spelled), known, n=1, cutoff=0.8)
        if close:
            return known[close[0]]
    return ""


def _plain(key: str) -> str:
    return re.sub("[-_.]", "", key).lower()


def _app_query(name: str) -> str:
    return f'az ad app list --display-name {shlex.quote(ascii(_cut(name))[1:-1])} --query "[].appId"'


def _quoted(text: str) -> str:
    return '"' + ascii(_cut(text))[1:-1].replace('"', '\\"') + '"'


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
