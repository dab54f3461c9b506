"""Objects whose pods an operator makes: they are decided in the cluster, and a label can be lost on them."""

from typing import Any

import pytest

from tests.offline.mutating import ACCOUNT, TEMPLATE, USE, Mutate
from webhook.core.workload_kinds import OPERATOR_KINDS

KNOWN = "its pods are decided in the cluster, when its operator creates them "
PERHAPS = "its pods, if its controller makes any, are decided in the cluster [WI455]"
LOST = f"label {USE} does not reach the pods there: put it in "
LABELS = {USE: "true"}


def custom(group: str, kind: str, *, labels: bool = False, **spec: Any) -> dict[str, Any]:
    """An object of an operator; with the label on itself or without."""
    metadata = {"name": "x", "namespace": "shop", **({"labels": LABELS} if labels else {})}
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "spec": spec}


def said(mutate: Mutate, *objects: dict[str, Any]) -> list[str]:
    """The lines about the object, without its name; the text passes through unchanged."""
    ran = mutate(all=[ACCOUNT, *objects])
    assert ran.code == 0
    assert "M365_CLIENT_ID" not in ran.out
    return [line.partition("shop/x: ")[2] for line in ran.err if "shop/x: " in line]


@pytest.mark.parametrize(("group", "kind"), OPERATOR_KINDS)
def test_a_known_kind_is_named_and_its_lost_label_too(group: str, kind: str, mutate: Mutate) -> None:
    """With the field that reaches the pods."""
    places = [".".join(steps) for steps in OPERATOR_KINDS[group, kind]]
    (first,) = said(mutate, custom(group, kind))
    assert first.startswith(KNOWN)
    lines = said(mutate, custom(group, kind, labels=True))
    if places == ["metadata.labels"]:  # Tekton's
        assert lines == [first]
    else:
        assert lines[1].endswith(f"{LOST}{' and '.join(places)} [WI430]")


def test_a_label_that_reaches_pods_is_no_mistake(mutate: Mutate) -> None:
    """In the template, wherever else it is, too; or the template is another object's."""
    reaching = custom("argoproj.io", "Rollout", labels=True, template={**TEMPLATE, "metadata": {"labels": LABELS}})
    elsewhere = custom("argoproj.io", "Rollout", labels=True, workloadRef={"kind": "Deployment", "name": "web"})
    steps = custom("argoproj.io", "Workflow", labels=True, templates=[{"metadata": {"labels": LABELS}}])
    for each in (reaching, elsewhere, steps):
        assert len(said(mutate, each)) == 1


@pytest.mark.parametrize(
    "spec",
    [
        {"deep": [{"er": {"template": TEMPLATE}}]},
        {"podTemplate": {}},
        {"podMetadata": {}},
        {"serviceAccount": "terraform"},
        {"runner": {"serviceAccountName": "terraform"}},
        {"labels": LABELS},
    ],
)
def test_another_kind_that_seems_to_have_pods_is_named(spec: dict[str, Any], mutate: Mutate) -> None:
    """A template, a setting of pods, an account of the files, or the label."""
    assert said(mutate, custom("example.com", "Machine", **spec)) == [PERHAPS]


def test_the_label_on_another_kind_is_lost_if_its_template_is_found(mutate: Mutate) -> None:
    """Without a template, only the operator knows whether it copies its labels."""
    template = {**TEMPLATE, "metadata": {}}
    lines = said(mutate, custom("example.com", "Machine", labels=True, inner={"template": template}))
    assert [line.partition(LOST)[2] for line in lines[1:]] == ["spec.inner.template.metadata.labels [WI430]"]
    assert said(mutate, custom("example.com", "Machine", labels=True)) == [PERHAPS]


def test_other_objects_are_not_named(mutate: Mutate) -> None:
    """Objects of Kubernetes itself, and of operators without anything of pods."""
    crd = custom("apiextensions.k8s.io", "CustomResourceDefinition", podTemplate={}, labels_={USE: "true"})
    certificate = custom("cert-manager.io", "Certificate", secretName="x", serviceAccountName="another")
    ran = mutate(all=[ACCOUNT, crd, certificate])
    assert [line for line in ran.err if "shop/x" in line] == []
    assert "no object in these files has pods [WI451]" in ran.err
