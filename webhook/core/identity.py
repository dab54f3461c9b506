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
    variable families  M env                            M env                                  policy, m365,azure
    helpers            M preflight, M token-endpoint    -                                      none
    audience           -                                M audience                             policy, then by cloud
    skipped names      A skip-containers                -                                      none

with A = azure.workload.identity/ and M = m365.workload.identity/.
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from webhook.core import names
from webhook.core.annotations import Annotations, Value, pod_annotations, raw_annotations
from webhook.core.clouds import CLOUDS, UNKNOWN_TO_PROVIDER, Cloud
from webhook.core.families import ANSIBLE, ARM, FAMILIES, M365, left_without, parse
from webhook.core.likely_secrets import is_likely_secret, quoted_unless_secret
from webhook.core.messages import Kind, Message, Place, message
from webhook.core.messages import annotations as kinds
from webhook.core.near_misses import near_misses
from webhook.core.policy import Policy
from webhook.core.review import Request
from webhook.core.text import quoted, shown

OIDC: Final = "oidc"
MANAGED_IDENTITY: Final = "managed_identity"
AUTH_METHODS: Final = ("workload_identity", OIDC, MANAGED_IDENTITY)

_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# A domain has a dot: `common` and `organizations` stand for all tenants, and Entra signs no workload in to all of them.
_LABEL: Final = "[0-9a-zA-Z]([0-9a-zA-Z-]{0,61}[0-9a-zA-Z])?"
_DOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})+")
_AUDIENCE: Final = re.compile(r"[!-~]{1,600}")
_HELPERS: Final = {names.PREFLIGHT: names.PREFLIGHT_CONTAINER, names.TOKEN_ENDPOINT: names.TOKEN_ENDPOINT_CONTAINER}
_PLACEHOLDER: Final = "00000000-0000-0000-0000-000000000000"
_SILENT: Final = Request(uid="", namespace="", pod={"spec": {"containers": []}})
_DEFAULT_POLICY: Final = Policy()


@dataclass(frozen=True)
class Account:
    """A ServiceAccount, as far as it matters: where it is and what it is annotated with.

    readings: what its annotations say by each policy, for pods that say nothing themselves (`read_identity`).
    """

    namespace: str
    name: str
    annotations: Mapping[str, str] = field(hash=False)
    # As long as the source keeps the ServiceAccount. Without this cache the guide's pod takes 22 us more of 38.
    readings: "list[tuple[Policy, Reading]]" = field(default_factory=list, init=False, repr=False, compare=False)

    def __str__(self) -> str:
        return f"ServiceAccount {self.namespace}/{self.name}"

    @property
    def command(self) -> str:
        """The account as the arguments of a kubectl command."""
        return f"serviceaccount {shlex.quote(self.name)} -n {shlex.quote(self.namespace)}"


class Identity(NamedTuple):
    """Who a pod will be. Empty strings stand for what is not set. token_expiration is in seconds.

    helpers: the containers that the pod gets in addition to its own, in their order. helper_image: what they run in.
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


class Reading(NamedTuple):
    """What the annotations say.

    identity: None if there are problems. problems: what must be fixed before the pod can run. warnings: what looks like
    a mistake. annotated: whether any client id is set, a valid one or not.
    """

    identity: Identity | None
    problems: tuple[Message, ...]
    warnings: tuple[Message, ...]
    annotated: bool


def is_guid(text: str) -> bool:
    """Whether `text` is a GUID with hyphens and nothing else."""
    return _GUID.fullmatch(text) is not None


def is_tenant(text: str) -> bool:
    """Whether `text` can be a tenant: a GUID or the name of a domain. It becomes a part of the login URL's path."""
    return is_guid(text) or _DOMAIN.fullmatch(text) is not None


def is_audience(text: str) -> bool:
    """Whether `text` can be an audience: printable ASCII without spaces, at most the 600 characters Entra takes."""
    return _AUDIENCE.fullmatch(text) is not None


def read_identity(request: Request, account: Account, policy: Policy) -> Reading:
    """What the annotations of the pod and its ServiceAccount say. The module's docstring has the precedence.

    A pod without annotations of its own says nothing, so all such pods of one ServiceAccount share one reading.
    """
    annotations = raw_annotations(request)
    if annotations and any(key.startswith((names.AZURE_PREFIX, names.M365_PREFIX)) for key in annotations):
        return _read_identity(request, account, policy)
    for made_for, reading in account.readings:
        if made_for is policy:
            return reading
    reading = _read_identity(request, account, policy)
    account.readings[:] = [
        *account.readings[-1:],
        (policy, reading),
    ]  # there are two: the settings', and _DEFAULT_POLICY
    return reading


