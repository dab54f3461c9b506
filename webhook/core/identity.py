"""From annotations to an identity: who the pod will be, with every mistake found at once.

`webhook.core.precedence` says which annotation counts.
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from webhook.core import names
from webhook.core.annotations import Annotations, Value, pod_annotations, raw_annotations
from webhook.core.clouds import CLOUDS, UNKNOWN_TO_PROVIDER, Cloud
from webhook.core.families import ANSIBLE, ARM, M365, left_without
from webhook.core.messages import Message, message
from webhook.core.messages import annotations as kinds
from webhook.core.near_misses import concerns_us, near_misses
from webhook.core.policy import Policy
from webhook.core.precedence import Annotated
from webhook.core.reader import AUTH_METHODS, MANAGED_IDENTITY, Reader
from webhook.core.review import Request

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
    def subject(self) -> str:
        """The account as the `sub` of its tokens has it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def command(self) -> str:
        """The account as the arguments of a kubectl command."""
        return f"serviceaccount {shlex.quote(self.name)} -n {shlex.quote(self.namespace)}"


class Identity(NamedTuple):
    """Who a pod will be. Empty strings stand for what is not set. token_expiration is in seconds.

    helpers: the containers that the pod gets in addition to its own, in their order. helper_image: what they run in.
    metrics_port: where the token endpoint shows metrics; 0: nowhere.
    binding: whether Azure's webhook is to give the pod a token for another audience, as identity bindings do.
    policy: what else is decided about them; None for pods without them, since identities are compared often.
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
    metrics_port: int = 0
    binding: bool = False
    policy: Policy | None = None


class Reading(NamedTuple):
    """What the annotations say.

    identity: None if there are problems. problems: what must be fixed before the pod can run. warnings: what looks like
    a mistake. annotated: whether any client id is set, a valid one or not. sources: the annotations that count.
    """

    identity: Identity | None
    problems: tuple[Message, ...]
    warnings: tuple[Message, ...]
    annotated: bool
    sources: Annotated


def read_identity(request: Request, account: Account, policy: Policy) -> Reading:
    """What the annotations of the pod and its ServiceAccount say.

    A pod without annotations of its own says nothing, so all such pods of one ServiceAccount share one reading.
    """
    annotations = raw_annotations(request)
    if annotations and concerns_us(annotations):
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
    reader = Reader(pod_annotations(request), Annotations("ServiceAccount", str(account), account.annotations))
    found = reader.found
    client, azure_client, tenant, azure_tenant = found[:4]
    reader.check_clients(client, azure_client)
    reader.check_tenants(tenant, azure_tenant)
    audience = reader.audience()
    expiration = reader.expiration()
    cloud = CLOUDS[reader.one_of(found.cloud, CLOUDS, policy.cloud)]
    auth_method = reader.one_of(found.auth_method, AUTH_METHODS, AUTH_METHODS[0])
    families = reader.families(policy.env)
    helpers = reader.helpers(request, policy)
    metrics_port = reader.metrics_port()
    if auth_method == MANAGED_IDENTITY and not alone:
        reader.check_endpoint(helpers)
    warnings = (
        *_warnings(reader, account, client, tenant, policy),
        *_unsuitable(reader, cloud, families, helpers),
    )
    if reader.problems:
        return Reading(None, tuple(reader.problems), warnings, client is not None, found)
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
        metrics_port=metrics_port if names.TOKEN_ENDPOINT_CONTAINER in helpers else 0,
        binding=reader.binding(),
        policy=policy if helpers else None,
    )
    return Reading(identity, (), warnings, client is not None, found)


def _warnings(
    reader: Reader, account: Account, client: Value | None, tenant: Value | None, policy: Policy
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


def _unsuitable(reader: Reader, cloud: Cloud, families: tuple[str, ...], helpers: tuple[str, ...]) -> Iterator[Message]:
    """Values that are valid, and with which some tools cannot work, or that have no effect."""
    place = reader.place(reader.found.cloud, names.CLOUD)
    if cloud.name == "gcc" and M365 in families:  # Power Platform's provider has a cloud of this name
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
        yield message(kinds.AZURE_LEFT_OUT, reader.place(reader.found.families, names.ENV), tools=", ".join(without))
    yield from reader.idle_metrics(helpers)
