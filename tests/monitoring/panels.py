"""The queries of a dashboard, and whether Prometheus has an answer."""

from __future__ import annotations

import math

from testbed.prometheus.running import Prometheus
from tests.chart.test_dashboards import DASHBOARDS

__all__ = ["has_data", "panels"]


def panels(name: str, **chosen: str) -> dict[str, str]:
    """Each query of a dashboard by the title of its panel, with what Grafana puts in. chosen: the variables."""
    found = {}
    for panel in DASHBOARDS[name]["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$__rate_interval", "5s")
            for variable, value in chosen.items():
                query = query.replace(f"${variable}", value)
            found[f"{panel['title']}, {target['refId']}"] = query
    return found


def has_data(prometheus: Prometheus, query: str) -> bool:
    """Whether one of its samples is a number."""
    return any(not math.isnan(float(sample["value"][1])) for sample in prometheus.query(query))
