"""Hints: mistakes with the label that a webhook never sees."""

from typing import Any

import pytest

from tests.offline.mutating import ACCOUNT, TEMPLATE, USE, Mutate, Ran, pod, workload

DEPLOYMENT = f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {{{USE}: "true"}}
spec:
  template:
    metadata:
      labels: {{app: web}}
    spec:
      serviceAccountName: terraform
      containers: [{{name: app, image: busybox}}]
"""


def hinted(ran: Ran) -> list[str]:
    """The hints of one run that ended well."""
    assert ran.code == 0
    return [line.partition(": hint: ")[2] for line in ran.err if ": hint: " in line]


def test_a_label_outside_the_template_does_not_reach_its_pods(mutate: Mutate) -> None:
    """The commonest mistake: nothing is injected, and the hint says why and where."""
    ran = mutate(accounts=ACCOUNT, web=DEPLOYMENT)
    assert ran.out.count("M365_CLIENT_ID") == 0
    assert "Deployment shop/web: unchanged: not-selected" in ran.err
    assert hinted(ran) == [
        f"web.yaml:6:41: label {USE} does not reach the pods there: put it in spec.template.metadata.labels [WI430]"
    ]


def test_a_label_between_a_cronjob_and_its_template_does_not_reach_its_pods(mutate: Mutate) -> None:
    """Three places have labels there."""
    job = workload("batch/v1", "CronJob", "spec", "jobTemplate", "spec", "template")
    job["spec"]["jobTemplate"]["metadata"] = {"labels": {USE: "true"}}
    job["spec"]["jobTemplate"]["spec"] = {"template": {**TEMPLATE, "metadata": {}}}
    (hint,) = hinted(mutate(all=[ACCOUNT, job]))
    assert hint.endswith(
        f"label {USE} does not reach the pods there: put it in spec.jobTemplate.spec.template.metadata.labels [WI430]"
    )


def test_a_label_on_both_is_not_a_mistake(mutate: Mutate) -> None:
    """Charts give all labels to both."""
    given = workload("apps/v1", "Deployment", "spec", "template")
    given["metadata"]["labels"] = {USE: "true"}
    assert hinted(mutate(all=[ACCOUNT, given])) == []


@pytest.mark.parametrize("scope", ["pod-label", "cluster"])
@pytest.mark.parametrize("value", ["True", "yes", "FALSE", ""])
def test_a_label_that_is_neither_true_nor_false_is_reported(scope: str, value: str, mutate: Mutate) -> None:
    """In a wider scope the user may have meant to opt out."""
    (hint,) = hinted(mutate("--scope", scope, all=[ACCOUNT, pod(labels={USE: value})]))
    assert hint.endswith(f'label {USE} is "{value}", expected "true" or "false" [WI432]')


def test_a_label_among_annotations_is_reported(mutate: Mutate) -> None:
    """On the workload, on its template, and on a pod."""
    given = workload("apps/v1", "Deployment", "spec", "template")
    given["metadata"]["annotations"] = {USE: "true"}
    given["spec"] = {"template": {**TEMPLATE, "metadata": {"annotations": {USE: "true"}}}}
    hints = hinted(mutate(all=[ACCOUNT, given, pod(labels={}, annotations={USE: "true"})]))
    ends = ["spec.template.metadata.labels", "spec.template.metadata.labels", "metadata.labels"]
    assert [hint.partition(": ")[2] for hint in hints] == [
        f"annotation {USE} has no effect: it is a label, put it in {end} [WI431]" for end in ends
    ]


def test_a_warning_of_the_webhook_is_not_repeated_as_a_hint(mutate: Mutate) -> None:
    """If the pod is selected all the same."""
    ran = mutate(all=[ACCOUNT, pod(annotations={USE: "true"})])
    assert len([line for line in ran.err if USE in line]) == 1
    assert hinted(ran) == []


@pytest.mark.parametrize("labels", [{}, None])
def test_a_pod_without_label_of_an_annotated_serviceaccount_is_reported(labels: Any, mutate: Mutate) -> None:
    """In scope pod-label. There is no hint for a pod that opts out, or for a ServiceAccount without client id."""
    (hint,) = hinted(mutate(all=[ACCOUNT, pod(labels=labels)]))
    assert hint.startswith("all.yaml:")
    assert " ServiceAccount shop/terraform has a client id, but the pod is not selected: " in hint
    assert hint.endswith(f'put {USE}: "true" in metadata.labels [WI433]')
    plain = {**ACCOUNT, "metadata": {"name": "terraform", "namespace": "shop"}}
    assert hinted(mutate(all=[plain, pod(labels=labels)])) == []
    assert hinted(mutate(all=[ACCOUNT, pod(labels={USE: "false"})])) == []
    assert hinted(mutate("--scope", "cluster", all=[ACCOUNT, pod(labels=labels)])) == []
    assert hinted(mutate("--own-namespace", "shop", all=[ACCOUNT, pod(labels=labels)])) == [], "it would not help"
