"""What a running pod has other than a new pod would have, and why.

A pod is compared with what the annotations decide now. What the webhook's own settings decide (tenant, cloud, audience)
is compared with the pod that was created by dry run.

Of a helper container counts what changes the sign-in: whether it is there, its variables, its token, and the port of
its metrics. Its image, resources and the like change with each release of the chart, and the pods sign in as before.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from webhook.accounts.cache import KEPT_SECONDS
from webhook.checks.new_pod import FILE_VARIABLES, NewPod, environment, token, without_volume
from webhook.checks.registration import Registration
from webhook.checks.timestamps import timestamp
from webhook.core import names
from webhook.core.families import CLOUD_VARIABLE, FAMILIES, VARIABLES
from webhook.core.helper_containers import missing_helpers
from webhook.core.helper_ports import shown_port
from webhook.core.identity import Account, Identity, read_identity
from webhook.core.messages import Kind, Severity, helper_differences, workloads
from webhook.core.mutation import CONTAINER_LISTS, containers_to_inject
from webhook.core.own_containers import HELPER_NAMES
from webhook.core.policy import Policy
from webhook.core.review import Request
from webhook.core.variables import helper_variables, missing

# The variable by which a pod shows that it has a family.
_SHOWS: Final = {
    "m365": "M365_AUTH_METHOD",
    "azure": "AZURE_AUTHORITY_HOST",
    "arm": "ARM_USE_OIDC",
    "powerplatform": "POWER_PLATFORM_USE_OIDC",
    "cli": "CLIMICROSOFT365_ENTRAAPPID",
    "ansible": "AZURE_TENANT",
}
# The variables that the webhook's settings may decide, by the setting.
_OF_CLOUD: Final = frozenset(
    {"M365_CLOUD", "AZURE_AUTHORITY_HOST", "ARM_ENVIRONMENT", "POWER_PLATFORM_CLOUD", "AZURE_CLOUD_ENVIRONMENT"}
)
_OF_TENANT: Final = frozenset({"M365_TENANT_ID", "POWER_PLATFORM_TENANT_ID", "CLIMICROSOFT365_TENANT"})
_REMEMBERED: Final = timedelta(seconds=KEPT_SECONDS)
_CLOCKS: Final = timedelta(seconds=5)  # how far this clock may be ahead of the API server's
_OF_AZURE_TENANT: Final = frozenset({"AZURE_TENANT_ID", "ARM_TENANT_ID", "AZURE_TENANT"})


@dataclass(frozen=True)
class Template:
    """What a pod template sets itself: variables by container, and the names of its volumes."""

    variables: Mapping[str, frozenset[str]]
    volumes: frozenset[str]


@dataclass(frozen=True)
class Expectation:
    """What pods are compared with.

    annotated: when the annotations of the ServiceAccount were last written, None if it is not known. now: when the pods
    were looked at. found: None if the user may not see it. policy: with the scope, and without the settings of the
    webhook, which are not known. new: the pod that was created by dry run, which shows these settings; None if none was
    injected. template: the workload's; None if it is not known, so that somebody may have written any difference by
    hand.
    """

    account: Account
    annotated: datetime | None
    found: Registration | None
    namespace_labels: Mapping[str, str]
    policy: Policy
    new: NewPod | None = None
    template: Template | None = None
    now: datetime | None = None

    def wait(self) -> str:
        """What is to be said before a command that creates pods again, if the annotations changed a moment ago."""
        if not self.annotated or not self.now or self.now - self.annotated > _REMEMBERED + _CLOCKS:
            return ""
        return f"in {_REMEMBERED.seconds} seconds, since a replica may remember the old annotations until then: "


@dataclass(frozen=True)
class Difference:
    """A difference as a row of the table, and its values. container: the helper container that it is about."""

    kind: Kind
    variable: str = ""
    there: str = ""
    wanted: str = ""
    container: str = ""

    @property
    def certain(self) -> bool:
        """Whether it is certain that the pod must be created again."""
        return self.kind.severity is Severity.ERROR

    @property
    def named(self) -> str:
        """The variable, with its container if that is a helper container."""
        return f"{self.variable} of container {self.container}" if self.variable and self.container else self.variable


def read_template(pod: Mapping[str, Any]) -> Template:
    """What a pod template sets itself."""
    spec = pod.get("spec") or {}
    variables = {
        str(container.get("name")): frozenset(str(entry.get("name")) for entry in container.get("env") or ())
        for kind in CONTAINER_LISTS
        for container in spec.get(kind) or ()
    }
    return Template(variables, frozenset(str(volume.get("name")) for volume in spec.get("volumes") or ()))


def annotated_at(document: Mapping[str, Any]) -> datetime | None:
    """When somebody last wrote one of our annotations on an object, by its managedFields."""
    times = []
    for entry in (document.get("metadata") or {}).get("managedFields") or ():
        fields = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {}
        ours = any(key.startswith((f"f:{names.AZURE_PREFIX}", f"f:{names.M365_PREFIX}")) for key in fields)
        time = timestamp(entry.get("time"))
        if ours and time:
            times.append(time)
    return max(times, default=None)


def difference(request: Request, expected: Expectation) -> Difference | None:
    """Why a pod must be created again, the most certain reason; None if it has what a new pod would have."""
    identity = read_identity(request, expected.account, expected.policy).identity
    receivers = [each.container for each in containers_to_inject(request.pod["spec"], request.skipped)]
    if identity is None or not receivers:
        return None  # reported with the ServiceAccount and the workload
    # A container without the variable was added later, by another webhook.
    holders = [each for each in receivers if not environment(each).keys().isdisjoint(FILE_VARIABLES)]
    if not holders:
        return _without_identity(request, identity, expected)
    found = [
        *_of_containers(request, holders, identity, expected, helpers=False),
        *_of_helpers(request, identity, expected.template),
        *_of_containers(request, holders, identity, expected, helpers=True),
    ]
    return next((each for each in found if each.certain), next(iter(found), None))


def _without_identity(request: Request, identity: Identity, expected: Expectation) -> Difference | None:
    """Why a pod has no identity at all, by the times that the API server keeps."""
    metadata = request.pod.get("metadata") or {}
    labelled = (metadata.get("labels") or {}).get(names.USE_LABEL) == "true"
    if not labelled and not identity.client_id:
        return None  # neither the pod nor its ServiceAccount asks for an identity
    created = timestamp(metadata.get("creationTimestamp"))
    installed = expected.found.created if expected.found else None
    if installed and created and created < installed:
        return Difference(workloads.OLDER_THAN_INSTALLATION)
    if not labelled and expected.annotated and created and created <= expected.annotated:
        return Difference(workloads.OLDER_THAN_ANNOTATIONS)
    return Difference(workloads.CREATED_UNNOTICED)


def _of_containers(
    request: Request,
    holders: Iterable[Mapping[str, Any]],
    identity: Identity,
    expected: Expectation,
    *,
    helpers: bool,
) -> Iterator[Difference]:
    """What the pod's own containers, or its helper containers, have other than in a new pod."""
    for container in holders:
        name = str(container.get("name"))
        if (name in HELPER_NAMES) is helpers:
            for each in _of_container(request, container, identity, expected):
                yield replace(each, container=name) if helpers else each


