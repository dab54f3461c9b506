"""`python -m webhook mutate`: what it prints, what it says of it, and its exit code."""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml

from tests.core import cases
from webhook.commands import main
from webhook.core.decision import decide
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.core.review import Request

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "manifests" / "examples"
CLIENT = "azure.workload.identity/client-id"
USE = "azure.workload.identity/use"
ACCOUNT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {
        "name": "terraform",
        "namespace": "shop",
        "annotations": {CLIENT: cases.CLIENT, "azure.workload.identity/tenant-id": cases.TENANT},
    },
}
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {USE: "true"}},
    "spec": {"serviceAccountName": "terraform", "containers": [{"name": "app", "image": "busybox"}]},
}


@dataclass(frozen=True)
class Ran:
    """How the command ended and what it wrote."""

    code: int
    out: str
    err: list[str]

    @property
    def documents(self) -> list[Any]:
        """Standard output as YAML."""
        return [*yaml.safe_load_all(self.out)]


Mutate = Callable[..., Ran]


@pytest.fixture
def mutate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Mutate:
    """Runs the command, in a folder of its own with `files` in it: by name, as text, bytes or objects."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("M365WI_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)

    def run(*arguments: str, stdin: str | bytes = b"", **files: Any) -> Ran:
        for name, content in files.items():
            write(tmp_path / f"{name}.yaml", content)
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        flags = [flag for name in files for flag in ("-f", f"{name}.yaml")]
        code = main(["mutate", *flags, *arguments])
        out, err = capfdbinary.readouterr()
        return Ran(code, out.decode(), err.decode().splitlines())

    return run


def write(file: Path, content: Any) -> None:
    """`content` as it is, or, when it is no text, as YAML; a list of objects becomes documents."""
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif isinstance(content, str):
        file.write_bytes(content.encode())
    else:
        file.write_text(yaml.safe_dump_all(content if isinstance(content, list) else [content], sort_keys=False))


def pod(name: str = "p", **metadata: Any) -> dict[str, Any]:
    """A labelled pod in namespace shop."""
    metadata = {"name": name, "namespace": "shop", **TEMPLATE["metadata"], **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": TEMPLATE["spec"]}


def workload(version: str, kind: str, *steps: str) -> dict[str, Any]:
    """An object with the template at `steps`."""
    value: Any = TEMPLATE
    for step in reversed(steps):
        value = {step: value}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "w", "namespace": "shop"}, **value}


def expected(template: Mapping[str, Any]) -> Any:
    """A pod or a template after the webhook's own decision, applied by another library."""
    request = Request(uid="", namespace="shop", pod=template)
    account = Account("shop", "terraform", ACCOUNT["metadata"]["annotations"])
    operations = decide(request, account, Policy()).operations
    assert operations
    return jsonpatch.apply_patch(template, [*operations])


