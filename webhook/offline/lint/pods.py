"""What is wrong with a pod template: what the webhook would decide about its pods, and what it never sees.

A pod that looks as if it were to have an identity, and is not selected because of its label, is judged as if it were
selected: otherwise its mistakes would be found one by one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from webhook.core import names
from webhook.core.annotations import Annotations
from webhook.core.clouds import CLOUDS
from webhook.core.decision import Decision, decide, decide_early
from webhook.core.identity import Account, read_account_alone
from webhook.core.messages import Message, Place, message
from webhook.core.messages import lint as kinds
from webhook.core.messages import manifests as manifest_kinds
from webhook.core.messages import pods as pod_kinds
from webhook.core.messages.workloads import ALL_CONTAINERS_SKIPPED, NAMESPACE_NEVER_TAKEN
from webhook.core.near_misses import near_misses
from webhook.core.pod_shape import shape_problem
from webhook.core.policy import NAMESPACE_LABEL, POD_LABEL, Policy
from webhook.core.review import Request
from webhook.core.selection import skip_reason
from webhook.core.text import shown
from webhook.core.token_volumes import lifetime, token_file
from webhook.core.workload_kinds import OPERATOR_KINDS
from webhook.documents import metadata
from webhook.offline import hints, operators
from webhook.offline.lint import meshes
from webhook.offline.lint.accounts import Accounts, KnownAccount, of_messages
from webhook.offline.lint.findings import Finding, found, found_where_it_says
from webhook.offline.lint.leftovers import filled, kind_of, left_message, leftovers, presumed
from webhook.offline.lint.misplaced import of_template
from webhook.offline.lint.objects import Object
from webhook.offline.lint.places import PodPlaces
from webhook.offline.workloads import pod_of

# What depends on the ServiceAccount, and is not said of one that is not known.
_OF_THE_ACCOUNT: Final = {
    pod_kinds.VARIABLES_KEPT,
    pod_kinds.TOKEN_BESIDE,
    pod_kinds.TOKEN_OF_OTHER_AUDIENCE,
    pod_kinds.PROVIDER_WITHOUT_CLOUD,
}
_UNLABELLED: Final = Decision("unchanged", "not-selected")


@dataclass(frozen=True)
class Surroundings:
    """What a pod is judged with. namespaces: the labels and annotations of those in the files, by name."""

    accounts: Accounts
    policy: Policy
    namespaces: Mapping[str, Object]

    def labels(self, namespace: str) -> dict[str, str]:
        """The labels of a namespace; empty if it is not in the files."""
        known = self.namespaces.get(namespace)
        return known.texts("metadata", "labels") if known else {}


class Pod:
    """One pod template, at `steps` of an object. account: its ServiceAccount, if it is in the files."""

    def __init__(self, each: Object, steps: tuple[str, ...], around: Surroundings) -> None:
        self.object = each
        self.steps = steps
        self._around = around
        template = each.values(*steps)
        pod = pod_of(template, each.manifest)
        self._broken = [*metadata.problems(each.manifest, *steps, "metadata")]
        spec = pod.get("spec")
        self._is_fragment = not isinstance(spec, dict) or "containers" not in spec
        problem = None if self._broken or self._is_fragment else shape_problem(pod)
        if problem:
            place = each.place(*steps, *problem.steps)
            text = problem.message(path=".".join(steps), place=each.title)
            self._broken.append(
                Message(text.kind, replace(place, object=each.title, field=text.place.field), text.values)
            )
        self._annotations = filled(each.texts(*steps, "metadata", "annotations"))
        self._labels = each.texts(*steps, "metadata", "labels")
        own = spec if isinstance(spec, dict) else {}
        self.account_name = str(own.get("serviceAccountName") or own.get("serviceAccount") or "default")
        self.account = around.accounts.of(each, self.account_name)
        of_pod = pod.get("metadata")
        pod["metadata"] = {**(of_pod if isinstance(of_pod, dict) else {}), "annotations": self._annotations}
        self._pod = pod

    @property
    def is_labelled(self) -> bool:
        """Whether it asks for an identity; a label that is still to be filled in is taken for yes."""
        label = self._labels.get(names.USE_LABEL, "")
        return label == "true" or kind_of(label) is not None

    def findings(self) -> Iterator[Finding]:
        """What is wrong with it."""
        for problem in self._broken:
            yield found_where_it_says(problem, self.object.manifest, self.object.title)
        yield from leftovers(self.object, *self.steps, "metadata")
        yield from of_template(self.object, self.steps)
        if self._broken:
            return
        if self._is_fragment:
            yield from self._at_places(near_misses(self._own_annotations()))
            return
        hinted = [] if self.is_labelled else [*self._hints()]
        for hint in hinted:
            yield found_where_it_says(hint, self.object.manifest, self.object.title)
        yield from self._judged(wanted=self.is_labelled or bool(hinted) or self._has_settings())
        yield from self._own_tokens()

    def _hints(self) -> Iterator[Message]:
        """Mistakes with the label that a webhook never sees."""
        account = self.account.account if self.account else None
        if not (self.object.is_workload or self.object.is_operators):
            account = None  # what an operator that is not known does with the template is not known, either
        yield from hints.hints(
            self.object.manifest, self.steps, _UNLABELLED, account, label_decides=self._selected_by_label_only()
        )

    def _judged(self, *, wanted: bool) -> Iterator[Finding]:
        if self._labels.get(names.USE_LABEL) == "false":
            return
        if not self.is_labelled and wanted and self._selected_by_label_only():
            yield from self._without_label()
        request = self._request(label=wanted)
        policy = self._around.policy
        namespace = self._around.labels(self.object.namespace) if policy.scope == NAMESPACE_LABEL else None
        decision = decide_early(request, policy, namespace)
        if decision and decision.reason == "not-selected" and wanted:
            yield from self._never_taken()
        if decision and decision.reason == "not-selected":
            yield from self._at_places(near_misses(self._own_annotations()))
        if decision and decision.reason == "all-skipped" and wanted:
            skipped = message(ALL_CONTAINERS_SKIPPED, Place(self.object.title, names.SKIP_CONTAINERS))
            yield from self._at_places(iter([skipped]))
        if decision:
            return
        known = self.account
        if wanted:
            yield from self._of_the_account()
        account = known.account if known else Account(self.object.namespace, self.account_name, presumed())
        decision = decide(request, account, policy)
        yield from self._decided(decision, known, account)
        if wanted:
            yield from meshes.warnings(self.object, self.steps, self._around.namespaces.get(self.object.namespace))

    def _decided(self, decision: Decision, known: KnownAccount | None, account: Account) -> Iterator[Finding]:
        messages = [*decision.problems, *decision.warnings]
        of_account = [each for each in messages if each.place.object == str(account)]
        if known:
            yield from of_messages(known, of_account)
        others = [each for each in messages if each.place.object != str(account)]
        if not known:
            others = [each for each in others if each.kind not in _OF_THE_ACCOUNT]
        yield from self._at_places(iter(others))

    def _at_places(self, messages: Iterator[Message]) -> Iterator[Finding]:
        places = PodPlaces(self.object, self.steps)
        for each in messages:
            if each.kind is not pod_kinds.MORE_WARNINGS:
                yield found(each, places.of(each), self.object.manifest, self.object.title)

    def _own_annotations(self) -> Annotations:
        return Annotations("Pod", self.object.title, self._annotations)

    def _has_settings(self) -> bool:
        return not names.POD_ANNOTATIONS.isdisjoint(self._annotations)

    def _without_label(self) -> Iterator[Finding]:
        """The annotations say what identity it is to have, and nothing else does."""
        if self._labels.get(names.USE_LABEL) is not None or any(
            each.kind
            in (manifest_kinds.LABEL_MISSING, manifest_kinds.LABEL_ON_WORKLOAD, manifest_kinds.LABEL_IN_ANNOTATIONS)
            for each in self._hints()
        ):
            return
        key = next(key for key in self._annotations if key in names.POD_ANNOTATIONS)
        place = self.object.place(*self.steps, "metadata", "annotations", key)
        wanted = ".".join((*self.steps, "metadata.labels"))
        filled_in = message(
            kinds.ANNOTATIONS_WITHOUT_LABEL, Place(self.object.title, key), label=names.USE_LABEL, wanted=wanted
        )
        yield found(filled_in, place, self.object.manifest, self.object.title)

    def _never_taken(self) -> Iterator[Finding]:
        """In a namespace that the webhook leaves alone; the label alone may be meant for Azure's webhook."""
        policy = self._around.policy
        ours = any(key.startswith(names.M365_PREFIX) for key in self._annotations)
        if ours and self.object.namespace in (*names.SYSTEM_NAMESPACES, policy.own_namespace):
            place = self.object.place(*self.steps, "metadata", "labels", names.USE_LABEL)
            yield found(
                message(NAMESPACE_NEVER_TAKEN, Place(self.object.title)), place, self.object.manifest, self.object.title
            )

    def _of_the_account(self) -> Iterator[Finding]:
        """Its ServiceAccount: whether it is in the files, and what else may be meant."""
        each, name, accounts = self.object, self.account_name, self._around.accounts
        place = each.place(*self.steps, "spec", _account_key(each, self.steps))
        if left := left_message(name, "serviceAccountName"):
            yield found(left, place, each.manifest, each.title)
        elif accounts.is_known(each, name):
            return
        elif elsewhere := accounts.elsewhere(name):
            text = message(kinds.ACCOUNT_ELSEWHERE, account=name, found=elsewhere)
            yield found(text, place, each.manifest, each.title)
        elif name != "default" and (similar := accounts.similar(each, name)):
            text = message(kinds.ACCOUNT_MISSPELT, account=name, similar=similar)
            yield found(text, place, each.manifest, each.title)
        else:
            account = str(Account(each.namespace, shown(name), {}))
            yield found(message(kinds.ACCOUNT_NOT_SEEN, account=account), place, each.manifest, each.title)

    def _own_tokens(self) -> Iterator[Finding]:
        """Tokens for Entra that somebody mounts by hand, whether the pod is selected or not."""
        each = self.object
        spec = each.values(*self.steps, "spec")
        known = {cloud.audience for cloud in CLOUDS.values()} | {self._around.policy.audience} - {""}
        places = PodPlaces(each, self.steps)
        held: set[str] = set()
        for volume in spec.get("volumes") or ():
            for audience in known:
                if token_file(volume, audience):
                    held.add(str(volume.get("name")))
                    seconds = lifetime(volume, audience)
                    if seconds > names.MAXIMUM_EXPIRATION:
                        text = message(
                            pod_kinds.TOKEN_LIVES_TOO_LONG,
                            volume=shown(volume.get("name")),
                            seconds=seconds,
                            limit=names.MAXIMUM_EXPIRATION,
                        )
                        yield found(text, places.of(text), each.manifest, each.title)
        for kind in ("initContainers", "containers"):
            for index, container in enumerate(spec.get(kind) or ()):
                for number, mount in enumerate(container.get("volumeMounts") or ()):
                    part = next((key for key in ("subPath", "subPathExpr") if mount.get(key)), None)
                    if part and str(mount.get("name")) in held:
                        text = message(pod_kinds.TOKEN_FILE_IN_SUB_PATH, Place.of_container(container.get("name")))
                        steps = (*self.steps, "spec", kind, index, "volumeMounts", number, part)
                        yield found(text, each.place(*steps), each.manifest, each.title)

    def _selected_by_label_only(self) -> bool:
        policy = self._around.policy
        return policy.scope == POD_LABEL and not skip_reason(self._request(label=True), policy)

    def _request(self, *, label: bool) -> Request:
        own = self._pod["metadata"]
        labels = {**self._labels, names.USE_LABEL: "true"} if label else self._labels
        pod: dict[str, Any] = {**self._pod, "metadata": {**own, "labels": labels}}
        return Request(uid="", namespace=self.object.namespace, pod=pod)


def of_operator(each: Object, accounts: Accounts, policy: Policy) -> Iterator[Finding]:
    """The label of an object whose pods an operator makes, if the object has no pod template that is judged itself."""
    for hint in operators.hints(each.manifest):
        yield found_where_it_says(hint, each.manifest, each.title)
        return
    places = OPERATOR_KINDS.get((each.manifest.group, each.kind))
    if not places or policy.scope != POD_LABEL or any(names.USE_LABEL in each.values(*steps) for steps in places):
        return
    for steps, value in operators.inner_values(each.manifest.value):
        if steps[-1] in ("serviceAccountName", "serviceAccount") and isinstance(value, str):
            known = accounts.of(each, value)
            if known and read_account_alone(known.account).annotated:
                wanted = " and ".join(".".join(place) for place in places)
                text = message(
                    manifest_kinds.LABEL_MISSING, label=names.USE_LABEL, account=str(known.account), wanted=wanted
                )
                yield found(text, each.place(*steps), each.manifest, each.title)
                return


def _account_key(each: Object, steps: tuple[str, ...]) -> str:
    spec = each.values(*steps, "spec")
    return next((key for key in ("serviceAccountName", "serviceAccount") if key in spec), "containers")