def _of_helpers(request: Request, identity: Identity, template: Template | None) -> Iterator[Difference]:
    """Helper containers that are missing or too many, and metrics at another port."""
    spec = request.pod["spec"]
    init = spec.get("initContainers") or ()
    there = {each.get("name"): each for each in init if each.get("name") in HELPER_NAMES}
    if not there and not identity.helpers:
        return  # of nearly all pods
    others = [each for each in init if each.get("name") not in HELPER_NAMES]
    without = {**request.pod, "spec": {**spec, "initContainers": others}}
    new = {each["name"]: each for each in missing_helpers(without, identity, request.skipped)}
    for name in sorted(HELPER_NAMES):
        if template and name in template.variables:
            continue  # the pod's own, which the webhook leaves alone
        if name in new and name not in there:
            yield Difference(helper_differences.HELPER_MISSING, container=name)
        elif name in there and name not in new:
            kind = helper_differences.HELPER_EXTRA if template else helper_differences.HELPER_EXTRA_OR_OWN
            yield Difference(kind, container=name)
        elif name in there:
            yield from _of_metrics(name, shown_port(there[name]), shown_port(new[name]), identity)


def _of_metrics(name: str, port: int, new: int, identity: Identity) -> Iterator[Difference]:
    """The metrics of a helper container at another port than in a new pod; 0: at none."""
    # A container that another webhook added later may have the port by now. It comes later to a new pod, too.
    if port not in (new, identity.metrics_port):
        there, wanted = (f"port {each}" if each else "no port" for each in (port, new))
        yield Difference(helper_differences.METRICS_DIFFER, there=there, wanted=wanted, container=name)


def _of_container(
    request: Request, container: Mapping[str, Any], identity: Identity, expected: Expectation
) -> Iterator[Difference]:
    """What a container with a token has other than in a new pod."""
    lacking = without_volume(container)
    if lacking:
        yield Difference(workloads.TOKEN_FILE_ABSENT, *lacking)
        return  # nor does it matter which token is not there
    yield from _of_variables(request, container, identity, expected)
    yield from _of_token(request, container, identity, expected)