@pytest.mark.parametrize("case", cases.load(), ids=lambda case: case.id)
def test_a_case_ends_as_it_does_in_a_cluster(case: cases.Case, mutate: Mutate) -> None:
    """Every case of tests/cases: the same pod, outcome, message and warnings as the webhook itself gives."""
    account, policy = case.service_account(), case.policy
    flags = ["-n", case.namespace, "--scope", policy.scope, "--cloud", policy.cloud]
    flags += [f"--tenant-id={policy.tenant_id}"] * bool(policy.tenant_id)
    flags += [f"--audience={policy.audience}"] * bool(policy.audience)
    flags += [f"--helper-image={policy.helper_image}"] * bool(policy.helper_image)
    ran = mutate(*flags, accounts=[case.namespace_object(), *([account] if account else [])], pods=case.pod)

    title = f"Pod {case.namespace}/{case.request().pod_name}: "
    refused = case.expect.outcome == "denied"
    decided, *warnings = ran.err[: -1 if refused else None]
    assert decided.startswith(title)
    assert ran.code == refused
    if refused:
        assert case.expect.message.fits(decided.removeprefix(title + "refused: "))
        assert ran.out == ""
        return
    injected = case.expect.outcome == "injected"
    assert decided == title + ("injected" if injected else f"unchanged: {case.expect.reason}")
    assert ran.documents[-1] == case.expected_pod()
    if case.expect.reason != "account-not-found":
        warnings = [line for line in warnings if not line.startswith(title + "hint: ")]
        texts = [warning.removeprefix(title + "warning: ") for warning in warnings]
        assert len(texts) == len(case.expect.warnings)
        assert all(text.fits(warning) for text, warning in zip(case.expect.warnings, texts, strict=True))


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
    ("version", "kind", "place"),
    [
        ("batch.volcano.sh/v1alpha1", "Job", "spec"),
        ("argoproj.io/v1alpha1", "Rollout", "spec"),
        ("v1", "Deployment", "spec"),
    ],
)
def test_what_is_no_workload_of_kubernetes_itself_passes_through(
    version: str, kind: str, place: str, mutate: Mutate
) -> None:
    """Somebody else's kinds are left alone, whatever they are called: their pods are decided when they are made."""
    given = workload(version, kind, place, "template")
    ran = mutate(accounts=ACCOUNT, other=given)
    assert (ran.code, ran.documents) == (0, [ACCOUNT, given])
    assert ran.err == ["no object in these files has pods [WI451]"]


def test_a_list_stays_a_list_and_documents_stay_documents(mutate: Mutate) -> None:
    """Everything comes back in its order; in a list of pods, the items need not say that they are pods."""
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


def test_one_object_is_printed_as_itself(mutate: Mutate) -> None:
    """As JSON, one object is itself and one List is a List."""
    for given in (ACCOUNT, {"apiVersion": "v1", "kind": "List", "items": [ACCOUNT]}):
        assert json.loads(mutate("-o", "json", given=given).out) == given


def test_patches_of_several_objects_are_lines(mutate: Mutate) -> None:
    """One line for each object with pods, those without a change too; nothing when there are none."""
    given = [pod("a"), pod("b", labels={}), {**pod("c"), "metadata": {"generateName": "c-", "namespace": "shop"}}]
    ran = mutate("-o", "patch", accounts=ACCOUNT, pods=given)
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [(line["kind"], line["namespace"], line["name"]) for line in lines] == [
        ("Pod", "shop", "a"),
        ("Pod", "shop", "b"),
        ("Pod", "shop", "c-*"),
    ]
    assert jsonpatch.apply_patch(given[0], lines[0]["patch"]) == expected(given[0])
    assert lines[1]["patch"] == lines[2]["patch"] == []
    assert mutate("-o", "patch", accounts=ACCOUNT).out == ""


def test_a_second_run_adds_nothing(mutate: Mutate) -> None:
    """What was printed may be given to the command again, and to a cluster with the webhook in it."""
    first = mutate(accounts=ACCOUNT, pods=[pod(), workload("apps/v1", "Deployment", "spec", "template")])
    second = mutate(all=first.out)
    assert second.out == first.out
    assert second.err == ["Pod shop/p: unchanged: already-injected", "Deployment shop/w: unchanged: already-injected"]


def test_json_is_taken_and_becomes_yaml(mutate: Mutate) -> None:
    """One object after the other, as kubectl takes them, in several lines or one, with tabs or without."""
    given = json.dumps(ACCOUNT) + json.dumps(pod(), indent="\t")
    ran = mutate("-f", "-", stdin=given)
    assert ran.documents == [ACCOUNT, expected(pod())]
    assert ran.out.startswith("apiVersion: v1\nkind: ServiceAccount\n")
    diff = mutate("-f", "-", "-o", "diff", stdin=given).out.splitlines()
    assert diff[0] == "--- <stdin>"
    assert not [line for line in diff[2:] if line.startswith("-")]


