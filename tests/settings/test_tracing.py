"""Traces: what OpenTelemetry's variables say, and every mistake in them before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.test_read import POD, read
from webhook.settings import SettingsError
from webhook.settings.tracing import Tracing

OTLP = "OTEL_EXPORTER_OTLP_"


def tracing(**variables: str) -> Tracing | None:
    """The setting with these variables of OpenTelemetry, switched on."""
    return read("--tracing=true", environ=POD | variables).tracing


def mistakes(**variables: str) -> list[str]:
    """The problems that they have."""
    with pytest.raises(SettingsError) as caught:
        tracing(**variables)
    return [str(problem) for problem in caught.value.problems]


def test_without_the_flag_the_variables_mean_nothing() -> None:
    """Operators inject them into any pod, so they alone switch nothing on, and nothing in them is refused."""
    assert read(environ=POD | {f"{OTLP}ENDPOINT": "nonsense"}).tracing is None
    assert read("--tracing=false", environ=POD | {f"{OTLP}ENDPOINT": "http://a:4318"}).tracing is None


def test_the_flag_alone_sends_to_a_collector_of_this_machine() -> None:
    """The default of OpenTelemetry, and its other defaults."""
    assert tracing() == Tracing("http://localhost:4318/v1/traces", timeout=10, queue=2048, batch=512, delay=5)
    assert read(environ=POD | {"M365WI_TRACING": "true"}).tracing == tracing()
    assert read("--tracing=true").effective()["tracing"] == "http://localhost:4318/v1/traces"
    assert read().effective()["tracing"] == ""


def test_opentelemetry_can_be_switched_off_as_anywhere() -> None:
    """OTEL_SDK_DISABLED=true."""
    assert tracing(OTEL_SDK_DISABLED="TRUE") is None
    assert tracing(OTEL_SDK_DISABLED="false") is not None


def test_the_endpoint_of_traces_wins_and_is_taken_as_it_is() -> None:
    """The general one gets the path of traces."""
    base, own = {f"{OTLP}ENDPOINT": "https://a:1/otlp/"}, {f"{OTLP}TRACES_ENDPOINT": "http://b/here"}
    for variables, expected in ((base, "https://a:1/otlp/v1/traces"), (base | own, "http://b/here")):
        found = tracing(**variables)
        assert found
        assert found.endpoint == expected


@pytest.mark.parametrize(
    ("sampler", "follows"),
    [("", True), ("parentbased_traceidratio", True), ("traceidratio", False), ("always_on", False)],
)
def test_the_sampler_says_whether_kube_apiserver_decides(sampler: str, follows: bool) -> None:
    """If it does, a review that it has not sampled needs no span."""
    found = tracing(OTEL_TRACES_SAMPLER=sampler)
    assert found
    assert found.follows_parent is follows


def test_times_are_milliseconds_and_numbers_are_spans() -> None:
    """As OpenTelemetry's specification has them. A small queue has small batches."""
    found = tracing(
        OTEL_EXPORTER_OTLP_TIMEOUT="9000",
        OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="2500",
        OTEL_BSP_MAX_QUEUE_SIZE="64",
        OTEL_BSP_SCHEDULE_DELAY="250",
    )
    assert found
    assert (found.timeout, found.queue, found.batch, found.delay) == (2.5, 64, 64, 0.25)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ENDPOINT", "collector:4318", "the URL of a collector, such as http://collector.monitoring:4318"),
        ("ENDPOINT", "grpc://collector:4317", "the URL of a collector, such as http://collector.monitoring:4318"),
        ("ENDPOINT", "http://collector:99999", "the URL of a collector, such as http://collector.monitoring:4318"),
        ("ENDPOINT", "http://collector:4318\n", "the URL of a collector, such as http://collector.monitoring:4318"),
        ("ENDPOINT", "http://me:secret@collector", "without a password: that is a header, OTEL_EXPORTER_OTLP_HEADERS"),
        ("PROTOCOL", "grpc", "one of http/protobuf"),
        ("TIMEOUT", "10", "milliseconds, from 100 to 60000"),
        ("TIMEOUT", "10s", "milliseconds, from 100 to 60000"),
        ("COMPRESSION", "zstd", "one of none, gzip, deflate"),
        ("CERTIFICATE", "/does/not/exist", "a PEM file with certificates of authorities (No such file or directory)"),
        ("CLIENT_KEY", "/does/not/exist", "a PEM file"),
        ("CLIENT_CERTIFICATE", "/does/not/exist", "a PEM file"),
    ],
)
@pytest.mark.parametrize("prefix", [OTLP, f"{OTLP}TRACES_"])
def test_a_wrong_variable_is_refused(prefix: str, name: str, value: str, expected: str) -> None:
    """OpenTelemetry would ignore it, or fail at the first batch."""
    found = mistakes(**{f"{prefix}{name}": value})
    assert expected in found[0]
    assert found[0].startswith(f"{prefix}{name} is ")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"OTEL_TRACES_SAMPLER": "sometimes"}, "expected one of always_on, always_off, traceidratio, parentbased_"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "10%"}, "a share of all traces, from 0 to"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, "a share of all traces, from 0 to 1"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nan"}, "a share of all traces, from 0"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "spans, from 1 to 100000"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "-5"}, "spans, from 1 to 100000"),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4096"}, "at most OTEL_BSP_MAX_QUEUE_SIZE, 2048"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "0"}, "milliseconds, from 10 to 60000"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "cluster"}, "NAME=VALUE, separated by commas"),
    ],
)
def test_so_is_a_wrong_variable_of_the_sdk(variables: dict[str, str], expected: str) -> None:
    """With its name."""
    found = mistakes(**variables)
    assert expected in found[0]
    assert found[0].startswith(list(variables)[-1])


