"""No false alarm: lint finds nothing wrong in public charts and manifests."""

import io
import re
from pathlib import Path

import pytest

from testbed import corpus
from webhook.core.messages import Severity
from webhook.core.policy import Policy
from webhook.offline.lint.linting import Report, lint
from webhook.offline.lint.reading import read

pytestmark = [pytest.mark.corpus, pytest.mark.slow, pytest.mark.timeout(1800)]

# Mistakes that are really there: a client id and a tenant id on a page of external-secrets are not GUIDs.
REAL = re.compile(r"external-secrets/docs/snippets/azkv-workload-identity(-mounted)?\.yaml")


@pytest.fixture(scope="module")
def made() -> Path:
    """The corpus."""
    return corpus.make()


def linted(path: Path) -> Report:
    """What is found in a file or folder; the webhook has a tenant id."""
    reading = read([str(path)], namespace="", stdin=io.BytesIO(), stdin_name="-")
    assert reading.problems == ()
    return lint(reading, Policy(tenant_id="contoso.com"))


def alarms(report: Report) -> list[str]:
    """The errors and warnings."""
    return [
        f"{each.place.file}:{each.line}: {each.text} [{each.message.code}]"
        for each in report.findings
        if each.severity is not Severity.NOTE and not REAL.search(each.place.file)
    ]


def test_nothing_is_wrong_with_rendered_charts(made: Path) -> None:
    """At least thirty, some of which have an identity as their own pages set it up."""
    files = sorted((made / "rendered").iterdir())
    assert len(files) >= 30
    assert {file.name: found for file in files if (found := alarms(linted(file)))} == {}
    with_identity = [file for file in files if "-with-identity" in file.name]
    assert len(with_identity) == len(corpus.VALUES)
    for file in with_identity:
        text = file.read_text()
        assert "azure.workload.identity/use" in text
        wrong = text.replace("azure.workload.identity/client-id: ", "azure.workload.identity/client-id: x")
        (made.parent / "corpus-wrong.yaml").write_text(wrong)
        assert alarms(linted(made.parent / "corpus-wrong.yaml")), f"{file.name}: its identity is not seen at all"
    (made.parent / "corpus-wrong.yaml").unlink()


def test_nothing_is_wrong_with_repositories(made: Path) -> None:
    """Whole ones, with their templates, patches and tests."""
    folders = sorted((made / "source").iterdir())
    assert len(folders) == len(corpus.modules())
    assert {folder.name: found for folder in folders if (found := alarms(linted(folder)))} == {}
