"""Which objects have pods, and what the files say about ServiceAccounts and namespaces."""

import json
from typing import Any

import jsonpatch
import pytest

from tests.offline.mutating import ACCOUNT, TEMPLATE, USE, Mutate, expected, pod, workload


@pytest.mark.parametrize(
    ("version", "kind", "steps"),
    [
        ("apps/v1", "Deployment", ("spec", "template")),
        ("apps/v1", "ReplicaSet", ("spec", "template")),
        ("apps/v1", "StatefulSet", ("spec", "template")),
        ("apps/v1", "DaemonSet", ("spec", "template")),
        ("extensions/v1beta1", "Deployment", ("spec", "template")),
        ("v1", "ReplicationController", ("spec", "template")),
        ("batch/v1", "Job", ("spec", "template")),
        ("batch/v1", "CronJob", ("spec", "jobTemplate", "spec", "template")),
        ("v1", "PodTemplate", ("template",)),
    ],
)
def test_a_workload_gets_in_its_template_what_its_pods_would_get(
    version: str, kind: str, steps: tuple[str, ...], mutate: Mutate
) -> None:
    """The same additions at each kind's own place, in all four formats."""
    given = workload(version, kind, *steps)
    ran = mutate(accounts=ACCOUNT, workload=given)
    assert (ran.code, ran.err) == (0, [f"{kind} shop/w: injected"])
    template: Any = ran.documents[1]
    for step in steps:
        template = template[step]
    assert template == expected(TEMPLATE)

    items = json.loads(mutate("-o", "json", accounts=ACCOUNT, workload=given).out)["items"]
    assert items == ran.documents
    patch = json.loads(mutate("-o", "patch", accounts=ACCOUNT, workload=given).out)
    assert jsonpatch.apply_patch(given, patch) == items[1]
    diff = mutate("-o", "diff", accounts=ACCOUNT, workload=given).out.splitlines()
    assert diff[:2] == ["--- workload.yaml", "+++ workload.yaml\t(mutated)"]
    assert "+- name: M365_CLIENT_ID" in [line.replace(" " * 2, "") for line in diff]


@pytest.mark.parametrize(
    ("version", "kind", "place", "code"),
    [
        ("batch.volcano.sh/v1alpha1", "Job", "spec", "WI455"),
        ("argoproj.io/v1alpha1", "Rollout", "spec", "WI454"),
        ("v1", "Deployment", "spec", "WI451"),
    ],
)
def test_a_kind_that_is_not_a_workload_of_kubernetes_passes_through(
    version: str, kind: str, place: str, code: str, mutate: Mutate
) -> None:
    """Kinds of other groups are not changed, whatever their names: their pods are decided when they are created."""
    given = workload(version, kind, place, "template")
    ran = mutate(accounts=ACCOUNT, other=given)
    assert (ran.code, ran.documents) == (0, [ACCOUNT, given])
    assert [line[-6:-1] for line in ran.err] == [code]


def test_a_list_stays_a_list_and_documents_stay_documents(mutate: Mutate) -> None:
    """Everything comes back in order; the items of a list of pods need not have a kind."""
    bare = {key: value for key, value in pod().items() if key not in ("apiVersion", "kind")}
    inner = {"apiVersion": "v1", "kind": "List", "items": [ACCOUNT, workload("batch/v1", "Job", "spec", "template")]}
    lists: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "PodList", "items": [bare, bare]},
        {"apiVersion": "v1", "kind": "List", "items": [inner, {"apiVersion": "v1", "kind": "Secret"}]},
    ]
    ran = mutate(lists=[*lists, None, pod()])
    assert ran.err == ["Pod shop/p: injected", "Pod shop/p: injected", "Job shop/w: injected", "Pod shop/p: injected"]
    pods, outer, nothing, last = ran.documents
    assert nothing is None
    assert pods == {**lists[0], "items": [expected(bare)] * 2}
    assert outer["items"][0]["items"][1]["spec"]["template"] == expected(TEMPLATE)
    assert last == expected(pod())

    flat = json.loads(mutate("-o", "json", lists=[*lists, None, pod()]).out)
    assert flat["kind"] == "List"
    whole = [{"apiVersion": "v1", "kind": "Pod", **item} for item in pods["items"]]
    assert flat["items"] == [*whole, *outer["items"][0]["items"], outer["items"][1], last]