@pytest.mark.parametrize("value", ["hunter2", "authorization=a\nhunter2", "na me=hunter2", "a=hunter2é", "a=1,hunter2"])
def test_a_header_is_never_shown(value: str) -> None:
    """It is a token, usually."""
    (found,) = mistakes(**{f"{OTLP}HEADERS": value})
    assert "NAME=VALUE, separated by commas" in found
    assert "hunter2" not in found


def test_nor_is_a_password_in_the_endpoint() -> None:
    """The log would show it at each start."""
    (found,) = mistakes(**{f"{OTLP}ENDPOINT": "http://me:hunter2@collector"})
    assert "hunter2" not in found


def test_right_variables_are_accepted(tmp_path: Path) -> None:
    """Every kind, an empty one too."""
    (tmp_path / "key.pem").touch()
    assert tracing(
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20abc, x-scope = shop,\n",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_EXPORTER_OTLP_CLIENT_KEY=str(tmp_path / "key.pem"),
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=str(tmp_path / "key.pem"),
        OTEL_TRACES_SAMPLER="ParentBased_TraceIdRatio",
        OTEL_TRACES_SAMPLER_ARG="0.05",
        OTEL_RESOURCE_ATTRIBUTES="k8s.cluster.name=prod,team=a%20b,",
        OTEL_BSP_MAX_QUEUE_SIZE="",
        OTEL_SERVICE_NAME="identity",
    )


def test_a_key_needs_its_certificate(tmp_path: Path) -> None:
    """The exporter would leave it out in silence."""
    (tmp_path / "key.pem").touch()
    (found,) = mistakes(**{f"{OTLP}CLIENT_KEY": str(tmp_path / "key.pem")})
    assert found.startswith(f"{OTLP}CLIENT_CERTIFICATE is missing")


def test_all_mistakes_are_told_at_once() -> None:
    """With those of other settings."""
    with pytest.raises(SettingsError) as caught:
        read(
            *("--tracing=true", "--cloud=moon"), environ=POD | {f"{OTLP}PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER": "all"}
        )
    assert len(caught.value.problems) == 3
