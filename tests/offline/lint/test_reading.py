"""What lint reads, what it passes over, and its bounds."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.offline.lint.support import ACCOUNT, account, codes, linted, pod, reading
from webhook.core.policy import Policy
from webhook.documents import nodes
from webhook.offline.lint import reading as module
from webhook.offline.lint.linting import Report, lint
from webhook.offline.lint.objects import Object
from webhook.offline.lint.reading import Reading, read

WRONG = account("{azure.workload.identity/client-id: x, azure.workload.identity/tenant-id: contoso.com}")
Tree = Callable[[dict[str, str]], Reading]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Reads a folder with these files."""

    def make(files: dict[str, str]) -> Reading:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return folder(".")

    monkeypatch.chdir(tmp_path)
    return make


def folder(path: str) -> Reading:
    """What is in a path."""
    return read([path], namespace="", stdin=io.BytesIO(), stdin_name="-")


def reported(found: Reading) -> Report:
    """What is found in it."""
    assert found.problems == ()
    return lint(found, Policy())


def test_folders_are_read_with_their_folders(tree: Tree) -> None:
    """In the order of the names; hidden ones and node_modules are left out, and so is what is not YAML or JSON."""
    files = ["b/b.yaml", "b/c/d.yml", "a.json", "a.yaml", ".hidden/a.yaml", ".a.yaml", "node_modules/a.yaml", "a.txt"]
    document = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "azure.workload.identity/x"}}
    found = tree({name: json.dumps(document) for name in files})
    assert found.files == ("a.json", "a.yaml", "b/b.yaml", "b/c/d.yml")
    assert len(found.objects) == 4


def test_what_is_not_a_manifest_is_passed_over(tree: Tree) -> None:
    """Values, workflows, other programs' settings, and templates that have nothing to do with identities."""
    report = reported(
        tree(
            {
                "values.yaml": "serviceAccount: {annotations: {azure.workload.identity/client-id: x}}\n",
                "compose.yaml": "services: {web: {image: busybox}}\n",
                "tsconfig.json": "{ // comments\n}",
                "broken.yaml": "apiVersion: v1\nkind: [\n",
                "template.yaml": "apiVersion: v1\nkind: {{ .Kind }}\n",
                "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
                "app.yaml": WRONG,
            }
        )
    )
    assert codes(report) == ["WI120"]


def test_a_file_about_identities_has_to_be_readable(tree: Tree) -> None:
    """And one that is named, in any case."""
    assert codes(reported(tree({"app.yaml": WRONG.replace("kind: ServiceAccount", "kind: {{ .Kind }}")}))) == ["WI409"]
    assert codes(reported(tree({"app.yaml": "apiVersion: v1\nkind: ServiceAccount\n" + WRONG + "a: [\n"}))) == ["WI408"]
    Path("other.yaml").write_text("a: [\n")
    assert codes(reported(folder("other.yaml"))) == ["WI408"]
    assert codes(linted("apiVersion: v1\nmetadata: {name: x}\n")) == ["WI412"]


def test_the_templates_of_a_chart_are_passed_over_with_a_note(tree: Tree) -> None:
    """If they have to do with identities: otherwise nobody misses them."""
    chart = {
        "web/Chart.yaml": "apiVersion: v2\nname: web\n",
        "web/templates/a.yaml": "apiVersion: v1\nkind: {{ .K }}\n",
    }
    assert codes(reported(tree({**chart, "app.yaml": WRONG}))) == ["WI120"]
    values = {"web/values.yaml": "labels: {azure.workload.identity/use: 'true'}\n"}
    assert codes(reported(tree(values))) == ["WI120", "WI461"]


def test_a_pod_in_a_file_without_our_names_is_found_by_its_account(tree: Tree) -> None:
    """The ServiceAccount is in another file. Files that have nothing to do with either are not parsed."""
    plain = pod(labels="{}").replace("azure.workload.identity", "x")
    found = tree(
        {"a/app.yaml": plain, "b/account.yaml": ACCOUNT, "c/other.yaml": plain.replace("Name: web", "Name: other")}
    )
    assert codes(reported(found)) == ["WI433"]
    assert len(found.objects) == 2
    assert found.files == ("a/app.yaml", "b/account.yaml", "c/other.yaml")


def test_the_nearest_account_counts(tree: Tree) -> None:
    """Overlays have the same names. Of several that are as near, none is taken if they differ."""
    cloudy = ACCOUNT.replace("client-id:", "client-id: 33333333-3333-4333-8333-333333333333, b:")
    own = pod(container="{name: app, env: [{name: AZURE_CLIENT_ID, value: 33333333-3333-4333-8333-333333333333}]}")
    found = tree(
        {"dev/sa.yaml": ACCOUNT, "dev/app.yaml": own, "prod/sa.yaml": cloudy, "prod/app.yaml": own, "app.yaml": own}
    )
    assert [(each.place.file, each.message.code) for each in reported(found).findings] == [("dev/app.yaml", "WI210")]