def read_account_alone(account: Account, policy: Policy = _DEFAULT_POLICY) -> Reading:
    """What the annotations of `account` say for a pod that says nothing. No policy fixes or makes a mistake in them."""
    reading = read_identity(_SILENT, account, policy)
    if any(each.kind is kinds.METHOD_WITHOUT_ENDPOINT for each in reading.problems):
        return _read_identity(_SILENT, account, policy, alone=True)
    return reading


def _read_identity(request: Request, account: Account, policy: Policy, *, alone: bool = False) -> Reading:
    """alone: whether the pod does not matter, so that it may miss anything."""
    reader = _Reader(pod_annotations(request), Annotations("ServiceAccount", str(account), account.annotations))
    azure_client = reader.on_account.value(names.AZURE_CLIENT_ID)
    client = reader.either(names.CLIENT_ID) or azure_client
    azure_tenant = reader.on_account.value(names.AZURE_TENANT_ID)
    tenant = reader.either(names.TENANT_ID) or azure_tenant
    reader.check_clients(client, azure_client)
    reader.check_tenants(tenant, azure_tenant)
    audience = reader.audience()
    expiration = reader.expiration()
    cloud = CLOUDS[reader.one_of(names.CLOUD, CLOUDS, policy.cloud)]
    auth_method = reader.one_of(names.AUTH_METHOD, AUTH_METHODS, AUTH_METHODS[0])
    families = reader.families(policy.env)
    helpers = reader.helpers(request, policy)
    if auth_method == MANAGED_IDENTITY and not alone:
        reader.check_endpoint(helpers)
    warnings = (
        *_warnings(reader, account, client, tenant, policy),
        *_unsuitable(reader, cloud, families),
    )
    if reader.problems:
        return Reading(None, tuple(reader.problems), warnings, annotated=client is not None)
    identity = Identity(
        client_id=client.text if client else "",
        azure_client_id=azure_client.text if azure_client else "",
        tenant_id=tenant.text if tenant else policy.tenant_id,
        azure_tenant_id=azure_tenant.text if azure_tenant else policy.tenant_id,
        cloud=cloud,
        auth_method=auth_method,
        families=families,
        audience=audience or policy.audience or cloud.audience,
        token_expiration=expiration,
        helpers=helpers,
        helper_image=policy.helper_image,
    )
    return Reading(identity, (), warnings, annotated=client is not None)


class _Reader:
    """Reads settings from the annotations of a pod and its ServiceAccount, and collects what is wrong with them.

    A value that is wrong is replaced by one that is right, so that reading can go on: all problems are found at once.
    """

    def __init__(self, on_pod: Annotations, on_account: Annotations) -> None:
        self.on_pod = on_pod
        self.on_account = on_account
        self.problems: list[Message] = []

    def either(self, key: str) -> Value | None:
        """The annotation of the pod, else that of the ServiceAccount."""
        return self.on_pod.value(key) or self.on_account.value(key)

    def place(self, key: str) -> Place:
        """Where the annotation stands; if it is not set, where it could."""
        value = self.either(key)
        return value.place if value else self.on_account.place(key)

    def check_clients(self, *values: Value | None) -> None:
        """Each must be a GUID."""
        for value in _distinct(values):
            if not is_guid(value.text):
                name = "NAME" if _is_hidden(value) else shlex.quote(shown(value.text))
                self._problem(kinds.CLIENT_ID_INVALID, value, name=name)

    def check_tenants(self, *values: Value | None) -> None:
        """Each must be a GUID or a domain."""
        for value in _distinct(values):
            if not is_tenant(value.text):
                self._problem(kinds.TENANT_ID_INVALID, value)

    def audience(self) -> str:
        """The audience, "" if it is not set. A pod cannot set it."""
        value = self.on_account.value(names.AUDIENCE)
        if value and not is_audience(value.text):
            self._problem(kinds.AUDIENCE_INVALID, value)
        return value.text if value else ""

    def expiration(self) -> int:
        """The lifetime of the token in seconds."""
        value = self.either(names.TOKEN_EXPIRATION)
        if value is None:
            return names.DEFAULT_EXPIRATION
        # Ten digits are more than enough, and Python refuses to read thousands of them.
        if re.fullmatch("[0-9]{1,10}", value.text):
            seconds = int(value.text)
            if names.MINIMUM_EXPIRATION <= seconds <= names.MAXIMUM_EXPIRATION:
                return seconds
        limits = {"minimum": names.MINIMUM_EXPIRATION, "maximum": names.MAXIMUM_EXPIRATION}
        text = _quoted(value) if _is_hidden(value) else shown(value.text)
        self.problems.append(message(kinds.EXPIRATION_INVALID, value.place, value=text, **limits))
        return names.DEFAULT_EXPIRATION

    def one_of(self, key: str, allowed: Collection[str], default: str) -> str:
        """One of the `allowed` words."""
        value = self.either(key)
        if value is None:
            return default
        if value.text not in allowed:
            self._problem(kinds.NOT_ONE_OF, value, allowed=", ".join(allowed))
            return default
        return value.text

    def families(self, default: tuple[str, ...]) -> tuple[str, ...]:
        """The families of variables, in our order."""
        value = self.either(names.ENV)
        if value is None:
            return default
        try:
            return parse(value.text)
        except ValueError:
            self._problem(kinds.FAMILIES_INVALID, value, allowed=", ".join(FAMILIES))
            return default

    def helpers(self, request: Request, policy: Policy) -> tuple[str, ...]:
        """The helper containers that the pod asks for and that can run in it."""
        found = []
        for key, container in _HELPERS.items():
            value = self.on_pod.value(key)
            if value is None or value.text == "false":
                continue
            if value.text != "true":
                self._problem(kinds.NOT_TRUE_OR_FALSE, value)
                continue
            obstacle = _obstacle(key, container, request.pod["spec"], policy)
            if obstacle:
                self._problem(obstacle, value, container=container)
            elif container not in request.skipped:
                found.append(container)
        return tuple(found)

    def check_endpoint(self, helpers: tuple[str, ...]) -> None:
        """The token endpoint must be there, or a reason why it is not must have been found."""
        refused = any(each.place.annotation == names.TOKEN_ENDPOINT for each in self.problems)
        if names.TOKEN_ENDPOINT_CONTAINER not in helpers and not refused:
            place = self.place(names.AUTH_METHOD)
            self.problems.append(message(kinds.METHOD_WITHOUT_ENDPOINT, place, needed=names.TOKEN_ENDPOINT))

    def _problem(self, kind: Kind, value: Value, **more: str) -> None:
        self.problems.append(message(kind, value.place, value=_quoted(value), **more))


