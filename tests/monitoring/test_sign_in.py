"""The alerts of sign-in fire, and the panels have data: real programs, the emulator of Entra, a real Prometheus.

Of the rules, each minute is a second here; test_rules.py tests the minutes.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from testbed.cluster.processes import wait_until
from tests.monitoring.conftest import Draw
from tests.monitoring.panels import has_data, panels
from tests.monitoring.rules import is_about_sign_in, rules
from tests.monitoring.sign_in_scene import NAMESPACES, programs, scene

pytestmark = [pytest.mark.prometheus, pytest.mark.slow, pytest.mark.timeout(300)]

ALERTS = {name for name, rule in rules().items() if is_about_sign_in(rule)}
# The whole look-back of a rule, and what it waits for after that.
QUIET = "count_over_time(m365_identity_canary_last_success_timestamp_seconds[30s]) > 40"
# What the doctor says, which the runbook sends people to: refused, no answer, and a token that was not renewed.
DOCTOR = {"canary": "WIH308", "shop": "WIH356", "mail": "WIH263"}


def of_the_runbook(refused: str, old: str) -> list[str]:
    """Its queries. refused, old: the namespaces with the trouble that a query is about."""
    page = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text(encoding="utf-8")
    found = re.findall(r"^```promql\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(found) == 3
    return [query.replace("NAMESPACE", refused if "exchanges" in query else old) for query in found]


def test_alerts_fire_and_panels_have_data(draw: Draw) -> None:
    """Each alert for the trouble that it is about, in the namespace that has it, and none while all is well."""
    with scene() as found:
        prometheus = found.prometheus
        prometheus.await_alert("M365WICanaryFails")  # Prometheus cannot scrape it
        with programs(found):
            wait_until(lambda: bool(prometheus.query(QUIET)), "half a minute without trouble")
            assert prometheus.alerts() == {}
            found.trouble(*NAMESPACES)
            found.let_a_token_age("mail")
            for alert in ALERTS:
                prometheus.await_alert(alert)
            firing = prometheus.query('ALERTS{alertstate="firing"}')
            assert {(each["metric"]["alertname"], each["metric"].get("namespace", "")) for each in firing} == {
                ("M365WICanaryFails", ""),
                ("M365WISignInsFail", "canary"),
                ("M365WISignInUnreachable", "shop"),
                ("M365WISignInThrottled", ""),
                ("M365WIServiceAccountTokenOld", "mail"),
            }
            for query in of_the_runbook("canary", "mail"):
                wait_until(partial(has_data, prometheus, query), f"{query} has data")
            for namespace, code in DOCTOR.items():
                assert f"[{code}]" in found.doctor(namespace), namespace
            for title, query in panels("sign-in", namespace=".*").items():
                wait_until(partial(has_data, prometheus, query), f"{title} has data")
            draw("sign-in", prometheus)
