"""`python -m webhook serve` as a process: its settings, its answers, its start and its end."""

import base64
import http.client
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.server import Running, running

pytestmark = pytest.mark.slow

ACCOUNTS = """
apiVersion: v1
kind: ServiceAccount
metadata:
  name: terraform
  namespace: shop
  annotations:
    azure.workload.identity/client-id: 11111111-2222-3333-4444-555555555555
"""


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one annotated ServiceAccount."""
    path = tmp_path_factory.mktemp("accounts") / "accounts.yaml"
    path.write_text(ACCOUNTS)
    return path


@pytest.fixture(scope="module")
def webhook(accounts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The webhook without a cluster."""
    with running(tmp_path_factory.mktemp("webhook"), ["--accounts", str(accounts), "--tenant-id", "contoso.com"]) as it:
        yield it


def review(**changes: Any) -> dict[str, Any]:
    """An AdmissionReview as kube-apiserver sends it; `changes` go to its request, None takes a member out."""
    request: dict[str, Any] = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "shop",
        "operation": "CREATE",
        "object": {
            "metadata": {"generateName": "web-", "labels": {"azure.workload.identity/use": "true"}},
            "spec": {"serviceAccountName": "terraform", "containers": [{"name": "app", "image": "example.test/app:1"}]},
        },
        "dryRun": False,
    }
    request |= changes
    request = {key: value for key, value in request.items() if value is not None}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def encoded(**changes: Any) -> bytes:
    """`review` as bytes."""
    return json.dumps(review(**changes)).encode()


def nested(depth: int) -> bytes:
    """An AdmissionReview with lists inside lists."""
    body = encoded(options="HERE")
    return body.replace(b'"HERE"', b"[" * depth + b"]" * depth)


