"""A client as kube-apiserver and the kubelet are, in a process of its own, so that an attack does not slow it down.

Run as `python -m tests.attacks.normal_client PORT OPS_PORT CA WORKER`. It posts reviews, in turns on a connection that
it keeps and on a new one, and probes the operations port, until its stdin ends, and once more. Then it writes a line of
JSON.

WORKER is a process id: `tests.server.fair` says how long a request takes on a machine that does much else.
"""

from __future__ import annotations

import base64
import json
import select
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.core.support import body, pod
from tests.server.client import Client
from tests.server.fair import Fair

PAUSE_SECONDS = 0.004


class NormalClient:
    """It trusts `ca`, a file, and has the connections of one replica of kube-apiserver."""

    def __init__(self, port: int, ops_port: int, ca: str, worker: int) -> None:
        self._port, self._ops_port = port, ops_port
        self._context = ssl.create_default_context(cafile=ca)
        self._context.check_hostname = False
        self._worker = worker
        self._kept: Client | None = None
        self._body = body(pod())
        self.samples: list[tuple[str, float, float]] = []
        self.failures: list[tuple[str, float, str]] = []

    def go_on(self) -> None:
        """One review on the kept connection, one on a new one, one probe."""
        self._sample("kept", self._on_the_kept_connection)
        self._sample("new", self._on_a_new_connection)
        self._sample("probe", self._probe)

    def end(self) -> None:
        """End the kept connection."""
        if self._kept is not None:
            self._kept.socket.close()

    def _sample(self, kind: str, work: Callable[[], None]) -> None:
        start = time.monotonic()
        try:
            with Fair(self._worker) as took:
                work()
        except (OSError, ValueError) as error:
            self.failures.append((kind, start, f"{error!r}, {time.monotonic() - start:.3f} s after its start"))
        else:
            self.samples.append((kind, start, took.seconds))

    def _on_the_kept_connection(self) -> None:
        if self._kept is None:
            self._kept = Client(self._port, self._context)
        try:
            self._review(self._kept)
        except (OSError, ValueError):
            self._kept.socket.close()
            self._kept = None
            raise

    def _on_a_new_connection(self) -> None:
        with Client(self._port, self._context) as client:
            self._review(client)

    def _review(self, client: Client) -> None:
        response = client.ask(self._body)
        if response.status != 200:
            raise ValueError(f"{response.status} {response.body!r}")
        answer: dict[str, Any] = response.json()["response"]
        if b"azure-identity-token" not in base64.b64decode(answer.get("patch", "")):
            raise ValueError(f"the pod was not injected: {answer}")

    def _probe(self) -> None:
        with Client(self._ops_port, None) as client:
            response = client.get("/readyz", connection="close")
        if response.status != 200:
            raise ValueError(f"{response.status} {response.body!r}")


def main() -> None:
    """Ask until stdin ends."""
    port, ops_port, ca, worker = sys.argv[1:]
    client = NormalClient(int(port), int(ops_port), ca, int(worker))
    client.go_on()
    sys.stdout.write("asking\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
        client.go_on()
    client.go_on()  # so that each kind has a sample, however short the attack was
    client.end()
    sys.stdout.write(json.dumps({"samples": client.samples, "failures": client.failures}))


if __name__ == "__main__":
    main()