def _of_variables(
    request: Request, container: Mapping[str, Any], identity: Identity, expected: Expectation
) -> Iterator[Difference]:
    """Variables that are missing, that have another value, or that a new pod would not have."""
    there = environment(container)
    file, beside = (str((there.get(name) or {}).get("value") or "") for name in FILE_VARIABLES)
    beside = "" if beside == file else beside
    template = expected.template
    own = template.variables.get(str(container.get("name")), frozenset()) if template else frozenset()
    helper = container.get("name") in HELPER_NAMES
    for name, value in _wanted(request, identity, file, beside, expected, helper=helper).items():
        entry = there.get(name)
        if name in own or (entry and "valueFrom" in entry):
            continue
        if entry is None and value:
            yield Difference(workloads.VARIABLE_MISSING, name)
        elif entry and not value:
            yield Difference(workloads.VARIABLE_EXTRA if template else workloads.VARIABLE_EXTRA_OR_OWN, name)
        elif entry and entry.get("value") != value:
            yield Difference(workloads.VARIABLE_DIFFERS if template else workloads.VARIABLE_DIFFERS_OR_OWN, name)


def _of_token(
    request: Request, container: Mapping[str, Any], identity: Identity, expected: Expectation
) -> Iterator[Difference]:
    """A token for another audience or with another lifetime, in a volume that is not the template's own."""
    found, template = token(request.pod, container), expected.template
    if found is None or (template and found.volume in template.volumes):
        return
    audience = _audience(request, identity, expected)
    if audience and found.audience != audience:
        kind = workloads.AUDIENCE_DIFFERS if template else workloads.AUDIENCE_DIFFERS_OR_OWN
        yield Difference(kind, there=found.audience, wanted=audience)
    if found.expiration != identity.token_expiration:
        kind = workloads.LIFETIME_DIFFERS if template else workloads.LIFETIME_DIFFERS_OR_OWN
        yield Difference(kind, there=str(found.expiration), wanted=str(identity.token_expiration))


def _wanted(
    request: Request, identity: Identity, file: str, beside: str, expected: Expectation, *, helper: bool
) -> dict[str, str]:
    """The variables whose value in a new pod is known, "" if it would not have one. helper: of a helper container.

    Variables that no annotation decides are read off the pod that was created by dry run. Without such a pod, or if its
    variable families are others, they are not known.
    """
    seen = expected.new.variables if expected.new else {}
    identity = identity._replace(families=_families(request, identity, expected))
    new = helper_variables(identity, file, beside) if helper else missing(identity, {}, file, beside).variables
    decided = {each.name: each.value for each in new}
    by_settings = set() if _annotates(request, expected, names.CLOUD) else set(_OF_CLOUD)
    by_settings |= set() if identity.tenant_id else _OF_TENANT
    by_settings |= set() if identity.azure_tenant_id else _OF_AZURE_TENANT
    present = {name for family in identity.families for name in FAMILIES[family].variables}
    present |= {CLOUD_VARIABLE} if helper else set()
    wanted = {}
    for name in VARIABLES:
        if name not in by_settings or name not in present:
            wanted[name] = decided.get(name, "")
        elif name in seen:
            wanted[name] = seen[name]
    return wanted


def _families(request: Request, identity: Identity, expected: Expectation) -> tuple[str, ...]:
    """The families that a new pod would have; if no annotation says so, those of the pod of the dry run."""
    if expected.new is None or _annotates(request, expected, names.ENV):
        return identity.families
    return tuple(family for family, name in _SHOWS.items() if name in expected.new.variables)


def _audience(request: Request, identity: Identity, expected: Expectation) -> str:
    """The audience that a new pod's token would have, "" if it is not known."""
    if expected.account.annotations.get(names.AUDIENCE, "").strip():
        return identity.audience
    if expected.new is None:
        return ""
    # The webhook may remember an older annotation for half a minute; then the new pod is of the old cloud.
    current = (
        not _annotates(request, expected, names.CLOUD)
        or expected.new.variables.get("M365_CLOUD") == identity.cloud.name
    )
    return expected.new.audience if current else ""


def _annotates(request: Request, expected: Expectation, key: str) -> bool:
    """Whether the pod or its ServiceAccount has the annotation."""
    on_pod = (request.pod.get("metadata") or {}).get("annotations") or {}
    return any(str(each.get(key) or "").strip() for each in (on_pod, expected.account.annotations))
