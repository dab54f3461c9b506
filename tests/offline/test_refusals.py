"""Objects that kube-apiserver would refuse, and patches that are a bug: nothing is printed."""

import pytest

from tests.offline.mutating import ACCOUNT, CLIENT, Mutate, pod


def test_one_refusal_leaves_standard_output_empty(mutate: Mutate) -> None:
    """Half a manifest is worse than none; the other decisions are still reported."""
    wrong = {**ACCOUNT, "metadata": {"name": "wrong", "namespace": "shop", "annotations": {CLIENT: "contoso-app"}}}
    given = pod("q")
    given["spec"] = {**given["spec"], "serviceAccountName": "wrong"}
    for output in ("yaml", "json", "patch", "diff"):
        ran = mutate("-o", output, all=[ACCOUNT, wrong, pod(), given])
        assert (ran.code, ran.out) == (1, "")
        assert [line for line in ran.err if "warning" not in line] == [
            "Pod shop/p: injected",
            f'Pod shop/q: refused: ServiceAccount shop/wrong: annotation {CLIENT} is "contoso-app", expected the '
            'application\'s GUID (az ad app list --display-name contoso-app --query "[].appId") [WI120]',
            "nothing is printed, because kube-apiserver would refuse an object [WI452]",
        ]


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        (
            "kind: Pod\nmetadata:\n  name: p\n  labels:\n    azure.workload.identity/use: true\n",
            "Pod shop/p: refused: all.yaml:6:34: label azure.workload.identity/use is the boolean true, expected text "
            '(put it in quotes: "true") [WI423]',
        ),
        (
            "kind: PodTemplate\nmetadata: {name: t}\ntemplate:\n  metadata:\n    annotations: {a: 7200, b: [], c: y}\n",
            "PodTemplate shop/t: refused: all.yaml:6:22: annotation a is the number 7200, expected text (put it in "
            'quotes: "7200") [WI423]; all.yaml:6:31: annotation b is the list [], expected text [WI424]; '
            'all.yaml:6:38: annotation c is the boolean true, expected text (put it in quotes: "true") [WI423]',
        ),
        (
            "kind: ServiceAccount\nmetadata:\n  name: s\n  annotations: {a: 1}\n",
            "ServiceAccount shop/s: refused: all.yaml:5:20: annotation a is the number 1, expected text (put it in "
            'quotes: "1") [WI423]',
        ),
        (
            "kind: ServiceAccount\n",
            "ServiceAccount shop/*: refused: all.yaml:1:1: expected a ServiceAccount with metadata.name [WI421]",
        ),
        ("kind: Pod\nmetadata: {name: p}\n", "Pod shop/p: refused: all.yaml:1:1: spec: expected an object [WI311]"),
        (
            "kind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: app\n    env: {A: b}\n",
            "Pod shop/p: refused: all.yaml:7:10: spec.containers[0].env: expected a list [WI312]",
        ),
        (
            "kind: PodTemplate\nmetadata: {name: p}\n",
            "PodTemplate shop/p: refused: all.yaml:1:1: template is missing [WI304]",
        ),
        (
            "kind: PodTemplate\ntemplate:\n  spec: {containers: [{env: [{name: [x]}]}]}\n",
            "PodTemplate shop/*: refused: all.yaml:4:37: template.spec.containers[0].env[0].name: expected a string "
            "[WI313]",
        ),
    ],
)
def test_an_object_that_kube_apiserver_would_refuse_is_refused_with_its_place(
    text: str, refusal: str, mutate: Mutate
) -> None:
    """A webhook never sees these objects, so the command checks them itself."""
    ran = mutate("-n", "shop", all="apiVersion: v1\n" + text)
    assert (ran.code, ran.out, ran.err[0]) == (1, "", refusal)


@pytest.mark.parametrize("output", ["yaml", "json", "diff"])
def test_a_patch_that_jsonpatch_reads_differently_is_our_bug(
    output: str, mutate: Mutate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either jsonpatch makes the same of the patch, or nothing is printed."""
    monkeypatch.setattr("webhook.offline.outputs.apply", lambda document, operations: {**document, "kind": "Mouse"})
    ran = mutate("-o", output, all=[ACCOUNT, pod()])
    assert (ran.code, ran.out) == (3, "")
    assert ran.err[-1].startswith(
        "python -m webhook mutate: this is a bug of the program, so nothing is printed; please report it: "
    )
    assert "all.yaml" in ran.err[-1]
