"""Every line is one JSON object, from every library and with any value."""

import json
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from webhook.logs import Log, configure


@pytest.fixture
def written() -> Iterator[list[bytes]]:
    """What the process logs, with the standard library's logging put back as it was afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    chatty = {name: logging.getLogger(name).level for name in ("kubernetes", "aiohttp", "urllib3", "httpx")}
    lines: list[bytes] = []
    yield lines
    logging.captureWarnings(False)
    root.handlers[:], root.level = before
    for name, level in chatty.items():
        logging.getLogger(name).setLevel(level)


def read(written: list[bytes]) -> list[dict[str, Any]]:
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in written)
    return [json.loads(line) for line in written]


def test_a_line_has_time_level_message_and_what_it_is_given(written: list[bytes]) -> None:
    """In this order, so that a person can read it too."""
    Log(write=written.append).line("info", "review", uid="u", warnings=("a",))
    (line,) = read(written)
    assert list(line) == ["time", "level", "message", "uid", "warnings"]
    assert line["time"].endswith("Z")
    assert (line["level"], line["message"], line["uid"], line["warnings"]) == ("info", "review", "u", ["a"])


def test_what_is_below_the_level_is_dropped(written: list[bytes]) -> None:
    """Of our own lines as of the library's."""
    log = configure(level="warning", write=written.append)
    log.line("info", "one")
    logging.getLogger("any").info("two")
    log.line("warning", "three")
    logging.getLogger("any").error("four")
    assert [line["message"] for line in read(written)] == ["three", "four"]


def test_a_record_of_the_library_becomes_a_line(written: list[bytes]) -> None:
    """With its logger, its arguments filled in, its extra and its traceback."""
    configure(write=written.append)
    try:
        raise ValueError("bad\nvalue")
    except ValueError:
        logging.getLogger("some.library").exception("%s of %d", "one", 2, extra={"where": "here"})
    (line,) = read(written)
    assert (line["level"], line["logger"], line["message"]) == ("error", "some.library", "one of 2")
    assert line["where"] == "here"
    assert line["exception"].endswith("ValueError: bad\nvalue\n")
    assert list(line)[:4] == ["time", "level", "logger", "message"]


@pytest.mark.parametrize("value", ["\ud800", 2**70, {1: 2}, object(), b"bytes", {"a"}, float("nan")])
def test_no_value_breaks_a_line(written: list[bytes], value: object) -> None:
    """What JSON has no word for is written as text."""
    Log(write=written.append).line("info", "odd", value=value)
    assert read(written)[0]["message"] == "odd"


def test_a_record_that_cannot_be_written_stops_nobody(written: list[bytes], capsys: pytest.CaptureFixture[str]) -> None:
    """logging reports it in its own way and the caller goes on."""
    configure(write=written.append)
    logging.getLogger("any").warning("%d", "no number")
    assert written == []
    assert "no number" in capsys.readouterr().err


def test_warnings_are_lines(written: list[bytes]) -> None:
    """Python would print them as text."""
    configure(write=written.append)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    assert "old ways" in read(written)[0]["message"]


@pytest.mark.parametrize("name", ["kubernetes.client.rest", "urllib3.connectionpool", "aiohttp.client"])
def test_libraries_that_log_bodies_never_do(written: list[bytes], name: str) -> None:
    """At debug level the Kubernetes client logs what the API server answers: Secrets, tokens."""
    configure(level="debug", write=written.append)
    logging.getLogger(name).debug("response body: %s", "token")
    logging.getLogger("ours").debug("kept")
    assert [line["message"] for line in read(written)] == ["kept"]


def test_configuring_again_replaces_the_handler(written: list[bytes]) -> None:
    """Each line is written once."""
    configure(write=written.append)
    configure(write=written.append)
    logging.getLogger("any").warning("once")
    assert len(written) == 1


def test_a_write_that_takes_a_part_is_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a pipe may when it is nearly full."""
    taken: list[bytes] = []

    def write(descriptor: int, data: bytes) -> int:
        taken.append(data[:50])
        return len(taken[-1])

    monkeypatch.setattr(os, "write", write)
    Log().line("error", "long" * 50)
    assert len(taken) > 2
    assert json.loads(b"".join(taken))["message"] == "long" * 50


def test_a_reader_that_has_gone_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods are reviewed although stderr is closed."""

    def write(descriptor: int, data: bytes) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(os, "write", write)
    Log().line("error", "not read")
