"""Log lines: JSON objects on stderr, one a line, for our code, gunicorn, asyncio and every library.

Every line has `time` (UTC), `level` and `message`; a line of the standard library's logging also `logger`, its `extra`,
and `exception` with the traceback. Callers never pass a body, a token or a key.
"""

import json
import logging
import os
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

# At debug level these libraries log bodies and headers of calls to the API server, with Secrets and tokens.
_NEVER_DEBUG: Final = ("kubernetes", "aiohttp", "urllib3", "httpx")
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


MAX_LINE: Final = 4096
"""Bytes of a line whose values are written whole; a usual one has 400. In a longer one each value is cut."""
_MAX_VALUE: Final = 300  # characters; the longest name in Kubernetes has 253
_MAX_TRACEBACK: Final = 6000  # characters of its end: about 60 calls


class Log:
    """Writes one line for each call. For the request path: the standard library's logging takes as long as a review.

    level: one of LEVELS; lower levels are dropped. write: takes a whole line, newline included.
    """

    def __init__(self, *, level: str = "info", write: Callable[[bytes], object] | None = None) -> None:
        self._threshold = LEVELS[level]
        self._write = write or _to_stderr

    def line(self, level: str, message: str, /, **values: Any) -> None:
        """One line; `values` become its fields."""
        if LEVELS[level] >= self._threshold:
            self._write(_encoded({"time": datetime.now(UTC), "level": level, "message": message, **values}))


def configure(*, level: str = "info", write: Callable[[bytes], object] | None = None) -> Log:
    """Send all that this process logs, Python's warnings too, to stderr as JSON. Returns the Log for the request path.

    To be called once, at the start of a command, before anything is logged.
    """
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.addHandler(_JsonHandler(write or _to_stderr))
    root.setLevel(LEVELS[level])
    for name in _NEVER_DEBUG:
        logging.getLogger(name).setLevel(max(LEVELS[level], logging.INFO))
    logging.captureWarnings(True)
    return Log(level=level, write=write)


class _JsonHandler(logging.Handler):
    """Turns a record of the standard library into a line."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """One line for `record`. If it cannot be written, logging reports that; nothing is raised."""
        try:
            values: dict[str, Any] = {
                "time": datetime.fromtimestamp(record.created, UTC),
                "level": "error" if record.levelno >= logging.ERROR else record.levelname.lower(),
                "logger": record.name,
                "message": record.getMessage(),
            }
            values |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
            if record.exc_info and record.exc_info[0]:
                values["exception"] = "".join(traceback.format_exception(*record.exc_info))
            self._write(_encoded(values))
        except Exception:  # noqa: BLE001 - as logging itself: an error here must not stop the caller
            self.handleError(record)


def _encoded(values: Mapping[str, Any]) -> bytes:
    line = _dumped(values)
    return line if len(line) <= MAX_LINE else _dumped({key: _cut(value) for key, value in list(values.items())[:32]})


def _cut(value: object) -> object:
    """`value` in so few characters that 32 of them make a line that can be read. The end of a traceback says most."""
    if isinstance(value, datetime | bool | int | float | None) and len(str(value)) <= _MAX_VALUE:
        return value
    if isinstance(value, list | tuple):
        some = [_cut(item) for item in value[:3]]
        return some if len(value) <= 3 else [*some, f"({len(value) - 3} more)"]
    text = value if isinstance(value, str) else str(value)
    if len(text) <= _MAX_VALUE:
        return text
    left_out = f"({len(text) - _MAX_VALUE} characters left out)"
    if text.startswith("Traceback "):
        return f"{text[:200]} {left_out} {text[-_MAX_TRACEBACK:]}"
    return f"{text[:_MAX_VALUE]} {left_out}"


def _dumped(values: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(values, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)
    except TypeError:  # a lone surrogate, an integer of 65 bits, a key that is not a string
        return json.dumps({str(key): value for key, value in values.items()}, default=str).encode() + b"\n"


def _to_stderr(line: bytes) -> None:
    """Write `line` in one call, so that lines of the parent process and of the worker never mix."""
    try:
        while line:
            line = line[os.write(2, line) :]
    except OSError:  # the reader of the log has gone; pods are reviewed all the same
        pass
