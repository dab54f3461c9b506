"""Draws a dashboard of Grafana with Perses, in a browser, with the answers of a real Prometheus.

Grafana itself is under the AGPL and in none of the registries that we build from. Perses is under the Apache licence,
and a migration of Grafana's dashboards is part of it; that program needs Perses' server, so the few kinds of panels
that we have are translated here: title, query, unit, thresholds, legend and place are those of Grafana's file.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

__all__ = ["height", "served", "translated"]

Json = dict[str, Any]

UNITS: Final = {
    "none": {"unit": "decimal"},
    "s": {"unit": "seconds"},
    "ops": {"unit": "ops/sec"},
    "reqps": {"unit": "requests/sec"},
    "percentunit": {"unit": "percent-decimal"},
}
COLORS: Final = {"red": "#d32f2f", "green": "#2e7d32", "orange": "#ed6c02", "blue": "#1976d2"}


def translated(dashboard: Mapping[str, Any], *, minutes: int) -> Json:
    """Grafana's dashboard as Perses has it, for the last minutes."""
    panels: Json = {}
    layouts: list[Json] = []
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            display = {"title": panel["title"], "collapse": {"open": True}}
            layouts.append({"kind": "Grid", "spec": {"display": display, "items": []}})
            top = panel["gridPos"]["y"] + 1
            continue
        name = f"panel{panel['id']}"
        panels[name] = _panel(panel)
        place = panel["gridPos"]
        where = {"x": place["x"], "y": place["y"] - top, "width": place["w"], "height": place["h"]}
        layouts[-1]["spec"]["items"].append(where | {"content": {"$ref": f"#/spec/panels/{name}"}})
    return {
        "kind": "Dashboard",
        "metadata": {"name": dashboard["title"], "project": "m365"},
        "spec": {
            "display": {"name": dashboard["title"]},
            "duration": f"{minutes}m",
            "refreshInterval": "0s",
            "variables": [_variable(each) for each in dashboard["templating"]["list"] if each["type"] == "query"],
            "layouts": layouts,
            "panels": panels,
        },
    }


def height(dashboard: Mapping[str, Any]) -> int:
    """About as many pixels as Perses needs for all of it."""
    rows = [panel for panel in dashboard["panels"] if panel["type"] == "row"]
    lines: int = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"]) - len(rows)
    return 130 + 65 * len(rows) + 40 * lines


def _panel(panel: Mapping[str, Any]) -> Json:
    defaults = panel["fieldConfig"]["defaults"]
    unit: Json = UNITS[defaults["unit"]]
    plugin: Json
    if panel["type"] == "stat":
        spec = {"calculation": "last-number", "format": unit | {"decimalPlaces": 1, "shortValues": True}}
        plugin = {"kind": "StatChart", "spec": spec | {"thresholds": _thresholds(defaults["thresholds"]["steps"])}}
    else:
        axis = {"format": unit} | ({"min": defaults["min"]} if "min" in defaults else {})
        legend = {"position": "bottom", "mode": "list", "size": "small"}
        visual = {"lineWidth": 1.5, "areaOpacity": 0.1, "connectNulls": False}
        plugin = {"kind": "TimeSeriesChart", "spec": {"legend": legend, "yAxis": axis, "visual": visual}}
    display = {"name": panel["title"], "description": panel["description"]}
    return {
        "kind": "Panel",
        "spec": {"display": display, "plugin": plugin, "queries": [*map(_query, panel["targets"])]},
    }


def _thresholds(steps: list[Mapping[str, Any]]) -> Json:
    first, *others = steps
    found = [{"value": each["value"], "color": COLORS[each["color"]]} for each in others]
    return {"mode": "absolute", "defaultColor": COLORS[first["color"]], "steps": found}


def _query(target: Mapping[str, Any]) -> Json:
    spec = {"query": target["expr"], "seriesNameFormat": target["legendFormat"]}
    return {"kind": "TimeSeriesQuery", "spec": {"plugin": {"kind": "PrometheusTimeSeriesQuery", "spec": spec}}}


def _variable(variable: Mapping[str, Any]) -> Json:
    found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
    assert found
    spec = {"labelName": found[2], "matchers": [found[1]]}
    return {
        "kind": "ListVariable",
        "spec": {
            "name": variable["name"],
            "display": {"name": variable["label"]},
            "allowAllValue": True,
            "allowMultiple": True,
            "customAllValue": variable["allValue"],
            "defaultValue": ["$__all"],
            "plugin": {"kind": "PrometheusLabelValuesVariable", "spec": spec},
        },
    }


@contextlib.contextmanager
def served(page: Path, dashboard: Mapping[str, Any], prometheus: str) -> Iterator[str]:
    """The address of the built `page` with this dashboard of Perses'. Its queries go on to the address `prometheus`."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(page))

        def do_GET(self) -> None:
            if self.path.startswith("/api/v1/"):
                self._forward(None)
            elif self.path == "/dashboard.json":
                self._answer(200, json.dumps(dashboard).encode())
            else:
                super().do_GET()

        def do_POST(self) -> None:
            self._forward(self.rfile.read(int(self.headers["Content-Length"])))

        def _forward(self, body: bytes | None) -> None:
            kind = {"Content-Type": self.headers["Content-Type"]} if body is not None else {}
            request = urllib.request.Request(f"{prometheus}{self.path}", data=body, headers=kind)
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    self._answer(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                self._answer(error.code, error.read())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
