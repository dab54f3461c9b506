"""Traces: OpenTelemetry's own variables, as far as its library would ignore a mistake in them, or fail later.

The library reads them itself, and logs a wrong value at most. So they are checked here, if traces are switched on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from webhook.core.messages import Message, Place, message
from webhook.core.messages import settings as kinds
from webhook.settings import values
from webhook.settings.errors import bad_value

_OTLP: Final = "OTEL_EXPORTER_OTLP_"
_TRACES: Final = "OTEL_EXPORTER_OTLP_TRACES_"
_SAMPLER: Final = "OTEL_TRACES_SAMPLER"
_FOLLOWING: Final = ("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio")
_SAMPLERS: Final = ("always_on", "always_off", "traceidratio", *_FOLLOWING)
_QUEUE, _BATCH, _DELAY = "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_SCHEDULE_DELAY"
_ENDPOINT: Final = "http://localhost:4318"
_HIDDEN: Final = "(not shown)"  # it has a token or a password


@dataclass(frozen=True)
class Tracing:
    """Where spans are sent. endpoint: a URL. timeout, delay: seconds. queue, batch: spans.

    follows_parent: whether nothing is recorded that kube-apiserver has not sampled.

    The variables have more than this, which OpenTelemetry reads itself.
    """

    endpoint: str = f"{_ENDPOINT}/v1/traces"
    timeout: float = 10.0
    queue: int = 2048
    batch: int = 512
    delay: float = 5.0
    follows_parent: bool = True

    def __str__(self) -> str:
        return self.endpoint


def read_tracing(environ: Mapping[str, str]) -> Tracing | list[Message] | None:
    """What the variables say, or what is wrong with them. None if OTEL_SDK_DISABLED switches it off, as anywhere."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if problems := list(_problems(environ)):
        return problems
    own, base = environ.get(f"{_TRACES}ENDPOINT"), environ.get(f"{_OTLP}ENDPOINT")
    usual = Tracing()
    milliseconds = _of_traces(environ, "TIMEOUT")
    queue = int(environ.get(_QUEUE) or usual.queue)
    return Tracing(
        endpoint=own or f"{(base or _ENDPOINT).removesuffix('/')}/v1/traces",
        timeout=int(milliseconds) / 1000 if milliseconds else usual.timeout,
        queue=queue,
        batch=int(environ.get(_BATCH) or min(usual.batch, queue)),
        follows_parent=environ.get(_SAMPLER, "").strip().lower() in ("", *_FOLLOWING),
        delay=int(environ.get(_DELAY) or usual.delay * 1000) / 1000,
    )


def _of_traces(environ: Mapping[str, str], name: str) -> str:
    return environ.get(f"{_TRACES}{name}") or environ.get(f"{_OTLP}{name}") or ""


def _problems(environ: Mapping[str, str]) -> Iterator[Message]:
    checks: dict[str, Callable[[str], object]] = {
        f"{prefix}{name}": check for name, check in _OF_OTLP.items() for prefix in (_TRACES, _OTLP)
    }
    checks |= _OTHERS
    for variable, check in checks.items():
        text = environ.get(variable, "")
        if not text.strip():
            continue
        try:
            check(text)
        except ValueError as error:
            secret = variable.endswith("_HEADERS") or (variable.endswith("_ENDPOINT") and "@" in text)
            yield bad_value(variable, _HIDDEN if secret else text, error)
    yield from _together(environ)


def _together(environ: Mapping[str, str]) -> Iterator[Message]:
    """Two variables that contradict each other, each of which is right."""
    usual = Tracing()
    queue, batch = environ.get(_QUEUE) or str(usual.queue), environ.get(_BATCH) or ""
    if queue.isdecimal() and batch.isdecimal() and int(batch) > int(queue):
        yield bad_value(_BATCH, batch, f"at most {_QUEUE}, {queue}")
    sampler, share = environ.get(_SAMPLER, "").strip().lower(), environ.get(f"{_SAMPLER}_ARG", "")
    if sampler.endswith("traceidratio") and share.strip() and not _is_share(share):
        yield bad_value(f"{_SAMPLER}_ARG", share, "a share of all traces, from 0 to 1")
    if _of_traces(environ, "CLIENT_KEY") and not _of_traces(environ, "CLIENT_CERTIFICATE"):
        where, expected = Place(f"{_OTLP}CLIENT_CERTIFICATE"), "the certificate of the key that is given"
        yield message(kinds.VALUE_MISSING, where, expected=expected)


def _endpoint(text: str) -> None:
    expected = "the URL of a collector, such as http://collector.monitoring:4318"
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or not text.isascii() or any(each.isspace() for each in text):
        raise ValueError(expected)
    if "@" in parts.netloc:
        raise ValueError(f"{expected}, without a password: that is a header, {_OTLP}HEADERS")


def _headers(text: str) -> None:
    for pair in text.split(","):
        name, equals, value = pair.strip().partition("=")
        good = bool(equals) and re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name.strip()) and value.isascii()
        if pair.strip() and not (good and value.isprintable()):
            raise ValueError("NAME=VALUE, separated by commas, with a comma in a value as %2C")


def _authorities(text: str) -> None:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=text)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"a PEM file with certificates of authorities ({reason})") from None


def _attributes(text: str) -> None:
    if not all(re.fullmatch(r"\s*[^=\s]+\s*=.*", pair) for pair in text.split(",") if pair.strip()):
        raise ValueError("NAME=VALUE, separated by commas")


def _file(text: str) -> None:
    if not Path(text).is_file():
        raise ValueError("a PEM file")


def _number(lowest: int, highest: int, what: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not text.isdecimal() or len(text) > 9 or not lowest <= int(text) <= highest:
            raise ValueError(f"{what}, from {lowest} to {highest}")

    return check


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _word(*words: str) -> Callable[[str], object]:
    allowed = values.one_of(words)
    return lambda text: allowed(text.strip().lower())


_OF_OTLP: Final[Mapping[str, Callable[[str], object]]] = {
    "ENDPOINT": _endpoint,
    "PROTOCOL": _word("http/protobuf"),
    "HEADERS": _headers,
    # OpenTelemetry's specification has milliseconds. Its Python library takes seconds, so we read this.
    "TIMEOUT": _number(100, 60_000, "milliseconds"),
    "COMPRESSION": _word("none", "gzip", "deflate"),
    "CERTIFICATE": _authorities,
    "CLIENT_KEY": _file,
    "CLIENT_CERTIFICATE": _file,
}
_OTHERS: Final[Mapping[str, Callable[[str], object]]] = {
    _SAMPLER: _word(*_SAMPLERS),
    _QUEUE: _number(1, 100_000, "spans"),
    _BATCH: _number(1, 10_000, "spans"),
    _DELAY: _number(10, 60_000, "milliseconds"),
    "OTEL_RESOURCE_ATTRIBUTES": _attributes,
}
