"""Each alert fires when it should, not a minute earlier, and not for what looks like it: unit tests, by promtool."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from testbed.prometheus.build import binary
from tests.monitoring.rules import groups, rules

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

OURS = 'name="labelled.m365.workload.identity"'
THEIRS = 'name="policy.example.com"'
REFUSED = "apiserver_admission_webhook_rejection_count"
OPEN = "apiserver_admission_webhook_fail_open_count"
REVIEWS = "m365wi_reviews_total"
STARTED = "process_start_time_seconds"
BUCKET = "m365wi_review_seconds_bucket"
EVENTS = "m365wi_certificate_events_total"
SPANS = "m365wi_trace_spans_total"
JOB = 'cronjob="m365-workload-identity-federation"'
EXCHANGES = "m365_identity_exchanges_total"
SUCCESS = "m365_identity_canary_last_success_timestamp_seconds"
INTERVAL = "m365_identity_canary_interval_seconds"
ISSUED = "m365_identity_service_account_token_issued_timestamp_seconds"
EXPIRES = "m365_identity_service_account_token_expires_timestamp_seconds"

Series = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """When an alert fires. Values have one sample each minute, as promtool writes them."""

    series: Series
    quiet: int
    """The last minute at which it does not fire."""
    fires: int
    """The first at which it does."""
    other: Series
    """For this, it never does."""
    labels: Mapping[str, str] = field(default_factory=dict)
    first: Series = field(default_factory=dict)
    """For this, too, it fires at `fires` and not at `quiet`."""


def one_of_two(name: str, bad: str, good: str = "1x90") -> dict[str, str]:
    """The series of two replicas, of which one is in trouble."""
    return {f'{name}{{instance="a"}}': good, f'{name}{{instance="b"}}': bad}


def exchanges(outcome: str, values: str, *, namespace: str = "shop", code: str = "") -> dict[str, str]:
    """The sign-ins of a program with one outcome."""
    return {f'{EXCHANGES}{{outcome="{outcome}",code="{code}",namespace="{namespace}"}}': values}


CASES = {
    "M365WIPodsRefused": Case(
        {f'{REFUSED}{{{OURS},error_type="calling_webhook_error"}}': "0x10 1x90"},
        quiet=10,
        fires=11,
        other={
            f'{REFUSED}{{{OURS},error_type="no_error"}}': "0+1x90",
            f'{REFUSED}{{{THEIRS},error_type="calling_webhook_error"}}': "0+1x90",
            # It was so before Prometheus came.
            f'{REFUSED}{{{OURS},error_type="calling_webhook_error"}}': "7x90",
            STARTED: "1x90",
        },
        first={f'{REFUSED}{{{OURS},error_type="calling_webhook_error"}}': "_x11 1x90", STARTED: "1x90"},
    ),
    "M365WIPodsWithoutIdentity": Case(
        {f"{OPEN}{{{OURS}}}": "0x10 1x90"},
        quiet=10,
        fires=11,
        other={f"{OPEN}{{{THEIRS}}}": "0+1x90", f"{OPEN}{{{OURS}}}": "7x90", STARTED: "1x90"},
        first={f"{OPEN}{{{OURS}}}": "_x11 1x90", STARTED: "1x90"},
    ),
    "M365WIDown": Case(
        {"m365wi_build_info": "1x10 stale _x90"}, quiet=15, fires=16, other=one_of_two("m365wi_build_info", "stale")
    ),
    "M365WINotTrusted": Case(
        one_of_two("m365wi_trust_published", "1x10 0x90"),
        quiet=15,
        fires=16,
        other=one_of_two("m365wi_trust_published", "0 0 1x90"),
    ),
    "M365WICertificateExpires": Case(
        one_of_two("m365wi_serving_certificate_not_after_seconds", "259800x90", "9000000x90"),
        quiet=10,
        fires=11,
        other={"m365wi_serving_certificate_not_after_seconds": "270000x90"},
    ),
    "M365WIAuthorityExpires": Case(
        one_of_two("m365wi_ca_not_after_seconds", "5184600x90", "9000000x90"),
        quiet=10,
        fires=11,
        other={"m365wi_ca_not_after_seconds": "5194000x90"},
    ),
    "M365WIClientAuthorityExpires": Case(
        one_of_two("m365wi_client_ca_not_after_seconds", "2592600x90", "9000000x90"),
        quiet=10,
        fires=11,
        other={"m365wi_client_ca_not_after_seconds": "2602000x90"},
    ),
    "M365WILookupsFail": Case(
        {'m365wi_account_lookups_total{source="live",result="failed"}': "0x10 1+1x90"},
        quiet=15,
        fires=16,
        other={'m365wi_account_lookups_total{source="live",result="absent"}': "0+1x90"},
    ),
    "M365WIErrors": Case(
        {
            f'{REVIEWS}{{outcome="error",reason="bad-request"}}': "0+2x90",
            f'{REVIEWS}{{outcome="injected",reason="injected"}}': "0+98x90",
        },
        quiet=10,
        fires=11,
        other={
            f'{REVIEWS}{{outcome="error",reason="bad-request"}}': "0+1x90",
            f'{REVIEWS}{{outcome="error",reason="lookup-failed"}}': "0+50x90",
            f'{REVIEWS}{{outcome="injected",reason="injected"}}': "0+99x90",
        },
    ),
    "M365WISlow": Case(
        {f'{BUCKET}{{le="{le}"}}': f"0+{count}x90" for le, count in {"1.0": 98, "2.5": 100, "+Inf": 100}.items()},
        quiet=10,
        fires=11,
        other={
            f'{BUCKET}{{le="{le}"}}': f"0+{count}x90" for le, count in {"1.0": 995, "2.5": 1000, "+Inf": 1000}.items()
        },
    ),
    "M365WICertificateTrouble": Case(
        {f'{EVENTS}{{event="trust_restored"}}': "0x10 1x90"},
        quiet=10,
        fires=11,
        other={f'{EVENTS}{{event="leaves_signed"}}': "0+1x90"},
        labels={"event": "trust_restored"},
    ),
    "M365WIConnectionsRefused": Case(
        {'m365wi_connections_refused_total{cause="handshake"}': "0+120x90"},
        quiet=17,  # the average of five minutes is above one after three
        fires=18,
        other={'m365wi_connections_refused_total{cause="handshake"}': "0+50x90"},
        labels={"cause": "handshake"},
    ),
    "M365WISpansLost": Case(
        {f'{SPANS}{{result="failed"}}': "0x10 5+5x90", f'{SPANS}{{result="exported"}}': "0+1x100"},
        quiet=25,
        fires=26,
        # A collector that restarts, and one span in twenty.
        other={f'{SPANS}{{result="dropped"}}': "0+5x8 40x90", f'{SPANS}{{result="exported"}}': "0x8 0+95x90"},
    ),
    "M365WIFederationFails": Case(
        {
            f"kube_cronjob_status_last_schedule_time{{{JOB}}}": "100x10 700x90",
            f"kube_cronjob_status_last_successful_time{{{JOB}}}": "110x90",
        },
        quiet=70,
        fires=71,
        other={
            f"kube_cronjob_status_last_schedule_time{{{JOB}}}": "100x10 700x90",
            f"kube_cronjob_status_last_successful_time{{{JOB}}}": "110x10 700x90",
        },
    ),
    "M365WICanaryFails": Case(
        # Every five minutes; the last success is that of minute 10.
        {SUCCESS: "0+60x10 600x90", INTERVAL: "300x100"},
        quiet=30,
        fires=31,
        # Exactly three rounds; and another that is new, as in a roll-out.
        other={f'{SUCCESS}{{pod="a"}}': "-900+60x90", f'{SUCCESS}{{pod="b"}}': "0x90", INTERVAL: "300x90"},
        first={INTERVAL: "300x25 stale", SUCCESS: "0+60x25 stale"},
    ),
    "M365WISignInsFail": Case(
        exchanges("refused", "0x10 1+1x90", code="700016") | exchanges("ok", "0+1x100", namespace="other"),
        quiet=25,
        fires=26,
        labels={"namespace": "shop"},
        # A new credential: some refusals, then all is well. And one program of a hundred.
        other=exchanges("refused", "0+1x8 8x90", code="70021")
        | exchanges("ok", "0x8 0+1x90")
        | exchanges("refused", "0+1x90", namespace="large", code="700016")
        | exchanges("ok", "0+99x90", namespace="large"),
    ),
    "M365WISignInUnreachable": Case(
        exchanges("unreachable", "0x10 1+1x90") | exchanges("ok", "0+1x100", namespace="other"),
        quiet=25,
        fires=26,
        labels={"namespace": "shop"},
        other=exchanges("unreachable", "0+1x8 8x90") | exchanges("ok", "0x8 0+1x90") | exchanges("refused", "0+1x90"),
    ),
    "M365WISignInThrottled": Case(
        exchanges("throttled", "0x10 1+1x90") | exchanges("ok", "0+5x100", namespace="other"),
        quiet=30,  # a tenth is passed in minute 16
        fires=31,
        other=exchanges("throttled", "0+1x90") | exchanges("ok", "0+10x90", namespace="other"),
    ),
    "M365WIServiceAccountTokenOld": Case(
        # Issued in minute 0 for an hour; nine tenths are over after minute 54. The other token is renewed in time.
        {f'{ISSUED}{{namespace="shop",pod="a"}}': "0x90", f'{EXPIRES}{{namespace="shop",pod="a"}}': "3600x90"}
        | {
            f'{ISSUED}{{namespace="shop",pod="b"}}': "0x48 2880x90",
            f'{EXPIRES}{{namespace="shop",pod="b"}}': "3600x48 6480x90",
        },
        quiet=56,
        fires=57,
        labels={"namespace": "shop"},
        other={ISSUED: "0x49 2940x48 5820x90", EXPIRES: "3600x49 6540x48 9420x90"},
    ),
}


def promtool(*arguments: str, folder: Path) -> None:
    """Runs it; a failure has what it printed."""
    done = subprocess.run(
        [binary("promtool"), *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the rules in rules.yaml."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups()}), encoding="utf-8")
    return tmp_path


def test_the_rules_are_valid(folder: Path) -> None:
    """Strictly: no rule twice, and a name for each."""
    promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yaml", folder=folder)


def test_each_alert_is_tested() -> None:
    """Also a new one."""
    assert set(CASES) == set(rules())


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_it_should(alert: str, folder: Path) -> None:
    """Neither a minute earlier nor for what is none of its business; with its severity, summary and link."""
    case, rule = CASES[alert], rules()[alert]
    expected = {"exp_labels": rule["labels"] | case.labels, "exp_annotations": rule["annotations"]}

    def tried(series: Series, times: Mapping[int, list[dict[str, object]]]) -> dict[str, object]:
        return {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [
                {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": alerts}
                for minute, alerts in times.items()
            ],
        }

    document = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            *(tried(each, {case.quiet: [], case.fires: [expected]}) for each in (case.series, case.first) if each),
            tried(case.other, {key: [] for key in range(2, 90, 4)}),
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    promtool("test", "rules", "test.yaml", folder=folder)
