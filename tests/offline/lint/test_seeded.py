"""A repository with twelve mistakes has twelve findings, each at its line: in YAML, JSON, Helm and kustomize output."""

import io
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from testbed.chart import helm
from testbed.cluster import build
from tests.offline.lint.support import SEEDED, linted
from webhook.core.policy import Policy
from webhook.offline.lint.linting import Report, lint
from webhook.offline.lint.reading import read

# The code, the object, and what stands in the line and nowhere else in the object.
MISTAKES = {
    ("WI120", "ServiceAccount shop/by-name", "contoso-app"),
    ("WI121", "ServiceAccount shop/of-all-tenants", "common"),
    ("WI106", "ServiceAccount shop/misspelt", "client_id"),
    ("WI480", "ServiceAccount shop/not-rendered", "{{ .Values.tenant }}"),
    ("WI430", "Deployment shop/outer-label", "azure.workload.identity/use"),
    ("WI213", "Deployment shop/part-of-a-volume", "subPath"),
    ("WI218", "CronJob shop/long-lived", "172800"),
    ("WI210", "Deployment shop/own-variable", "AZURE_CLIENT_ID"),
    ("WI219", "StatefulSet shop/left-over", "AZURE_CLIENT_SECRET"),
    ("WI432", "Job shop/capital", "True"),
    ("WI722", "DaemonSet shop/wrong-object", "44444444-4444-4444-8444-444444444444"),
    ("WI430", "SparkApplication shop/of-an-operator", "azure.workload.identity/use"),
}


def check(report: Report, text: str) -> None:
    """The twelve, and nothing else, each in the line of its object that has what is wrong."""
    there = text.split("\n")
    found = set()
    for each in report.findings:
        line = there[each.line - 1]
        marks = [mark for code, title, mark in MISTAKES if (code, title) == (each.message.code, each.title)]
        assert marks, each
        assert marks[0] in line, (each, line)
        assert each.manifest is not None
        begin, end = part(text, each.title)
        assert begin <= each.line <= end
        assert sum(marks[0] in other for other in there[begin - 1 : end]) == 1
        found.add((each.message.code, each.title, marks[0]))
    assert found == MISTAKES
    assert len(report.findings) == 12


def part(text: str, title: str) -> tuple[int, int]:
    """The lines of an object: from its kind or metadata on, up to the next object."""
    name = title.partition("/")[2]
    there = text.split("\n")
    at = next(
        number
        for number, line in enumerate(there, 1)
        if line.strip().strip('",').endswith(f"name: {name}") or f'"name": "{name}"' in line
    )
    begin = max(number for number, line in enumerate(there[:at], 1) if "apiVersion" in line)
    after = [number for number, line in enumerate(there, 1) if number > at and "apiVersion" in line]
    return begin, (after[0] - 1 if after else len(there))


def test_each_seeded_mistake_is_found_in_yaml() -> None:
    """A folder."""
    reading = read([str(SEEDED)], namespace="", stdin=io.BytesIO(), stdin_name="-")
    check(lint(reading, Policy()), (SEEDED / "app.yaml").read_text())
    assert reading.files == ((SEEDED / "app.yaml").as_posix(),)


def test_each_seeded_mistake_is_found_in_json() -> None:
    """One List, and one object after the other."""
    objects = list(yaml.safe_load_all((SEEDED / "app.yaml").read_text()))
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=2)
    check(linted(listed, name="app.json"), listed)
    each = "\n".join(json.dumps(one, indent=4) for one in objects)
    check(linted(each, name="app.json"), each)


@pytest.mark.slow
def test_in_what_helm_renders(tmp_path: Path) -> None:
    """A chart whose template has the file; each finding names the template."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n")
    (tmp_path / "app.yaml").write_text((SEEDED / "app.yaml").read_text())
    template = '{{- range regexSplit "(?m)^---$" (.Files.Get "app.yaml") -1 }}\n---\n{{ . }}\n{{- end }}\n'
    (tmp_path / "templates" / "all.yaml").write_text(template)
    rendered = helm.helm("template", "shop", str(tmp_path))
    report = linted(rendered)
    check(report, rendered)
    assert {each.origin for each in report.findings} == {"shop/templates/all.yaml"}


@pytest.mark.slow
def test_in_what_kustomize_builds(tmp_path: Path) -> None:
    """kubectl has kustomize in it. It sorts keys and writes them anew."""
    (tmp_path / "app.yaml").write_text((SEEDED / "app.yaml").read_text())
    (tmp_path / "kustomization.yaml").write_text("resources: [app.yaml]\n")
    command = [str(build.binary("kubectl")), "kustomize", str(tmp_path)]
    built = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200).stdout
    assert built != (SEEDED / "app.yaml").read_text()
    check(linted(built), built)
