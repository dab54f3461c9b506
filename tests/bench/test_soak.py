"""The long run, made short: what it counts does not grow, and growth is seen."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import replace

import pytest

from bench.machine import processes_of
from bench.posts import Posted, post_all, request
from bench.scale import Seen, table
from bench.soak import Sample, counts, problems
from bench.webhooks import PATH, ours, write_files
from testbed.cluster.processes import Workshop, wait_until

pytestmark = pytest.mark.slow

STEADY = [Sample(reviews=number, resident=70.0 + number % 3, rate=1.0, counts=(20, 3, 2)) for number in range(30)]


def test_a_steady_run_has_no_problem() -> None:
    assert problems(STEADY) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"resident": 72.0}, "memory grew from 71.0 to 72.0 MiB between the second and the last tenth"),
        ({"counts": (21, 3, 2)}, "descriptors: 20 in the second tenth, 21 in the last"),
        ({"counts": (20, 4, 2)}, "threads: 3 in the second tenth, 4 in the last"),
        ({"counts": (20, 3, 3)}, "children: 2 in the second tenth, 3 in the last"),
    ],
)
def test_what_grows_is_said(change: dict[str, float], said: str) -> None:
    changed = [replace(sample, **change) for sample in STEADY[-2:]]  # type: ignore[arg-type]
    assert problems([*STEADY[:-2], *changed]) == [said]


def test_connections_and_reviews_leave_no_descriptor_thread_or_process_behind() -> None:
    """Each turn opens every connection anew, and leaves one in the middle of a request."""
    workshop = Workshop("m365wi-soak-test-")
    try:
        files = write_files(workshop.directory)
        webhook = ours(workshop, files)
        context = ssl._create_unverified_context()
        usual, broken = request(PATH, files.review.read_bytes()), request(PATH, b"[not JSON")

        def turn() -> None:
            posted = post_all(webhook.port, context, [usual, usual, broken] * 40, connections=8)
            assert posted.statuses == {200: 80, 400: 40}
            left = http.client.HTTPSConnection("127.0.0.1", webhook.port, context=context)
            left.putrequest("POST", PATH)
            left.endheaders()
            left.close()

        before = counts(webhook)
        for _ in range(5):
            turn()

        def nothing_left() -> bool:
            descriptors, threads, children = counts(webhook)
            # The worker reads files in a thread, which may begin meanwhile; each turn leaves a connection.
            return descriptors <= before[0] + 2 and threads <= before[1] + 1 and children <= before[2]

        wait_until(nothing_left, f"as many as before: {before}")
        assert len(processes_of(webhook.process.popen.pid)) == 2
    finally:
        workshop.close()


def test_a_ratio_is_that_of_many_to_few() -> None:
    few, many = Posted(seconds=2.0), Posted(seconds=1.0)
    for posted in (few, many):
        posted.latencies.extend([1.0] * 99 + [3.0])
    lines = table(Seen(200, few, (few,), 70.0, 100.0), Seen(50_000, many, (many,), 77.0, 90.0))
    assert lines[0] == "| ServiceAccounts | 200 | 50,000 | ratio |"
    assert "| reviews a second, median | 50 | 100 | 2.00 |" in lines
    assert "| memory, each page once, MiB | 70 | 77 | 1.10 |" in lines
