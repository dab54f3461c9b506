"""The line of progress: on a terminal, while something takes time, and gone afterwards."""

import asyncio
import io

import pytest

from webhook.commands.progress import progress


class Terminal(io.StringIO):
    """A terminal that says when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


async def test_a_line_appears_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what takes time, and for how long; the last thing written clears the line."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    async with progress("asking the cluster", after=0.0):
        await terminal.written.wait()
    assert terminal.getvalue() == "\r\x1b[Kasking the cluster (0 s)\r\x1b[K"


async def test_what_is_quick_has_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written, not even what clears a line."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    async with progress("asking the cluster"):
        await asyncio.sleep(0)
    assert terminal.getvalue() == ""


async def test_a_file_has_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error that is not a terminal: a log of CI would have a line a second."""
    file = io.StringIO()
    monkeypatch.setattr("sys.stderr", file)
    async with progress("asking the cluster", after=0.0):
        await asyncio.sleep(0.01)
    assert file.getvalue() == ""


async def test_an_error_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its line is gone before it is reported."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    async def fails() -> None:
        async with progress("asking the cluster", after=0.0):
            await terminal.written.wait()
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        await fails()
    assert terminal.getvalue().endswith("\x1b[K")