def _is_hidden(value: Value) -> bool:
    """Whether no message may show it. Who sends a pod knows what is on it; a ServiceAccount may be another's."""
    return not value.on_pod and is_likely_secret(value.text)


def _quoted(value: Value) -> str:
    return quoted(value.text) if value.on_pod else quoted_unless_secret(value.text)


def _distinct(values: tuple[Value | None, ...]) -> Iterator[Value]:
    yield from dict.fromkeys(value for value in values if value)


def _obstacle(key: str, container: str, spec: Mapping[str, Any], policy: Policy) -> Kind | None:
    """Why a helper container cannot run in the pod `spec`, or None."""
    if not policy.helper_image:
        return kinds.HELPER_WITHOUT_IMAGE
    if (spec.get("os") or {}).get("name") == "windows":
        return kinds.HELPER_ON_WINDOWS
    if key == names.TOKEN_ENDPOINT and spec.get("hostNetwork"):
        return kinds.HELPER_ON_HOST_NETWORK
    if any(each.get("name") == container for each in spec["containers"]):
        return kinds.HELPER_NAME_TAKEN
    return None


def _warnings(
    reader: _Reader, account: Account, client: Value | None, tenant: Value | None, policy: Policy
) -> Iterator[Message]:
    on_account = reader.on_account
    if client is None:
        yield message(kinds.CLIENT_ID_MISSING, on_account.place(names.AZURE_CLIENT_ID), command=account.command)
    elif client.text == _PLACEHOLDER:
        yield message(kinds.CLIENT_ID_PLACEHOLDER, client.place, value=client.text)
    yield from near_misses(on_account)
    yield from near_misses(reader.on_pod)
    if tenant is None and not policy.tenant_id:
        yield message(kinds.TENANT_ID_MISSING, on_account.place(names.AZURE_TENANT_ID), command=account.command)
    elif tenant is not None and tenant.text == _PLACEHOLDER:
        yield message(kinds.TENANT_ID_PLACEHOLDER, tenant.place, value=tenant.text)


def _unsuitable(reader: _Reader, cloud: Cloud, families: tuple[str, ...]) -> Iterator[Message]:
    """Values that are valid, and with which some tools cannot work."""
    place = reader.place(names.CLOUD)
    if cloud.name == "gcc":
        yield message(kinds.CLOUD_GCC, place)
    if M365 in families and cloud.name in UNKNOWN_TO_PROVIDER:
        yield message(kinds.CLOUD_WITHOUT_TOKEN, place, cloud=cloud.name)
    unknown = [
        family for family, name in ((ARM, cloud.arm), (ANSIBLE, cloud.python)) if family in families and not name
    ]
    if unknown:
        yield message(kinds.CLOUD_UNKNOWN, place, cloud=cloud.name, families=", ".join(unknown))
    without = left_without(families)
    if without:
        yield message(kinds.AZURE_LEFT_OUT, reader.place(names.ENV), tools=", ".join(without))
