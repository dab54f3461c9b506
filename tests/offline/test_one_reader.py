"""`serve --accounts` and `mutate -f` read a file the same way: the same ServiceAccounts, or the same mistakes."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.cases import CLIENT
from webhook.accounts.files import BadFiles, FileAccounts
from webhook.core.decision import Decision, decide
from webhook.core.messages import Message, manifests
from webhook.core.policy import Policy
from webhook.core.review import Request
from webhook.documents.files import read_manifests
from webhook.offline.workloads import decide_all

ACCOUNT = f"""\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: terraform
  annotations:
    azure.workload.identity/client-id: {CLIENT}
    m365.workload.identity/audience: """
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {azure.workload.identity/use: "true"}
spec:
  serviceAccountName: terraform
  containers: [{name: app, image: busybox}]
"""
OTHERS = (
    "",
    "---\napiVersion: v1\nkind: ConfigMap\n",
    "---\n- 1\n",
    "---\nkind: ServiceAccount\n",
    "---\napiVersion: v1\nkind: ServiceAccountList\nitems: [{metadata: {name: terraform, annotations: {a: 1}}}]\n",
    "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {generateName: x}\n",
    "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: terraform, labels: {a: y}}\n",
    "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: terraform}\n",
)
WORDS = (
    *("y", "no", "~", "", "0644", "0o17", "0b11", "1_000", "1.0", "1e3", ".5", ".inf", "12:30", "12:30:45", "<<", "="),
    *("2026-01-02", "2026-99-99", "!!int x", "!!str 1", "!!binary aGk=", "!!timestamp 1", "&a b", "*a", "[a, b]", "{"),
    *("|\n      many\n      lines", ">-\n      one\n      line", "x # comment", "'it''s'", '"\\x41"', "a: b", "\tx"),
    *("a\n    m365.workload.identity/audience: b", "a\n    <<: {m365.workload.identity/env: azure}", "{{ .x }}"),
)

Found = tuple[Decision | None, list[Message]]


def by_serve(folder: Path) -> Found:
    """The decision about the pod with the ServiceAccount that `serve` finds, or the mistakes in the file."""
    try:
        accounts = FileAccounts.read(folder / "file.yaml")
    except BadFiles as error:
        return None, [problem for problem in error.problems if problem.kind is not manifests.NO_ACCOUNT]
    account = asyncio.run(accounts.get("default", "terraform", seconds=1))
    (pod,) = read_manifests([str(folder / "pod.yaml")]).manifests
    return decide(Request(uid="", namespace="default", pod=pod.value), account, Policy()), []


def by_mutate(folder: Path) -> Found:
    """The decision of `mutate` about the pod, or the mistakes in the file."""
    files = read_manifests([str(folder / "file.yaml"), str(folder / "pod.yaml")])
    results = decide_all(files.manifests, Policy(), "default")
    refused = [result.decision for result in results if result.decision.outcome == "error"]
    problems = [*files.problems, *(problem for decision in refused for problem in decision.problems)]
    return (None, problems) if problems else (results[-1].decision, [])


@given(st.sampled_from(WORDS) | st.text(st.characters(codec="utf-8"), max_size=8), st.sampled_from(OTHERS))
@example(value="12:30:45", other="")
@example(value="y", other="")
def test_serve_and_mutate_find_the_same(value: str, other: str) -> None:
    """Any value of an annotation, with any other document after it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file.yaml").write_text(f"{ACCOUNT}{value}\n{other}", encoding="utf-8", newline="")
        (folder / "pod.yaml").write_text(POD)
        assert by_serve(folder) == by_mutate(folder)
