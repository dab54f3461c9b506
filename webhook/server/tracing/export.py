"""Sends the spans to a collector, by OTLP over HTTP. OpenTelemetry's own variables say which (docs/tracing.md).

A thread sends them in batches, so a review never waits for the collector. What waits to be sent is bounded: a span that
has no room is dropped, and counted. At the end of the process what is left is sent, for END_SECONDS at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from webhook import __version__
from webhook.server.tracing.reviews import Reviews
from webhook.settings.tracing import Tracing

END_SECONDS: Final = 1.0  # of the two that all background work has together
_LONGEST_VALUE: Final = 512  # characters of an attribute; the longest name in Kubernetes has 253
_LONGEST_REASON: Final = 300  # characters
# Seconds after which the interpreter passes from one thread to another that waits, instead of five thousandths. Reviews
# would wait so long for the thread that encodes a batch, once for each of their calls to the kernel.
_SWITCH_SECONDS: Final = 0.0002

_log = logging.getLogger("webhook")


class Exporting:
    """Sends spans inside `async with`. reviews: begins them. To be made in the process that serves."""

    def __init__(self, settings: Tracing) -> None:
        # It would log what a stranger sends as tracestate, and several lines for each batch that is lost.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._sent = _Sent(settings)
        self._queue = _Queue(self._sent, settings)
        self._provider = TracerProvider(
            resource=_resource(), shutdown_on_exit=False, span_limits=SpanLimits(max_attribute_length=_LONGEST_VALUE)
        )
        self._provider.add_span_processor(self._queue)
        self._switch_seconds = sys.getswitchinterval()
        tracer = self._provider.get_tracer("m365-workload-identity", __version__)
        self.reviews = Reviews(tracer, follows_parent=settings.follows_parent)

    def counts(self) -> Mapping[str, int]:
        """How many spans were exported, failed, and dropped."""
        return {"exported": self._sent.exported, "failed": self._sent.failed, "dropped": self._queue.dropped}

    async def __aenter__(self) -> Self:
        sys.setswitchinterval(_SWITCH_SECONDS)
        return self

    async def __aexit__(self, *_: object) -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop has gone meanwhile
                loop.call_soon_threadsafe(done.set)

        # A thread that the interpreter does not wait for: a collector that hangs does not stop the process from ending.
        threading.Thread(target=end, name="last spans", daemon=True).start()
        try:
            async with asyncio.timeout(END_SECONDS):
                await done.wait()
        except TimeoutError:
            _log.warning("%d spans were not sent: the collector did not accept them in time", self._queue.left)
        sys.setswitchinterval(self._switch_seconds)


class _Queue(BatchSpanProcessor):
    """Spans that wait. The class above it counts none that it drops, so it is never given one too many."""

    def __init__(self, sent: _Sent, settings: Tracing) -> None:
        self.dropped = 0
        self._most = settings.queue
        self._put = 0  # by the event loop alone, as `taken` is counted by the exporting thread alone
        self._sent = sent
        super().__init__(
            sent,
            max_queue_size=settings.queue,
            schedule_delay_millis=settings.delay * 1000,
            max_export_batch_size=settings.batch,
        )

    @property
    def left(self) -> int:
        """How many have not been sent, or are being sent."""
        return self._put - self._sent.exported - self._sent.failed

    def on_end(self, span: ReadableSpan) -> None:
        """Put it in, if there is room."""
        if self._put - self._sent.taken >= self._most:
            self.dropped += 1
            return
        self._put += 1
        super().on_end(span)


class _Sent(SpanExporter):
    """OpenTelemetry's exporter, counted. Its failures are logged once, and so is their end."""

    def __init__(self, settings: Tracing) -> None:
        self.taken = self.exported = self.failed = 0
        self._endpoint = settings.endpoint
        self._session = _Session()
        self._inner = OTLPSpanExporter(endpoint=settings.endpoint, timeout=settings.timeout, session=self._session)
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch. Called by the exporting thread."""
        self._session.reason = ""
        self.taken += len(spans)
        try:
            result = self._inner.export(spans)
        except Exception as error:  # noqa: BLE001 - the thread has to go on
            self._session.reason, result = f"{type(error).__name__}: {error}", SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self.exported += len(spans)
            if self._failing:
                _log.info("spans are accepted again by %s", self._endpoint)
        else:
            self.failed += len(spans)
            if not self._failing:
                _log.warning("spans are not accepted by %s: %s", self._endpoint, self._session.reason[:_LONGEST_REASON])
        self._failing = result is not SpanExportResult.SUCCESS
        return result

    def shutdown(self) -> None:
        """Give up what is under way."""
        self._inner.shutdown()  # type: ignore[no-untyped-call]


class _Session(requests.Session):
    """The exporter's connection, which keeps what went wrong last: the exporter itself only logs it."""

    reason = ""

    def request(self, *arguments: Any, **named: Any) -> requests.Response:
        """See requests.Session."""
        try:
            response = super().request(*arguments, **named)
        except Exception as error:
            self.reason = f"{type(error).__name__}: {error}"
            raise
        self.reason = f"HTTP {response.status_code} {response.reason}"
        return response

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """See requests.Session, in which REQUESTS_CA_BUNDLE wins over an authority that is given for this session."""
        given = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, given, cert)


def _resource() -> Resource:
    """What the spans come from: our name and version, unless the variables say otherwise."""
    given = OTELResourceDetector().detect().attributes
    ours = {"service.name": "m365-workload-identity", "service.version": __version__}
    return Resource.create({name: value for name, value in ours.items() if name not in given})
