"""All that is wrong with manifests, in the order of the files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from webhook.core.messages import Severity
from webhook.core.policy import Policy
from webhook.documents import metadata
from webhook.offline.lint.accounts import Accounts, of_account
from webhook.offline.lint.findings import Finding, found_where_it_says, in_order
from webhook.offline.lint.ignores import Ignore, of_objects, suppress
from webhook.offline.lint.kustomize import of_kustomization
from webhook.offline.lint.leftovers import leftovers
from webhook.offline.lint.misplaced import in_selector, misplaced
from webhook.offline.lint.objects import KUSTOMIZE, Object
from webhook.offline.lint.pods import Pod, Surroundings, of_operator
from webhook.offline.lint.reading import Reading

_ASSUMED_IMAGE: Final = "m365-identity"  # the chart sets one, and a pull request cannot know whether it still does


@dataclass(frozen=True)
class Report:
    """What was found. suppressed: what is on purpose, with the reasons. files: all that were looked at.

    objects: the number of those that may have to do with identities.
    """

    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...]
    files: tuple[str, ...]
    objects: int

    def count(self, severity: Severity) -> int:
        """How many findings are of this severity."""
        return sum(each.severity is severity for each in self.findings)

    def fails(self, severity: Severity) -> bool:
        """Whether a finding is at least as severe as `severity`."""
        return any(each.is_at_least(severity) for each in self.findings)


def lint(reading: Reading, policy: Policy, ignores: Sequence[Ignore] = ()) -> Report:
    """What is wrong with the objects of `reading`. Raises UnsoundPatch, which is a bug of the webhook."""
    policy = policy if policy.helper_image else replace(policy, helper_image=_ASSUMED_IMAGE)
    findings = [*reading.findings, *_findings(reading.objects, policy)]
    said = [*of_objects(reading.objects, findings), *ignores]
    standing, suppressed = suppress(in_order(findings, reading.files), said)
    return Report(
        tuple(in_order(standing, reading.files)),
        tuple(in_order(suppressed, reading.files)),
        reading.files,
        len(reading.objects),
    )


def _findings(objects: Sequence[Object], policy: Policy) -> Iterator[Finding]:
    accounts = Accounts(objects)
    namespaces = {each.manifest.name: each for each in objects if each.is_a("", "Namespace")}
    around = Surroundings(accounts, policy, namespaces)
    pods = {id(each): [Pod(each, steps, around) for steps in each.pods] for each in objects}
    labelled = {
        id(pod.account.object) for of_object in pods.values() for pod in of_object if pod.account and pod.is_labelled
    }
    with_pods = {id(pod.account.object) for of_object in pods.values() for pod in of_object if pod.account}
    for known in accounts:
        yield from of_account(known, policy, has_pods=id(known.object) in with_pods)
    for each in objects:
        if each.is_a(KUSTOMIZE, "Kustomization"):
            yield from of_kustomization(each)
            continue
        yield from misplaced(each, accounts, pods_are_labelled=id(each) in labelled)
        yield from in_selector(each)
        if each.is_a("", "Namespace"):
            yield from leftovers(each, "metadata")
            for problem in metadata.problems(each.manifest, "metadata"):
                yield found_where_it_says(problem, each.manifest, each.title)
        for pod in pods[id(each)]:
            yield from pod.findings()
        if each.is_foreign and not each.pods:
            yield from of_operator(each, accounts, policy)