def test_files_folders_and_standard_input_are_one(mutate: Mutate, tmp_path: Path) -> None:
    """A folder's YAML and JSON in the order of names, nothing below it; all of it decides together."""
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    write(folder / "b.yml", ACCOUNT)
    (folder / "a.json").write_text(json.dumps(pod("a")))
    write(folder / "c.txt", pod("c"))
    write(folder / "below" / "d.yaml", pod("d"))
    ran = mutate("-f", "-", "-f", "folder", stdin=yaml.safe_dump(pod("first")), last=pod("last"))
    assert [document["metadata"]["name"] for document in ran.documents] == ["last", "first", "a", "terraform"]
    assert [line for line in ran.err if not line.endswith(": injected")] == []


def test_an_object_without_namespace_is_where_the_flag_says(mutate: Mutate) -> None:
    """Pods and ServiceAccounts alike; without the flag it is `default`; what names a namespace stays there."""
    for flags, namespace in (((), "default"), (("-n", "stage"), "stage")):
        account = {**ACCOUNT, "metadata": {**ACCOUNT["metadata"], "namespace": None}}
        ran = mutate(*flags, all=[account, pod(namespace=None), pod("q")])
        assert ran.err[0] == f"Pod {namespace}/p: injected"
        assert ran.err[1] == "Pod shop/q: unchanged: account-not-found"


def test_a_serviceaccount_that_is_not_in_the_files_is_missed(mutate: Mutate) -> None:
    """Nothing is injected, since only the cluster would know; how to get it is said."""
    ran = mutate(pods=pod())
    assert (ran.code, ran.documents) == (0, [pod()])
    assert ran.err == [
        "Pod shop/p: unchanged: account-not-found",
        "Pod shop/p: warning: ServiceAccount shop/terraform is not in the files: the webhook would ask the cluster for "
        "it; add it with -f (kubectl get serviceaccount terraform -n shop -o yaml) [WI440]",
    ]


def test_the_old_name_of_the_serviceaccount_is_known(mutate: Mutate) -> None:
    """kube-apiserver still copies spec.serviceAccount, so the webhook never sees it missing; the object keeps it."""
    given = pod()
    given["spec"] = {"serviceAccount": "terraform", "containers": TEMPLATE["spec"]["containers"]}
    ran = mutate(all=[ACCOUNT, given])
    assert ran.err == ["Pod shop/p: injected"]
    assert set(ran.documents[1]["spec"]) == {"serviceAccount", "containers", "volumes"}


def test_labels_of_a_namespace_count_where_the_scope_says_so(mutate: Mutate) -> None:
    """In scope namespace-label: labelled, not labelled, unknown (which is said), and a pod that is labelled itself."""
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


def test_settings_come_from_flags_and_environment(mutate: Mutate, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for serve: the flag, then the variable."""
    account = {**ACCOUNT, "metadata": {**ACCOUNT["metadata"], "annotations": {CLIENT: cases.CLIENT}}}
    monkeypatch.setenv("M365WI_TENANT_ID", "contoso.com")
    monkeypatch.setenv("M365WI_CLOUD", "china")
    (_, made) = mutate("--cloud", "dod", all=[account, pod()]).documents
    env = {entry["name"]: entry["value"] for entry in made["spec"]["containers"][0]["env"]}
    assert (env["M365_TENANT_ID"], env["M365_CLOUD"]) == ("contoso.com", "dod")
    monkeypatch.setenv("M365WI_OWN_NAMESPACE", "shop")
    assert mutate(all=[account, pod()]).err == ["Pod shop/p: unchanged: not-selected"]


def test_one_refusal_leaves_standard_output_empty(mutate: Mutate) -> None:
    """Half a manifest is worse than none; what is decided of the others is said all the same."""
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
def test_what_kube_apiserver_would_not_take_is_refused_with_its_place(text: str, refusal: str, mutate: Mutate) -> None:
    """A webhook is never asked about these, so the command has to know them itself."""
    ran = mutate("-n", "shop", all="apiVersion: v1\n" + text)
    assert (ran.code, ran.out, ran.err[0]) == (1, "", refusal)


def test_a_serviceaccount_whose_name_is_made_up_passes_through(mutate: Mutate) -> None:
    """kube-apiserver takes it, and no pod can mean it before it has a name."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"generateName": "made-up-", "namespace": "shop"},
    }
    ran = mutate(all=[account, ACCOUNT, pod()])
    assert (ran.code, ran.documents[0]) == (0, account)
    assert ran.err == ["Pod shop/p: injected"]


