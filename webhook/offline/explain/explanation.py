"""The explanation of a text with manifests: what the webhook would decide about each object, and why."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from webhook.core import names
from webhook.core.identity import Account
from webhook.core.messages import Message
from webhook.core.mutation import apply
from webhook.core.policy import CLUSTER, NAMESPACE_LABEL, Policy
from webhook.core.review import Request
from webhook.core.selection import labelled
from webhook.core.text import shown
from webhook.documents.files import ManifestFiles
from webhook.entra.federated_credential import FederatedCredential, NoCredential, federated_credential
from webhook.offline.explain.pods import HELPER, Container, containers
from webhook.offline.explain.rules import BY_REASON, RULES, Rule
from webhook.offline.explain.settings import Setting, settings
from webhook.offline.outputs import as_diff
from webhook.offline.workloads import Result, decide_all

ISSUER: Final = "https://ISSUER"
"""Stands for the cluster's issuer, which only the cluster knows."""
_LINE: Final = re.compile(r"[^\n]*\n")
_SIGNS: Final = {"---": "file", "+++": "file", "@@ ": "place"}


class Step(NamedTuple):
    """A rule that applied, and what it found."""

    rule: Rule
    found: str


class DiffLine(NamedTuple):
    """A line of a unified diff. kind: file, place, added, removed or same."""

    kind: str
    text: str


@dataclass(frozen=True)
class Explained:
    """What is said of one object. outcome: injected, unchanged, refused or undecided. summary: one sentence."""

    title: str
    outcome: str
    summary: str
    steps: tuple[Step, ...] = ()
    problems: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()
    settings: tuple[Setting, ...] = ()
    containers: tuple[Container, ...] = ()
    credential: FederatedCredential | None = None


@dataclass(frozen=True)
class Explanation:
    """What is said of a text. problems: why nothing can be decided; then the rest is empty."""

    objects: tuple[Explained, ...] = ()
    problems: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()
    diff: tuple[DiffLine, ...] = ()


def explain(files: ManifestFiles, policy: Policy, namespace: str) -> Explanation:
    """The explanation of what was read. namespace: of objects that name none. Raises UnsoundPatch, which is our bug."""
    if files.problems:
        return Explanation(problems=files.problems, warnings=files.warnings)
    results = decide_all(files.manifests, policy, namespace)
    changed = not any(result.refused for result in results)
    output = as_diff(files.sources, results) if changed else None
    return Explanation(
        objects=tuple(_explained(result, policy) for result in results),
        warnings=(*files.warnings, *(output.warnings if output else ())),
        diff=tuple(_diff_line(line) for line in _LINE.findall(output.text)) if output else (),
    )


def _explained(result: Result, policy: Policy) -> Explained:
    decision = result.decision
    warnings = (*decision.warnings, *result.hints)
    if result.note:
        step = Step(RULES["operator"], str(result.note))
        return Explained(result.title, "undecided", "Its pods are decided in the cluster.", (step,), warnings=warnings)
    name, summary = BY_REASON[decision.reason]
    outcome = "refused" if result.refused else decision.outcome
    request, account = result.request, result.account
    if request is None:
        step = Step(RULES[name], summary)
        return Explained(result.title, outcome, summary, (step,), decision.problems, warnings)
    after = apply(request.pod, decision.operations) if decision.operations else request.pod
    is_in = decision.reason in ("injected", "already-injected")
    found = containers(request.pod, after) if is_in else ()
    steps = (*_selection(request, policy), *_account(request, account), *_additions(request, result, found))
    return Explained(
        result.title,
        outcome,
        summary,
        tuple(_each_once((*steps, Step(RULES[name], summary)))),
        decision.problems,
        warnings,
        settings(request, account, policy) if account and is_in else (),
        found,
        _credential(account, policy) if account and is_in else None,
    )


def _selection(request: Request, policy: Policy) -> Iterator[Step]:
    label = ((request.pod.get("metadata") or {}).get("labels") or {}).get(names.USE_LABEL)
    if label == "false":
        yield Step(RULES["opted-out"], f'The pod has the label {names.USE_LABEL}: "false".')
        return
    here = f"The scope is {policy.scope}; "
    if labelled(request):
        yield Step(RULES["scope"], f'{here}the pod has the label {names.USE_LABEL}: "true".')
    elif policy.scope == CLUSTER:
        yield Step(RULES["scope"], f"{here}every pod is asked about.")
    elif policy.scope == NAMESPACE_LABEL:
        yield Step(RULES["scope"], f"{here}the namespace's label {names.INJECT_LABEL} decides.")
    else:
        yield Step(RULES["scope"], f'{here}the pod does not have the label {names.USE_LABEL}: "true".')


def _account(request: Request, account: Account | None) -> Iterator[Step]:
    name = f"{request.namespace}/{request.account_name}"
    if account is None:
        yield Step(RULES["account"], f"ServiceAccount {name} is not in this text.")
    else:
        yield Step(RULES["account"], f"{account} is in this text.")


def _additions(request: Request, result: Result, found: tuple[Container, ...]) -> Iterator[Step]:
    """The rules by which something is added to the pod or left out. found: its containers, if it is injected."""
    if request.skipped:
        yield Step(RULES["skipped"], f"Left out: {shown(', '.join(request.skipped))}.")
    if not found:
        return
    volumes = [each for each in result.decision.operations if each["path"].startswith("/spec/volumes")]
    if volumes:
        yield Step(RULES["token"], "The webhook adds a volume with the token, and mounts it.")
    else:
        yield Step(RULES["token"], "The pod has a volume with the token already.")
    helpers = [each.name for each in found if each.role == HELPER and each.is_new]
    if helpers:
        yield Step(RULES["helpers"], f"Added: {', '.join(helpers)}.")


def _each_once(steps: Iterable[Step]) -> Iterator[Step]:
    """Without the reason's step if its rule was named before: what was found there says more."""
    seen = set()
    for step in steps:
        if step.rule.name not in seen:
            seen.add(step.rule.name)
            yield step


def _credential(account: Account, policy: Policy) -> FederatedCredential | None:
    try:
        return federated_credential(account, issuer=ISSUER, policy=policy)
    except NoCredential:
        return None


def _diff_line(line: str) -> DiffLine:
    kind = _SIGNS.get(line[:3]) or {"+": "added", "-": "removed"}.get(line[0], "same")
    return DiffLine(kind, line.rstrip("\n"))