BAD = {
    "empty": b"",
    "no JSON": b"pods, please",
    "truncated": encoded()[:-40],
    "not UTF-8": encoded().replace(b"terraform", b"\xff\xfe\xfd"),
    "a list": b"[]",
    "a number": b"7",
    "a number beyond all numbers": encoded(options="HERE").replace(b'"HERE"', b"1" + b"0" * 400),
    "deep nesting": nested(100_000),
    "v1beta1": encoded().replace(b"admission.k8s.io/v1", b"admission.k8s.io/v1beta1"),
    "no request": b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}',
    "no uid": encoded(uid=None),
    "a number as uid": encoded(uid=7),
    "DELETE": encoded(operation="DELETE"),
    "a Deployment": encoded(kind={"group": "apps", "version": "v1", "kind": "Deployment"}),
    "no object": encoded(object=None),
    "null as object": encoded().replace(b'"object": {', b'"object": null, "was": {'),
    "an object without spec": encoded(object={"metadata": {}}),
    "containers as an object": encoded(object={"spec": {"containers": {"app": {}}}}),
    "labels that are numbers": encoded(object={"metadata": {"labels": {"a": 1}}, "spec": {"containers": []}}),
    "a subresource": encoded(subResource="ephemeralcontainers"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_body_that_is_not_a_review_of_a_new_pod_is_answered_in_one_line(webhook: Running, what: str) -> None:
    """HTTP 400, a line of ASCII without a traceback; the process answers the next review as ever."""
    status, body = webhook.post(BAD[what])
    assert status == 400
    assert body.endswith(b"\n")
    assert body.count(b"\n") == 1
    assert body.isascii()
    assert len(body) < 300
    status, _ = webhook.post(encoded())
    assert status == 200


@pytest.mark.parametrize(
    "body",
    [
        encoded().replace(b'"dryRun": false', b'"dryRun": false, "dryRun": false'),
        encoded(options={"huge": "HERE"}).replace(b'"HERE"', b"1" + b"0" * 40),
        encoded(unknown={"to": ["this", "version"]}),
        nested(500),
    ],
    ids=["duplicate keys", "a huge integer", "unknown members", "moderate nesting"],
)
def test_members_that_do_not_matter_may_be_anything(webhook: Running, body: bytes) -> None:
    """Members that no decision depends on may hold anything that is JSON."""
    status, answer = webhook.post(body)
    assert status == 200
    assert json.loads(answer)["response"]["patchType"] == "JSONPatch"


def test_a_body_of_eight_mebibytes_is_refused_before_it_is_read(webhook: Running) -> None:
    """HTTP 413."""
    status, _ = webhook.post(b" " * 8 * 1024 * 1024)
    assert status == 413


def test_the_answer_is_an_admission_review_of_the_same_uid(webhook: Running) -> None:
    """apiVersion, kind and uid as kube-apiserver checks them, and a JSON Patch."""
    status, body = webhook.post(encoded())
    answer = json.loads(body)
    assert status == 200
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer["response"]["uid"] == review()["request"]["uid"]
    assert {operation["op"] for operation in json.loads(base64.b64decode(answer["response"]["patch"]))} == {"add"}


def test_azures_path_is_served_too(webhook: Running) -> None:
    """A configuration made for Azure's webhook needs only another service."""
    status, body = webhook.post(encoded(), path="/mutate-v1-pod?timeout=10s")
    assert status == 200
    assert json.loads(body)["response"]["allowed"] is True


def test_probes_and_metrics_are_served_without_tls(webhook: Running) -> None:
    """/livez, /readyz with a line a check, and counters of what was decided."""
    webhook.post(encoded())
    assert get(webhook, "/livez") == (200, "ok\n")
    status, ready = get(webhook, "/readyz")
    assert status == 200
    assert ready.splitlines()[0] == "[+] server: serving"
    assert "[+] accounts: 1 from files" in ready
    status, metrics = get(webhook, "/metrics")
    assert status == 200
    assert 'm365wi_reviews_total{outcome="injected",reason="injected"}' in metrics
    assert "m365wi_serving_certificate_not_after_seconds" in metrics


def test_each_review_has_a_line_in_the_log(webhook: Running) -> None:
    """JSON, with the uid and without the body."""
    webhook.post(encoded(uid="a-uid-of-its-own"))
    lines = [json.loads(line) for line in webhook.log.read_text().splitlines()]
    line = next(line for line in lines if line.get("uid") == "a-uid-of-its-own")
    assert (line["outcome"], line["reason"], line["status"]) == ("injected", "injected", 200)
    assert (line["namespace"], line["pod"], line["account"]) == ("shop", "web-*", "terraform")
    assert "example.test/app" not in webhook.log.read_text()


def test_the_settings_in_force_are_logged_at_the_start(webhook: Running, accounts: Path) -> None:
    """So that the operator need not guess them."""
    first = json.loads(webhook.log.read_text().splitlines()[0])
    assert first["message"] == "starting"
    assert first["settings"]["tenant_id"] == "contoso.com"
    assert first["settings"]["accounts"] == str(accounts)
    assert first["settings"]["cloud"] == "public"
    assert first["settings"]["certificates"] == "files"
    assert "settle" not in first["settings"], "it is not in force"


def test_an_unknown_variable_is_logged(accounts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may belong to another version, or to a Service of that name, so the webhook starts all the same."""
    monkeypatch.setenv("M365WI_SERVICE_HOST", "10.0.0.1")
    with running(tmp_path, ["--accounts", str(accounts)]) as it:
        lines = [json.loads(line) for line in it.log.read_text().splitlines()]
    found = [line for line in lines if line.get("variable") == "M365WI_SERVICE_HOST"]
    assert [(line["level"], line["code"]) for line in found] == [("warning", "WI504")]
    assert found[0]["message"].startswith("unknown setting M365WI_SERVICE_HOST: it has no effect in this version")


def test_a_suspicious_file_of_accounts_is_logged(tmp_path: Path) -> None:
    """With the warning that `mutate` gives for it."""
    path = tmp_path / "accounts.yaml"
    path.write_text(ACCOUNTS + "    azure.workload.identity/client-id: 22222222-2222-3333-4444-555555555555\n")
    with running(tmp_path, ["--accounts", str(path)]) as it:
        lines = [json.loads(line) for line in it.log.read_text().splitlines()]
    (found,) = [line for line in lines if line.get("code") == "WI413"]
    assert found["level"] == "warning"
    assert found["message"].startswith(f'{path}:9:5: key "azure.workload.identity/client-id" stands twice')


def test_memory_stays_under_ninety_mebibytes(webhook: Running) -> None:
    """Resident memory of the process that answers, after some reviews."""
    for _ in range(50):
        webhook.post(encoded())
    children = Path(f"/proc/{webhook.pid}/task/{webhook.pid}/children").read_text().split()
    status = Path(f"/proc/{children[0]}/status").read_text()
    kibibytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    assert kibibytes < 90 * 1024


def test_a_start_takes_little_more_than_the_libraries(accounts: Path, tmp_path: Path) -> None:
    """Of both processes, until ready: less than half as much again as a plain import of what they use takes.

    The benchmark measures time by the clock; here, other tests run as well, on any machine.
    """
    used = "aiohttp, cryptography.x509, flask, gunicorn.app.base, prometheus_client, kubernetes.aio.client.rest"
    with running(tmp_path, ["--accounts", str(accounts)]) as it:
        children = Path(f"/proc/{it.pid}/task/{it.pid}/children").read_text().split()
        took = sum(processor_seconds(pid) for pid in (str(it.pid), *children))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", f"import {used}"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert took < 1.5 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def processor_seconds(pid: str) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_every_wrong_setting_is_reported_at_once(tmp_path: Path) -> None:
    """A line each, with where it came from and what was expected; exit code 2, and nothing is started."""
    done = serve(
        *("--listen", "nowhere", "--cloud", "Public", "--tls-key", str(tmp_path), "--accounts", "/does/not/exist"),
        *("--leaf-lifetime", "900d"),
        environment={"M365WI_TENANT_ID": "not a tenant", "M365WI_SCOPE": "pods"},
    )
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert [line for line in lines if not line.startswith("python -m webhook serve: ")] == []
    for part in (
        '--listen is "nowhere", expected ADDRESS:PORT',
        '--cloud is "Public", expected one of public, gcc',
        '--accounts is "/does/not/exist", expected a path that exists',
        'M365WI_TENANT_ID is "not a tenant", expected the tenant\'s GUID or domain',
        'M365WI_SCOPE is "pods", expected one of pod-label, namespace-label, cluster',
        "--tls-key is given without --tls-cert",
        "--leaf-lifetime",
    ):
        assert sum(part in line for line in lines) == 1, part
    assert len(lines) == 7


def test_a_setting_that_cannot_be_read_contradicts_nothing(accounts: Path) -> None:
    """A leaf of 900 days is too long for the default authority, but may fit the one that the user meant."""
    (line,) = serve(
        *("--ca-lifetime", "3y", "--leaf-lifetime", "900d", "--accounts", str(accounts)),
        *("--certificates", "self-managed"),
    ).stderr.splitlines()
    assert '--ca-lifetime is "3y"' in line


def test_a_bad_kubeconfig_is_a_wrong_setting_like_any_other(tmp_path: Path) -> None:
    """Reported with the others before anything is started, from a flag or a variable."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("clusters: []")
    done = serve("--cloud", "nebula", environment={"M365WI_KUBECONFIG": str(kubeconfig)})
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        'python -m webhook serve: --cloud is "nebula", expected one of public, gcc, gcchigh, dod, china, ex, rx '
        "[WI501]",
        f"python -m webhook serve: M365WI_KUBECONFIG: {kubeconfig}: current-context is missing "
        "(kubectl config use-context NAME) [WI532]",
    ]


def test_an_address_of_another_machine_is_reported(accounts: Path) -> None:
    """An unknown host and another machine's address are refused, not tried again and again."""
    done = serve(
        *("--accounts", str(accounts), "--listen", "nosuchhost.invalid:9443", "--ops-listen", "192.0.2.1:8080"),
    )
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert '--listen is "nosuchhost.invalid:9443", expected an address of this machine to listen on (' in first
    assert '--ops-listen is "192.0.2.1:8080", expected an address of this machine to listen on (' in second


@pytest.mark.parametrize(
    ("listen", "ops_listen"), [("127.0.0.1:9000", "127.0.0.1:9000"), ("0.0.0.0:9000", "127.0.0.1:9000")]
)
def test_two_servers_cannot_have_one_port(accounts: Path, listen: str, ops_listen: str) -> None:
    """A server would wait for its own port."""
    done = serve("--accounts", str(accounts), "--listen", listen, "--ops-listen", ops_listen)
    assert done.returncode == 2
    assert "--listen and --ops-listen are one and the same port: 9000 (give each its own) [WI515]" in done.stderr


def test_a_port_in_use_is_not_a_wrong_setting() -> None:
    """The previous process may be about to end, and the server waits for that."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = serve("--accounts", "/does/not/exist", "--listen", address)
    assert "--listen" not in done.stderr


def test_a_misspelt_variable_is_reported() -> None:
    """Otherwise pods would go without the value that it was to give them."""
    done = serve(environment={"M365WI_TENNANT_ID": "contoso.com", "M365WI_LEAF_LIFETIMES": "1d", "M365WI_CLUOD": ""})
    assert done.returncode == 2
    assert "unknown setting M365WI_TENNANT_ID, did you mean M365WI_TENANT_ID?" in done.stderr
    assert "unknown setting M365WI_LEAF_LIFETIMES, did you mean M365WI_LEAF_LIFETIME?" in done.stderr
    assert "M365WI_CLUOD" not in done.stderr, "it is empty"


def test_a_setting_without_effect_is_reported(accounts: Path) -> None:
    """A certificate for development is not rotated; but it can have more names."""
    done = serve(
        *("--accounts", str(accounts), "--certificates", "development", "--ca-lifetime", "700d"),
        *("--extra-names", "localhost"),
        environment={"M365WI_SETTLE": "5s"},
    )
    assert done.returncode == 2
    fix = (
        "has no effect, because certificates are development (leave it out, or set --certificates self-managed) [WI505]"
    )
    assert done.stderr.splitlines() == [
        f"python -m webhook serve: {name} {fix}" for name in ("--ca-lifetime", "M365WI_SETTLE")
    ]


def test_names_have_no_effect_on_a_certificate_from_files(accounts: Path) -> None:
    """It has those that it was made with."""
    done = serve("--accounts", str(accounts), "--tls-cert", str(accounts), "--extra-names", "localhost")
    assert done.returncode == 2
    assert "--extra-names has no effect, because certificates are files" in done.stderr


def test_a_flag_wins_over_the_environment(accounts: Path, tmp_path: Path) -> None:
    """A wrong variable does not matter if the flag is given."""
    done = serve("--cloud", "nebula", environment={"M365WI_CLOUD": "public"})
    assert '--cloud is "nebula"' in done.stderr
    assert "M365WI_CLOUD" not in done.stderr


def test_without_a_cluster_and_without_files_it_says_what_to_give() -> None:
    """Outside a pod there is no source of ServiceAccounts; the other mistakes are reported as well."""
    done = serve("--cloud", "nebula")
    assert done.returncode == 2
    assert "--cloud" in done.stderr
    assert "--accounts PATH or --kubeconfig PATH" in done.stderr


def test_files_without_service_accounts_are_refused_all_at_once(tmp_path: Path) -> None:
    """Each file with its mistake, in addition to those of other settings."""
    (tmp_path / "one.yaml").write_text("kind: [")
    (tmp_path / "two.yaml").write_text(ACCOUNTS.replace("11111111-2222-3333-4444-555555555555", "42"))
    done = serve("--accounts", str(tmp_path), "--cloud", "nebula")
    assert done.returncode == 2
    assert '--cloud is "nebula"' in done.stderr
    assert f"--accounts: {tmp_path / 'one.yaml'}:2:1: the text is not YAML" in done.stderr
    assert (
        f"--accounts: {tmp_path / 'two.yaml'}:8:40: annotation azure.workload.identity/client-id is the number 42, "
        'expected text (put it in quotes: "42") [WI423]' in done.stderr
    )


def test_without_a_certificate_it_makes_one_for_development(accounts: Path) -> None:
    """The authority to trust is in the log."""
    command = [sys.executable, "-m", "webhook", "serve", "--accounts", str(accounts)]
    command += ["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        authority = ""
        for line in process.stderr:
            entry = json.loads(line)
            authority = entry.get("authority", authority)
            if entry["message"] == "ready":
                break
        port, ops_port = (int(entry[each].rpartition(":")[2]) for each in ("listen", "ops_listen"))
        process_running = Running(port, ops_port, authority, Path(), process)  # type: ignore[arg-type]
        status, _ = process_running.post(encoded())
        process.terminate()
        process.stderr.read()
    assert status == 200
    assert process.returncode == 0


def serve(*arguments: str, environment: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """The command, run until it ends."""
    return subprocess.run(
        [sys.executable, "-m", "webhook", "serve", *arguments],
        env=environment or {},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def get(webhook: Running, path: str) -> tuple[int, str]:
    """A page of the operations port."""
    connection = http.client.HTTPConnection("127.0.0.1", webhook.ops_port, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_the_parent_process_holds_no_more_than_it_needs() -> None:
    """It only watches the worker, which imports the rest itself. What both have, memory has nearly twice."""
    loaded = loaded_by("import webhook.commands.serve, webhook.server.gunicorn_overrides")
    assert "gunicorn.arbiter" in loaded
    heavy = {"flask", "kubernetes", "aiohttp", "cryptography", "prometheus_client", "asyncio", "uvloop", "yaml"}
    assert not (heavy | {"webhook.assembly", "webhook.documents.files"}) & loaded


def test_the_worker_holds_no_more_than_a_pod_needs() -> None:
    """Each of these would take 1 to 10 MB for as long as the pod lives."""
    loaded = loaded_by("import webhook.commands.serve, webhook.server.gunicorn_overrides, webhook.assembly")
    assert {"kubernetes.aio.client.rest", "kubernetes.aio.config.incluster_config"} <= loaded
    synchronous = {"kubernetes.client", "requests", "requests_oauthlib", "websocket", "urllib3"}
    typed = {"pydantic", "pydantic_core", "dateutil", "kubernetes.aio.client.api_client", "kubernetes.aio.dynamic"}
    kubeconfigs = {"kubernetes.aio.config.kube_config", "yaml", "webhook.documents.files", "webhook.accounts.files"}
    unused_parts = {"gunicorn.asgi.protocol", "gunicorn.workers.gasgi", "frozenlist._frozenlist", "jsonpatch", "azure"}
    assert not (synchronous | typed | kubeconfigs | unused_parts) & loaded


ASSEMBLE = """
import argparse
from webhook.assembly import assemble
from webhook.logs import configure
from webhook.settings import add_flags, read_settings

parser = argparse.ArgumentParser()
add_flags(parser)
flags = parser.parse_args(["--tracing={}", "--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0"])
assemble(read_settings(flags, {{"KUBERNETES_SERVICE_HOST": "10.0.0.1"}}), configure())
"""


def test_traces_cost_nothing_unless_they_are_switched_on() -> None:
    """OpenTelemetry and what it needs are not loaded, so they take neither memory nor time."""
    heavy = {"opentelemetry", "google", "requests", "urllib3", "webhook.server.tracing", "webhook.settings.tracing"}
    assert not heavy & loaded_by(ASSEMBLE.format("false").strip())
    assert heavy <= loaded_by(ASSEMBLE.format("true").strip())


def test_without_the_library_of_traces_it_says_what_to_install(accounts: Path) -> None:
    """The server does without it, as long as traces are off."""
    script = "import sys; sys.modules['opentelemetry.exporter'] = None; from webhook.commands import main; main({})"
    flags = ["serve", "--accounts", str(accounts), "--tracing", "true"]
    command = [sys.executable, "-c", script.format(flags)]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=100)
    assert done.stderr.splitlines() == [
        "python -m webhook serve: `serve --tracing true` needs Python libraries that are not installed: "
        'opentelemetry.exporter.otlp.proto.http (pipx install --force "m365wi[serve,tracing]"; '
        'in a checkout: pipx install --force "./cli[serve,tracing]") [WI544]'
    ]


def test_imports_leave_the_environment_as_it_was() -> None:
    """The settings under which aiohttp is imported are for that alone: proxies and plugins see this environment."""
    script = "import os; before = dict(os.environ); import webhook.cluster.kube; assert dict(os.environ) == before"
    for variable in ({}, {"SSL_CERT_FILE": "/mine.pem"}):
        done = subprocess.run([sys.executable, "-c", script], env=os.environ | variable, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def loaded_by(statement: str) -> set[str]:
    """The modules that a new interpreter has after `statement`."""
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
