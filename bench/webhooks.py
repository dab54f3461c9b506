"""The two webhooks as processes: the reference and ours, started alike, with one certificate and one ServiceAccount."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import pods
from bench.generator import BenchError
from bench.machine import Usage, on_core, usage_of
from bench.programs import REFERENCE, binary
from testbed.cluster.pki import Authority, trusting
from testbed.cluster.processes import Process, Workshop, free_ports

__all__ = ["Files", "Webhook", "ours", "reference", "started", "write_files"]

ROOT = Path(__file__).parent.parent
PATH = "/mutate-v1-pod"
READY_SECONDS = 30.0
POLL_SECONDS = 0.001


@dataclass(frozen=True)
class Files:
    """What both get. `authority` signed the certificate; `accounts` has the ServiceAccount as YAML."""

    authority: bytes
    certificate: Path
    key: Path
    accounts: Path
    review: Path


@dataclass(frozen=True)
class Webhook:
    """A webhook that is ready. probes: the port of probes. start_seconds: from its exec to the first 200 of /readyz."""

    process: Process
    port: int
    probes: int
    start_seconds: float

    @property
    def url(self) -> str:
        """The URL for reviews, as kube-apiserver calls it."""
        return f"https://127.0.0.1:{self.port}{PATH}"

    @property
    def usage(self) -> Usage:
        """What it has used until now, with its children: it leads its own session."""
        return usage_of(self.process.popen.pid)

    def check(self, files: Files) -> int:
        """Raises WrongAnswer unless it mutates the pod correctly; returns the length of its answer."""
        context = trusting(files.authority)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        body = files.review.read_bytes()
        with contextlib.closing(connection):
            connection.request("POST", f"{PATH}?timeout=5s", body, {"Content-Type": "application/json"})
            answer = connection.getresponse().read()
        pods.check_answer(body, answer)
        return len(answer)

    def forget_log(self) -> None:
        """Empties its log, which has a line for each review."""
        os.truncate(self.process.log, 0)


def write_files(directory: Path, authority: Authority | None = None) -> Files:
    """Everything that webhooks are given, with a certificate for 127.0.0.1."""
    authority = authority or Authority()
    pair = authority.server(["127.0.0.1"], ["localhost"])
    files = Files(
        authority=authority.certificate,
        certificate=directory / "webhook.crt",
        key=directory / "webhook.key",
        accounts=directory / "accounts.yaml",
        review=directory / "review.json",
    )
    files.certificate.write_bytes(pair.certificate)
    files.key.write_bytes(pair.key)
    files.accounts.write_text(json.dumps(pods.service_account()), encoding="utf-8")  # JSON is YAML
    files.review.write_bytes(pods.review())
    return files


def reference(workshop: Workshop, files: Files, *, core: int | None = None) -> Webhook:
    """Starts the reference, on one core when that is given."""
    port, probes = free_ports(2)
    account = f"{pods.NAMESPACE}/{pods.ACCOUNT}={pods.CLIENT_ID}"
    command: list[str | Path] = [binary(REFERENCE)]
    command += ["-listen", f"127.0.0.1:{port}", "-ops-listen", f"127.0.0.1:{probes}"]
    command += ["-tls-cert", files.certificate, "-tls-key", files.key]
    command += ["-account", account, "-tenant-id", pods.TENANT_ID]
    return started(workshop, "reference", command, core, (port, probes))


def ours(
    workshop: Workshop,
    files: Files,
    *,
    python: str = sys.executable,
    core: int | None = None,
    kubeconfig: Path | None = None,
    root: Path = ROOT,
    arguments: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Webhook:
    """Starts ours, with the ServiceAccount from a file, or from the cluster of `kubeconfig` as in production.

    arguments, variables: more of them. root: the checkout that it runs from. python: with the packages of this
    interpreter, or with its own if it has them.
    """
    port, probes = free_ports(2)
    path = str(root) if root != ROOT else os.pathsep.join([str(root), sysconfig.get_path("platlib")])
    command: list[str | Path] = [
        "env",
        f"PYTHONPATH={path}",
        *(f"{name}={value}" for name, value in (variables or {}).items()),
    ]
    command += [python, "-m", "webhook", "serve"]
    command += ["--listen", f"127.0.0.1:{port}", "--ops-listen", f"127.0.0.1:{probes}"]
    command += ["--tls-cert", files.certificate, "--tls-key", files.key]
    command += ["--kubeconfig", kubeconfig] if kubeconfig else ["--accounts", files.accounts]
    command += arguments
    return started(workshop, "ours", command, core, (port, probes))


def started(
    workshop: Workshop, name: str, command: list[str | Path], core: int | None, ports: tuple[int, int]
) -> Webhook:
    """Starts a webhook that listens on `ports`, for reviews and for probes, and waits until it is ready."""
    port, probes = ports
    began = time.perf_counter()
    if core is None:
        process = workshop.start(name, command)
    else:
        with on_core(core):  # the webhook alone, not what waits for it here
            process = workshop.start(name, ["env", "GOMAXPROCS=1", *command])
    while said := _unready(probes):
        if process.popen.poll() is not None or time.perf_counter() - began > READY_SECONDS:
            raise BenchError(f"{name} is not ready: {said}; its log ends with\n{process.tail()}")
        time.sleep(POLL_SECONDS)
    return Webhook(process, port, probes, round(time.perf_counter() - began, 4))


def _unready(port: int) -> str:
    """What /readyz says, "" when that is yes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        with contextlib.closing(connection):
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return "" if answer.status == 200 else f"HTTP {answer.status}: {answer.read().decode(errors='replace')}"
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
