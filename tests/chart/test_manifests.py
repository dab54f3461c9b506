"""The plain manifests are what the chart renders; `make check` says if somebody forgot to render them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from testbed.chart import helm, manifests
from testbed.cluster.registration import PLAIN

pytestmark = pytest.mark.slow
SKELETON = Path("webhook/checks/chart.yaml")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the chart and of what is rendered from it, to be changed."""
    shutil.copytree(helm.CHART.parent, tmp_path / "manifests")
    (tmp_path / SKELETON).parent.mkdir(parents=True)
    shutil.copy(helm.CHART.parents[1] / SKELETON, tmp_path / SKELETON)
    monkeypatch.setattr(helm, "CHART", tmp_path / "manifests" / "chart")
    return tmp_path / "manifests"


def test_the_plain_manifests_are_current() -> None:
    """As `make check` looks at them."""
    assert manifests.main(["--check"]) == 0


def test_a_change_of_the_chart_is_told_and_then_written(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the difference and the command that fixes it; `--check` itself changes nothing."""
    before = {name: (elsewhere / name).read_text() for name in PLAIN.values()}
    values = elsewhere / "chart" / "values.yaml"
    values.write_text(values.read_text().replace("replicas: 2", "replicas: 3"))
    assert manifests.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "-  replicas: 2\n+  replicas: 3\n" in said
    for name, text in before.items():
        assert f"manifests/{name} is not what the chart renders: make manifests" in said
        assert (elsewhere / name).read_text() == text
    assert manifests.main([]) == 0
    assert "replicas: 3" in (elsewhere / "install.yaml").read_text()
    assert manifests.main(["--check"]) == 0


def test_a_chart_that_does_not_render_is_told(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By Helm's own words."""
    (elsewhere / "chart" / "templates" / "service.yaml").write_text("{{ nothing }}")
    assert manifests.main(["--check"]) == 1
    assert 'function "nothing" not defined' in capsys.readouterr().err


def test_the_plain_manifests_say_what_they_are() -> None:
    """In the first line, and without a trace of Helm's hooks."""
    for scope, name in PLAIN.items():
        text = (helm.CHART.parent / name).read_text()
        assert text.startswith(f"# The webhook in scope {scope}, for `kubectl apply`.")
        assert "helm.sh/hook" not in text
