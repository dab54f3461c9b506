"""Traffic for a fleet: pods created one after another, connections that stay open, and fresh connections."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from testbed.cluster.pods import is_injected
from testbed.fleet.fleet import Fleet, connect, review
from testbed.fleet.installation import Installation
from testbed.fleet.watching import Watch, bundles

__all__ = ["Creating", "KeptOpen", "Repeated", "Verifying"]


class Repeated:
    """A context manager: calls `once` again and again in a thread. `failures` has what it returned or raised."""

    def __init__(self, once: Callable[[], str | None], *, pause: float) -> None:
        self.done = 0
        self.failures: list[str] = []
        self._once, self._pause = once, pause
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                failure = self._once()
            except (OSError, http.client.HTTPException) as error:
                failure = f"{type(error).__name__}: {error}"
            self.done += 1
            if failure:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {failure}")
            self._closing.wait(self._pause)


class Creating(Repeated):
    """Creates pods by dry run, which admission treats like any other. Each must come back injected."""

    def __init__(self, installation: Installation, *, pause: float = 0.02) -> None:
        super().__init__(self._create, pause=pause)
        self._installation = installation

    def _create(self) -> str | None:
        answer = self._installation.create_pod(dry_run=True)
        if answer.status != 201:
            return f"HTTP {answer.status}: {answer.message}"
        return None if is_injected(answer.json) else "the pod was not injected"


@dataclass
class Verifying:
    """Connects afresh to every ready replica with every published bundle. `once` is for Repeated."""

    fleet: Fleet
    watch: Watch
    handshakes: int = 0
    leaves: set[bytes] = field(default_factory=set)

    def once(self) -> str | None:
        """One round; the first connection that failed, or None."""
        for bundle in set(bundles(self.watch.now).values()) - {b""}:
            for replica in self.fleet.alive:
                if replica.port not in self.fleet.balancer.targets:
                    continue
                try:
                    with replica.connect(bundle) as connection:
                        self.leaves.add(connection.getpeercert(binary_form=True) or b"")
                    self.handshakes += 1
                except ssl.SSLCertVerificationError as error:
                    return f"{replica.process.name}: {error.verify_message}"
                except OSError:
                    if replica.alive and replica.is_ready():
                        raise
        return None


class KeptOpen:
    """A connection through the balancer that is never closed; `once` posts a review on it and is for Repeated."""

    def __init__(self, fleet: Fleet, bundle: bytes) -> None:
        installation = fleet.installation
        self._body = review(installation.pods)
        self._connection = http.client.HTTPSConnection("127.0.0.1", fleet.balancer.port)
        self._connection.sock = connect(fleet.balancer.port, bundle, installation.server_name)
        self._connection.auto_open = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def once(self) -> str | None:
        """One review; what was wrong with its answer, or None."""
        self._connection.request("POST", "/mutate?timeout=5s", self._body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200 or not json.loads(content)["response"].get("patch"):
            return f"HTTP {answer.status}: {content[:200]!r}"
        return None