def test_an_object_without_namespace_is_in_the_one_of_the_flag(mutate: Mutate) -> None:
    """Pods and ServiceAccounts alike. Without the flag it is `default`; an object with a namespace stays there."""
    for flags, namespace in (((), "default"), (("-n", "stage"), "stage")):
        account = {**ACCOUNT, "metadata": {**ACCOUNT["metadata"], "namespace": None}}
        ran = mutate(*flags, all=[account, pod(namespace=None), pod("q")])
        assert ran.err[0] == f"Pod {namespace}/p: injected"
        assert ran.err[1] == "Pod shop/q: unchanged: account-not-found"


def test_a_serviceaccount_that_is_not_in_the_files_is_a_warning(mutate: Mutate) -> None:
    """Nothing is injected, because only the cluster has it; the warning says how to get it."""
    ran = mutate(pods=pod())
    assert (ran.code, ran.documents) == (0, [pod()])
    assert ran.err == [
        "Pod shop/p: unchanged: account-not-found",
        "Pod shop/p: warning: ServiceAccount shop/terraform is not in the files: the webhook would ask the cluster for "
        "it; add it with -f (kubectl get serviceaccount terraform -n shop -o yaml) [WI440]",
    ]


def test_the_old_field_for_the_serviceaccount_is_read(mutate: Mutate) -> None:
    """kube-apiserver copies spec.serviceAccount, so the webhook always sees the new field; the object is unchanged."""
    given = pod()
    given["spec"] = {"serviceAccount": "terraform", "containers": TEMPLATE["spec"]["containers"]}
    ran = mutate(all=[ACCOUNT, given])
    assert ran.err == ["Pod shop/p: injected"]
    assert set(ran.documents[1]["spec"]) == {"serviceAccount", "containers", "volumes"}


def test_labels_of_a_namespace_count_in_scope_namespace_label(mutate: Mutate) -> None:
    """Labelled, not labelled, unknown (with a warning), and a pod that is labelled itself."""
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        for name, labels in (("on", {"m365.workload.identity/inject": "true"}), ("off", None))
    ]
    accounts = [
        {**ACCOUNT, "metadata": {**ACCOUNT["metadata"], "namespace": name}} for name in ("on", "off", "unknown")
    ]
    pods = [pod(namespace=name, labels={}) for name in ("on", "off", "unknown", "kube-system")]
    ran = mutate("--scope", "namespace-label", all=[*pods, pod(namespace="unknown"), *accounts, *namespaces])
    assert ran.err == [
        "Pod on/p: injected",
        "Pod off/p: unchanged: not-selected",
        "Pod unknown/p: unchanged: not-selected",
        "Pod unknown/p: warning: Namespace unknown is not in the files, so its labels are not known: "
        'm365.workload.identity/inject: "true" is taken to be missing (kubectl get namespace unknown -o yaml) [WI441]',
        "Pod kube-system/p: unchanged: not-selected",
        "Pod unknown/p: injected",
    ]


def test_null_in_labels_and_annotations_is_empty_text(mutate: Mutate) -> None:
    """As kube-apiserver reads it: a value that is not set."""
    account = {**ACCOUNT, "metadata": {**ACCOUNT["metadata"]}}
    account["metadata"]["annotations"] = {**account["metadata"]["annotations"], "m365.workload.identity/cloud": None}
    given = pod(annotations={"m365.workload.identity/env": None}, labels={USE: "true", "other": None})
    ran = mutate(all=[account, given])
    assert ran.err == ["Pod shop/p: injected"]
    assert ran.documents[1]["metadata"] == given["metadata"]


def test_a_serviceaccount_whose_name_is_made_up_passes_through(mutate: Mutate) -> None:
    """kube-apiserver accepts it, and no pod can name it before it has a name."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"generateName": "made-up-", "namespace": "shop"},
    }
    ran = mutate(all=[account, ACCOUNT, pod()])
    assert (ran.code, ran.documents[0]) == (0, account)
    assert ran.err == ["Pod shop/p: injected"]


def test_a_second_run_adds_nothing(mutate: Mutate) -> None:
    """The output may be given to the command again, and to a cluster with the webhook."""
    first = mutate(accounts=ACCOUNT, pods=[pod(), workload("apps/v1", "Deployment", "spec", "template")])
    second = mutate(all=first.out)
    assert second.out == first.out
    assert second.err == ["Pod shop/p: unchanged: already-injected", "Deployment shop/w: unchanged: already-injected"]