def test_many_files_with_the_same_names_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the files are twice the work, also if each has the same ServiceAccount as all others."""
    real, asked = Object.stated, 0

    def counted(self: Object) -> str:
        nonlocal asked
        asked += 1
        return str(real.fget(self))  # type: ignore[attr-defined]  # it is a property

    monkeypatch.setattr(Object, "stated", property(counted))
    work = []
    for number in (50, 100):
        asked = 0
        assert linted((ACCOUNT + pod()) * number).objects == 2 * number
        work.append(asked)
    assert work[1] <= 2.1 * work[0]


def test_a_kustomization_needs_no_kind(tree: Tree) -> None:
    """Kustomize does not ask for one."""
    text = 'commonLabels: {azure.workload.identity/use: "true"}\n'
    assert codes(reported(tree({"base/kustomization.yaml": text, "Kustomization": text}))) == ["WI476", "WI476"]


def test_a_list_has_objects() -> None:
    """And so has a list in a list."""
    document = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "x", "annotations": {"azure.workload.identity/client-id": "x"}},
    }
    listed = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [{"apiVersion": "v1", "kind": "List", "items": [document]}, 1],
    }
    report = linted(json.dumps(listed))
    assert codes(report) == ["WI102", "WI120", "WI411"]


def test_text_in_utf_16_is_read(tree: Tree, tmp_path: Path) -> None:
    """As Windows PowerShell writes it."""
    (tmp_path / "app.yaml").write_bytes(WRONG.encode("utf-16"))
    report = reported(folder("."))
    assert [(each.line, each.message.code) for each in report.findings] == [(6, "WI120")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(b"a: " + b"x" * module.LARGEST_FILE, "WI462", id="size"),
        pytest.param(b"[" * 300 + b"]" * 300, "WI408", id="depth"),
        pytest.param(b'{"a":' * 300 + b"1" + b"}" * 300, "WI407", id="depth of JSON"),
        pytest.param(b"--- {}\n" * 10_001, "WI408", id="documents"),
        pytest.param(b"{}\n" * 10_001, "WI407", id="documents of JSON"),
        pytest.param(
            b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + b"".join(b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 10)) for n in range(98, 108)),
            "WI408",
            id="aliases",
        ),
        pytest.param(b"---\n- &a [" + b"1," * 600 + b"]\n" + b"- *a\n" * 40, "WI408", id="aliases in one list"),
        pytest.param((b"--- [" + b"1," * 600 + b"]\n") * 40, "WI408", id="values of many documents"),
    ],
)
def test_input_is_bounded(monkeypatch: pytest.MonkeyPatch, text: bytes, code: str) -> None:
    """What is beyond is an error of the file, soon. The bound of the values is lowered: two million take a while."""
    monkeypatch.setattr(nodes, "_LARGEST", 20_000)
    assert codes(linted(text)) == [code]


def test_files_are_bounded(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is the whole disk by mistake."""
    monkeypatch.setattr(module, "MOST_FILES", 2)
    (problem,) = tree({f"{name}.yaml": WRONG for name in "abc"}).problems
    assert problem.code == "WI463"


@pytest.mark.parametrize(
    ("paths", "code"),
    [(["missing"], "WI401"), (["missing.yaml"], "WI401"), (["-", "-"], "WI402"), (["-"], "WI410"), (["."], "WI410")],
)
def test_what_cannot_be_read_at_all_is_wrong_usage(tree: Tree, paths: list[str], code: str) -> None:
    """A path that does not exist, and a pipe in front of lint that failed."""
    found = read(paths, namespace="", stdin=io.BytesIO(), stdin_name="-")
    assert [problem.code for problem in found.problems] == [code]


def test_a_hostile_object_does_not_stop_lint() -> None:
    """Any value in any place is a finding or nothing, never a traceback."""
    for value in ("null", "1", "[]", "{}", "[1]", "{a: 1}", "[[1]]", "x"):
        for line in pod(annotations="{m365.workload.identity/preflight: 'true'}").splitlines():
            key, colon, _ = line.partition(":")
            if colon:
                text = ACCOUNT + pod().replace(line, f"{key}: {value}")
                for kind in ("Pod", "Deployment", "ServiceAccount", "Namespace", "Rollout", "Kustomization"):
                    linted(text.replace("kind: Pod", f"kind: {kind}"))


def test_the_file_of_standard_input_has_a_name() -> None:
    """That of the flag."""
    assert reading(WRONG, name="charts/shop").files == ("charts/shop",)
