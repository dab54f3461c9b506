"""Requests that would fill the log: its lines are short, and those about refusals are few."""

import json
import time
from typing import Any

import pytest

from tests.server.client import post
from tests.server.conftest import Server
from webhook.logs import MAX_LINE, Log


@pytest.mark.parametrize(
    "value",
    [
        "x" * 25_000,
        "\u2028" * 9000,
        "\ud800" * 9000,
        ["w" * 2000] * 900,
        [["w" * 2000] * 90] * 90,
        {"a": "b" * 90_000},
    ],
    ids=["text", "escapes", "surrogates", "warnings", "nested", "object"],
)
def test_a_line_is_short_whatever_it_is_given(value: object) -> None:
    """In one value, and in several; what was left out is said."""
    written: list[bytes] = []
    Log(write=written.append).line("info", "review", uid="u", status=200, odd=value, warnings=value)
    line: dict[str, Any] = json.loads(written[0])
    assert len(written[0]) <= 4 * MAX_LINE
    assert (line["uid"], line["status"]) == ("u", 200)
    assert "left out" in str(line["odd"])


def test_a_usual_line_is_whole() -> None:
    """Four values as long as a name in Kubernetes may be, and warnings."""
    written: list[bytes] = []
    Log(write=written.append).line("info", "review", uid="u" * 253, pod="p" * 253, warnings=["w" * 400] * 3)
    assert json.loads(written[0])["warnings"] == ["w" * 400] * 3


@pytest.mark.slow
def test_refusals_do_not_fill_the_log(serve: Any) -> None:
    """A thousand bad requests have some lines, and one that says how many were left out; decisions have all theirs."""
    server: Server = serve().ready()
    before, begun = len(server.lines), time.monotonic()
    with server.client() as client:
        for _ in range(1000):
            client.send(post(b"not JSON"))
            assert client.response().status == 400
        for _ in range(100):
            assert client.ask({"uid": "u"}).status == 200
    told = server.wait_for("lines about refused reviews were left out", reason="bad-request")
    lines = server.lines[before:]
    bad = sum(line.get("status") == 400 for line in lines)
    assert bad + told["count"] == 1000
    assert 50 <= bad <= 50 + 5 * (time.monotonic() - begun) + 1
    assert sum(line.get("status") == 200 for line in lines) == 100