@pytest.mark.parametrize("output", ["yaml", "json", "diff"])
def test_a_patch_that_others_read_otherwise_is_our_bug(
    output: str, mutate: Mutate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed is what jsonpatch makes of it, or nothing is."""
    monkeypatch.setattr("webhook.offline.outputs.apply", lambda document, operations: {**document, "kind": "Mouse"})
    ran = mutate("-o", output, all=[ACCOUNT, pod()])
    assert (ran.code, ran.out) == (3, "")
    assert ran.err[-1].startswith(
        "python -m webhook mutate: this is a bug of the program, so nothing is printed; please report it: "
    )
    assert "all.yaml" in ran.err[-1]


def hinted(ran: Ran) -> list[str]:
    """The hints of one run that ended well."""
    assert ran.code == 0
    return [line.partition(": hint: ")[2] for line in ran.err if ": hint: " in line]


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


def test_a_label_beside_the_template_does_not_reach_its_pods(mutate: Mutate) -> None:
    """The commonest mistake: nothing is injected, and why is said with its place."""
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


def test_a_label_on_both_is_as_it_should_be(mutate: Mutate) -> None:
    """Charts give all labels to both."""
    given = workload("apps/v1", "Deployment", "spec", "template")
    given["metadata"]["labels"] = {USE: "true"}
    assert hinted(mutate(all=[ACCOUNT, given])) == []


@pytest.mark.parametrize("scope", ["pod-label", "cluster"])
@pytest.mark.parametrize("value", ["True", "yes", "FALSE", ""])
def test_a_label_that_is_neither_true_nor_false_is_told(scope: str, value: str, mutate: Mutate) -> None:
    """In a wider scope somebody may have meant to opt out."""
    (hint,) = hinted(mutate("--scope", scope, all=[ACCOUNT, pod(labels={USE: value})]))
    assert hint.endswith(f'label {USE} is "{value}", expected "true" or "false" [WI432]')


def test_a_label_that_is_an_annotation_is_told(mutate: Mutate) -> None:
    """On the workload, on its template, and on a pod."""
    given = workload("apps/v1", "Deployment", "spec", "template")
    given["metadata"]["annotations"] = {USE: "true"}
    given["spec"] = {"template": {**TEMPLATE, "metadata": {"annotations": {USE: "true"}}}}
    hints = hinted(mutate(all=[ACCOUNT, given, pod(labels={}, annotations={USE: "true"})]))
    ends = ["spec.template.metadata.labels", "spec.template.metadata.labels", "metadata.labels"]
    assert [hint.partition(": ")[2] for hint in hints] == [
        f"annotation {USE} has no effect: it is a label, put it in {end} [WI431]" for end in ends
    ]


def test_what_the_webhook_warns_of_itself_is_no_hint_too(mutate: Mutate) -> None:
    """Where the pod is selected all the same."""
    ran = mutate(all=[ACCOUNT, pod(annotations={USE: "true"})])
    assert len([line for line in ran.err if USE in line]) == 1
    assert hinted(ran) == []


@pytest.mark.parametrize("labels", [{}, None])
def test_a_pod_without_label_of_an_annotated_serviceaccount_is_told(labels: Any, mutate: Mutate) -> None:
    """In a scope that wants the label; nobody who opts out is bothered, nor who has no client id."""
    (hint,) = hinted(mutate(all=[ACCOUNT, pod(labels=labels)]))
    assert hint.startswith("all.yaml:")
    assert " ServiceAccount shop/terraform has a client id, but the pod is not selected: " in hint
    assert hint.endswith(f'put {USE}: "true" in metadata.labels [WI433]')
    plain = {**ACCOUNT, "metadata": {"name": "terraform", "namespace": "shop"}}
    assert hinted(mutate(all=[plain, pod(labels=labels)])) == []
    assert hinted(mutate(all=[ACCOUNT, pod(labels={USE: "false"})])) == []
    assert hinted(mutate("--scope", "cluster", all=[ACCOUNT, pod(labels=labels)])) == []
    assert hinted(mutate("--own-namespace", "shop", all=[ACCOUNT, pod(labels=labels)])) == [], "it would not help"


def test_null_in_labels_and_annotations_is_empty_text(mutate: Mutate) -> None:
    """So kube-apiserver reads it, and so it is a value that nobody has set."""
    account = {**ACCOUNT, "metadata": {**ACCOUNT["metadata"]}}
    account["metadata"]["annotations"] = {**account["metadata"]["annotations"], "m365.workload.identity/cloud": None}
    given = pod(annotations={"m365.workload.identity/env": None}, labels={USE: "true", "other": None})
    ran = mutate(all=[account, given])
    assert ran.err == ["Pod shop/p: injected"]
    assert ran.documents[1]["metadata"] == given["metadata"]


def test_every_wrong_use_is_told_at_once(mutate: Mutate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags, settings and files in one go, exit code 2, nothing printed."""
    monkeypatch.setenv("M365WI_TENANT_ID", "a b")
    (tmp_path / "empty").mkdir()
    flags = ["-o", "xml", "--color", "blue", "-n", "No", "--cloud", "moon", "-f", "missing", "-f", "empty", "-f", "-"]
    ran = mutate(
        *flags,
        "-f",
        "-",
        bad="a: b\n\tc: d\n",
        latin=b"a: \xe9\n",
        wide="a: b\n".encode("utf-16"),
        helm='{{- if .Values.x }}\n"a": 1\n',
        json='{"a": 1\n "b": 2}',
        deep="[" * 2000,
        kinds="apiVersion: v1\n---\n- a\n---\nkind: List\napiVersion: v1\nitems:\n  - null\n",
    )
    assert (ran.code, ran.out) == (2, "")
    assert [line.removeprefix("python -m webhook mutate: ") for line in ran.err] == [
        '-o is "xml", expected one of yaml, json, patch, diff [WI501]',
        '--color is "blue", expected one of auto, always, never [WI501]',
        '-n is "No", expected a namespace\'s name [WI501]',
        'M365WI_TENANT_ID is "a b", expected the tenant\'s GUID or domain [WI501]',
        '--cloud is "moon", expected one of public, gcc, gcchigh, dod, china, ex, rx [WI501]',
        "-f - is given 2 times: standard input can be read only once [WI402]",
        "bad.yaml:2:1: the text is not YAML: a tab where only spaces indent [WI408]",
        "latin.yaml:1: the text is not UTF-8 [WI404]",
        "wide.yaml: the text is UTF-16, expected UTF-8 [WI405]",
        "helm.yaml:1:3: the text is not YAML: did not find expected node content; it looks like a template "
        "(helm template CHART | python -m webhook mutate -f -) [WI409]",
        "json.yaml:2:2: the text is not JSON: Expecting ',' delimiter [WI406]",
        "deep.yaml:1:201: the text is not YAML: nested deeper than 200 levels [WI408]",
        "kinds.yaml:1:1: this is not a Kubernetes object: kind missing [WI412]",
        "kinds.yaml:3:1: this is not a Kubernetes object: expected apiVersion and kind [WI411]",
        "kinds.yaml:8:5: this is not a Kubernetes object: expected apiVersion and kind [WI411]",
        "missing: the file cannot be read: No such file or directory [WI401]",
        "empty: no file in the folder ends in one of .yaml, .yml, .json [WI403]",
    ]


def test_no_file_at_all_is_wrong_use(mutate: Mutate) -> None:
    """And so is a file in which there is nothing."""
    assert mutate().err == [
        "python -m webhook mutate: -f is missing, expected a file, a folder, or - for standard input [WI502]"
    ]
    ran = mutate(empty="# nothing\n---\n")
    assert (ran.code, ran.err) == (2, ["python -m webhook mutate: empty.yaml: there is no object in it [WI410]"])


def test_a_repeated_key_is_warned_about_with_its_place(mutate: Mutate) -> None:
    """kubectl silently takes the last one, and so does the command, in YAML and in JSON."""
    text = "apiVersion: v1\nkind: Pod\nkind: ConfigMap\n"
    ran = mutate(repeated=text)
    assert (ran.code, ran.out) == (0, text)
    message = 'key "kind" stands twice: the last one counts, as for kubectl [WI413]'
    assert ran.err[0] == f"warning: repeated.yaml:3:1: {message}"
    ran = mutate(json='{"apiVersion": "v1", "kind": "Pod", "kind": "ConfigMap"}')
    assert (ran.out, ran.err[0]) == ("apiVersion: v1\nkind: ConfigMap\n", f"warning: json.yaml: {message}")


def test_names_cannot_steer_a_terminal(mutate: Mutate) -> None:
    """What is said of an object is one line of ASCII, whatever it is called."""
    ran = mutate(all=pod("\x1b[31mé\n"))
    assert ran.err[0] == r"Pod shop/\x1b[31m\xe9\n: unchanged: account-not-found"


def test_only_a_terminal_gets_colours(mutate: Mutate) -> None:
    """--color never and always are obeyed; auto looks whether standard output is a terminal."""
    for flags, coloured in (((), False), (("--color", "never"), False), (("--color", "always"), True)):
        out = mutate("-o", "diff", *flags, all=[ACCOUNT, pod()]).out
        assert ("\x1b[32m+" in out) is coloured
    assert "\x1b" not in mutate("--color", "always", all=[ACCOUNT, pod()]).out


@pytest.mark.slow
@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_gets_colours_unless_told_otherwise(environ: dict[str, str], coloured: bool) -> None:
    """The real command on a real terminal; see https://no-color.org."""
    reader, writer = pty.openpty()
    command = [sys.executable, "-m", "webhook", "mutate", "-f", str(EXAMPLES), "-o", "diff"]
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    with subprocess.Popen(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, env=clean | environ):
        os.close(writer)
        out = b""
        while chunk := _read(reader):
            out += chunk
    os.close(reader)
    assert (b"\x1b[32m+" in out) is coloured


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux's way to say that nobody writes any more
        return b""


@pytest.mark.slow
def test_the_examples_are_injected_through_pipes() -> None:
    """The real command, as a user runs it, in a locale without UTF-8; a reader that leaves early is no error."""
    command = [sys.executable, "-m", "webhook", "mutate", "-f"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("M365WI_")}
    options: dict[str, Any] = {"cwd": ROOT, "capture_output": True, "env": environ | {"LC_ALL": "C"}}
    first = subprocess.run([*command, str(EXAMPLES)], check=True, **options)
    assert first.stderr.decode().splitlines() == [
        "Deployment m365-reports/graph-report: injected",
        "Pod terraform-m365/terraform: injected",
    ]
    second = subprocess.run([*command, "-"], input=first.stdout, check=True, **options)
    assert second.stdout == first.stdout
    with subprocess.Popen([*command, str(EXAMPLES)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as gone:
        assert gone.stdout
        assert gone.stderr
        gone.stdout.close()
        assert b"Traceback" not in gone.stderr.read()


def test_the_examples_satisfy_restricted_pod_security() -> None:
    """What the examples show is what people copy."""
    documents = [each for file in EXAMPLES.glob("*.yaml") for each in yaml.safe_load_all(file.read_text())]
    specs = [
        each["spec"] if each["kind"] == "Pod" else each["spec"]["template"]["spec"]
        for each in documents
        if "spec" in each
    ]
    assert len(specs) == 2
    for spec in specs:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            context = container["securityContext"]
            assert (context["allowPrivilegeEscalation"], context["capabilities"]) == (False, {"drop": ["ALL"]})
