"""How many connections there may be if few files may be open."""

from __future__ import annotations

import logging
import resource
from typing import Final

import pytest

from webhook.server.limits import OPERATIONS_CONNECTIONS, Limits
from webhook.server.open_files import within_open_files

OTHERS: Final = OPERATIONS_CONNECTIONS + 128
INFINITY: Final = resource.RLIM_INFINITY


class Files:
    """The limit of open files. raised: to what it was set."""

    def __init__(self, soft: int, hard: int) -> None:
        self.limits = (soft, hard)
        self.raised: list[tuple[int, int]] = []

    def getrlimit(self, which: int) -> tuple[int, int]:
        assert which == resource.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, which: int, limits: tuple[int, int]) -> None:
        assert which == resource.RLIMIT_NOFILE
        self.raised.append(limits)


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "connections", "lines"),
    [
        (INFINITY, INFINITY, [], 512, 0),
        (512 + OTHERS, 512 + OTHERS, [], 512, 0),
        (511 + OTHERS, INFINITY, [(512 + OTHERS, INFINITY)], 512, 0),
        (100, 10_000, [(512 + OTHERS, 10_000)], 512, 0),
        (100, 512 + OTHERS, [(512 + OTHERS, 512 + OTHERS)], 512, 0),
        (100, 511 + OTHERS, [(511 + OTHERS, 511 + OTHERS)], 511, 1),
        (100, OTHERS + 2, [(OTHERS + 2, OTHERS + 2)], 2, 1),
        (100, 150, [(150, 150)], 1, 1),
    ],
)
def test_there_are_no_more_connections_than_files_may_be_open(
    soft: int,
    hard: int,
    raised: list[tuple[int, int]],
    connections: int,
    lines: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The limit is raised first, as far as the system allows; if that is not enough, a line says so."""
    caplog.set_level(logging.WARNING)
    files = Files(soft, hard)
    for name in ("getrlimit", "setrlimit"):
        monkeypatch.setattr(resource, name, getattr(files, name))
    limits = Limits(connections=512)
    found = within_open_files(limits)
    assert (files.raised, found.connections, len(caplog.records)) == (raised, connections, lines)
    assert (found is limits) == (lines == 0)
