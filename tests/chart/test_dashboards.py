"""The dashboards as Grafana reads them; tests/monitoring asks a real Prometheus their queries."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from testbed.chart.helm import CHART
from tests.chart.exposed import misspelt

FILES = sorted((CHART / "files" / "dashboards").glob("*.json"))
DASHBOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
# Grafana shows any other word as text behind the number.
UNITS = {"none", "s", "ops", "reqps", "percentunit"}
# What the reader of each chooses beside the data source, and the metrics that it is about.
CHOICES = {"webhook": ("job", "m365wi_"), "sign-in": ("namespace", "m365_identity_")}


def panels(kind: str = "") -> list[Any]:
    """Each panel of each dashboard that has a query, or of one kind."""
    return [
        pytest.param(panel, id=f"{name}: {panel['title']}")
        for name, dashboard in DASHBOARDS.items()
        for panel in dashboard["panels"]
        if panel["type"] == kind or (not kind and panel["type"] != "row")
    ]


@pytest.mark.parametrize("panel", panels())
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    """Title, unit and a description in sentences; a query, of the data source that the reader chooses."""
    assert panel["title"]
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert re.fullmatch(r"[A-Z].{20,200}\.", panel["description"])
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    assert [target["refId"] for target in panel["targets"]] == list("ABCDEF"[: len(panel["targets"])])


@pytest.mark.parametrize("panel", panels())
def test_a_panel_asks_for_metrics_and_labels_that_exist(panel: dict[str, Any]) -> None:
    """And only our own are of the job or namespace chosen: kube-apiserver has neither."""
    for target in panel["targets"]:
        query = target["expr"]
        assert list(misspelt(query)) == []
        for choice, prefix in CHOICES.values():
            assert query.count(f'{{{choice}=~"${choice}"') == query.count(prefix)
        grouped = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert grouped <= {label for found in re.findall(r"by \(([^)]*)\)", query) for label in found.split(", ")}


def test_a_query_for_what_does_not_exist_is_found() -> None:
    """The test above can fail."""
    for query, expected in {
        "sum(m365wi_review_total)": "no metric m365wi_review_total",
        'm365wi_reviews_total{outcom="error"}': "m365wi_reviews_total: no label outcom",
        'm365wi_reviews_total{outcome=~"error|mistake"}': "m365wi_reviews_total: no mistake",
        "sum by (reasons) (m365wi_reviews_total)": "m365wi_reviews_total: no label reasons",
        'apiserver_admission_webhook_request_total{status="1"}': (
            "apiserver_admission_webhook_request_total: no label status"
        ),
        "time()": "no metric",
    }.items():
        assert expected in list(misspelt(query))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_fill_the_page_without_overlapping(name: str) -> None:
    """Ids are unique, and a panel begins below the row before it."""
    taken: set[tuple[int, int]] = set()
    all_panels = DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in all_panels}) == len(all_panels)
    for panel in all_panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert len(taken) == 24 * height


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_has_an_address_of_its_own(name: str) -> None:
    """Grafana's sidecar replaces the one with the same uid; the reader chooses data source and job or namespace."""
    dashboard = DASHBOARDS[name]
    assert dashboard["uid"] == f"m365wi-{name}"
    assert [each["name"] for each in dashboard["templating"]["list"]] == ["datasource", CHOICES[name][0]]
    assert "id" not in dashboard, "the number of one Grafana's database"


def test_panels_name_the_alerts_that_exist() -> None:
    """A description leads to the runbook by the alert's name."""
    alerts = set(re.findall(r"^- alert: (\w+)$", (CHART / "files" / "alerts.yaml").read_text(), re.MULTILINE))
    shown = set(re.findall(r"M365WI\w+", "".join(path.read_text(encoding="utf-8") for path in FILES)))
    assert shown <= alerts
    assert alerts - shown == {"M365WIFederationFails"}, "each alert of the webhook has a panel"


def test_each_alert_is_in_the_docs_with_its_severity() -> None:
    """In the table of docs/monitoring.md."""
    alerts = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text(encoding="utf-8"))
    page = (CHART.parents[1] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    told = {
        severity: set(re.findall(r"M365WI\w+", row))
        for severity, row in re.findall(r"^\| (critical|warning): (.*)$", page, re.MULTILINE)
    }
    assert told == {
        severity: {each["alert"] for each in alerts if each["severity"] == severity}
        for severity in ("critical", "warning")
    }
