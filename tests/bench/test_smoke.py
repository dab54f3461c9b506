"""One short run of `python -m bench --endpoint`, and what becomes of its report."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench import pods, programs
from bench.__main__ import PAGE, QUICK, run
from bench.generator import Target, post_at_rate
from bench.machine import Setup, two_cores
from bench.report import BEGIN, END, GOALS, Report, Row, as_json, as_text, update_page

pytestmark = pytest.mark.slow

SETUP = Setup(date="2026-01-31", cores=2, processor="a processor", load=0.1, versions={"Python": "3.11"})
ROWS = (
    Row("requests a second", "1/s", (100.0, 110.0, 90.0), (250.0, 210.0, 190.0), GOALS["requests at 8"]),
    Row("latency p99", "ms", (1.0, 2.0), (2.0, 3.0), GOALS["p99 at 8"], none=(0.5, 0.5)),
)
REPORT = Report("python -m bench", SETUP, ROWS, requests=1000, errors=0, generator_busy=0.25)


@pytest.mark.timeout(600)
@pytest.mark.skipif(len(set(two_cores())) < 2, reason="needs two cores")
@pytest.mark.skipif(
    bool(programs.missing()) and not shutil.which("go"), reason="the Go programs are not built, and there is no Go"
)
def test_a_quick_run_measures_everything_without_an_error() -> None:
    report = run(["endpoint"], QUICK, command="python -m bench --quick --endpoint")
    assert report.errors == 0
    assert report.requests > 100
    every_point = {
        f"{what}, {connections}"
        for what in ("requests a second", "latency p50", "latency p99", "processor time a request")
        for connections in ("1 connection", "8 connections", "64 connections")
    }
    every_point |= {
        f"latency {what} at {rate} requests a second" for what in ("p50", "p99") for rate in ("500", "1,500")
    }
    others = {
        "memory, all processes, each page once",
        "memory, the largest process at its peak",
        "start until ready",
    }
    assert {row.what for row in report.rows} == every_point | others
    assert all(value > 0 for row in report.rows for value in (*row.reference, *row.ours))
    json.dumps(as_json(report))


def test_a_ratio_is_that_of_the_medians_and_its_spread_that_of_the_rounds() -> None:
    assert ROWS[0].ratio == pytest.approx(2.1)
    assert ROWS[0].spread == pytest.approx((210 / 110, 2.5))


def test_a_missed_goal_is_told_and_is_no_error() -> None:
    assert REPORT.missed == (ROWS[1],)
    text = as_text(REPORT)
    assert "| requests a second, 1/s |  | 100 | 210 | 2.10 | 1.91 to 2.50 | ratio ≥ 2: met |" in text
    assert "| latency p99, ms | 0.50 | 1.50 | 2.50 | 1.67 | 1.50 to 2.00 | ratio ≤ 1: **missed** |" in text


def test_the_page_has_a_place_for_the_report_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    update_page(page, REPORT)
    update_page(page, REPORT)
    before, _, after = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = after.partition(END)
    assert page.read_text(encoding="utf-8") == f"{before}{BEGIN}\n{as_text(REPORT)}\n{END}{after}"


def test_an_answer_without_a_patch_is_found_out() -> None:
    posted = pods.review()
    uid = json.loads(posted)["request"]["uid"]
    answer = json.dumps({"response": {"uid": uid, "allowed": True}}).encode()
    with pytest.raises(pods.WrongAnswer, match="no patch"):
        pods.check_answer(posted, answer)


def test_a_program_is_built_anew_when_its_source_changes(tmp_path: Path) -> None:
    source = tmp_path / "main.go"
    (tmp_path / "go.mod").write_text("module a\n\ngo 1.26.0\n", encoding="utf-8")
    source.write_text("package main\n", encoding="utf-8")
    program = programs.Program("a", tmp_path, ".")
    before = program.place
    assert before == programs.Program("a", tmp_path, ".").place
    source.write_text("package main // changed\n", encoding="utf-8")
    assert program.place != before
    assert program.go == (1, 26, 0)


@pytest.mark.skipif(
    not programs.RATE.place.exists() and not shutil.which("go"),
    reason="the Go program is not built, and there is no Go",
)
def test_a_slow_answer_counts_for_all_requests_that_were_due_meanwhile(tmp_path: Path) -> None:
    """An open loop: at 100 requests a second, an answer that takes 0.7 seconds makes 70 others late."""
    body = tmp_path / "body.json"
    body.write_text("{}", encoding="utf-8")
    with slow_once(0.7) as url:
        point = post_at_rate(Target(url, body), rate=100, connections=1, seconds=1)
    assert (point.requests, point.errors) == (100, 0)
    assert point.p50 > 50  # with a fixed number of connections only one request of all would have been slow
    assert point.p99 > 500


@contextlib.contextmanager
def slow_once(seconds: float) -> Iterator[str]:
    """A server of which one answer, the tenth, takes so long."""
    seen = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal seen
            seen += 1
            self.rfile.read(int(self.headers["content-length"]))
            if seen == 10:
                time.sleep(seconds)  # that is what is measured
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
