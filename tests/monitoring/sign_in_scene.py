"""Real programs that sign in at the emulator of Entra, each in a tenant of its own, and a Prometheus that watches them.

    namespace   programs
    canary      `m365-identity canary`, a round a second
    shop        two more of them, and `m365-identity serve`, of which a client has a token
    mail        one more

The tenant decides what goes wrong, so each namespace has a trouble of its own.
"""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from testbed.cluster.processes import Workshop
from testbed.entra import Entra, running
from testbed.prometheus.running import Prometheus
from tests.helper_commands.processes import SUBJECT, Commands, Pod
from tests.monitoring.rules import in_seconds

__all__ = ["NAMESPACES", "Scene", "programs", "scene"]

NAMESPACES = ("canary", "shop", "mail")
HEADER = "0a1b2c3d-4e5f-4a6b-8c7d-8e9f0a1b2c3d"
# What goes wrong for the programs of a namespace.
FAULTS: dict[str, dict[str, Any]] = {
    "canary": {"code": 700016},
    "shop": {"cut": "answer"},
    "mail": {"status": 429, "retry_after": 1},
}


@dataclass
class Scene:
    """pods: one for each namespace."""

    entra: Entra
    prometheus: Prometheus
    pods: Mapping[str, Pod]

    def scrape(self, ports: dict[str, list[int]]) -> None:
        """Prometheus scrapes these, by namespace, from now on."""
        jobs = {f"{namespace}/sign-in": found for namespace, found in ports.items()}
        self.prometheus.scrape(jobs, namespaces={job: job.partition("/")[0] for job in jobs})

    def trouble(self, *namespaces: str) -> None:
        """From now on, sign-ins of these namespaces fail, each in its way."""
        for namespace in namespaces:
            tenant = self.pods[namespace].application.tenant_id
            self.entra.next(at=f"/{tenant}/oauth2/v2.0/token", times=None, **FAULTS[namespace])

    def doctor(self, namespace: str) -> str:
        """What `m365-identity doctor` says in a pod there, which is in trouble."""
        with Commands(self.pods[namespace]) as commands:
            done = commands.run("doctor")
        assert done.code == 1, done.out
        return done.out

    def let_a_token_age(self, namespace: str) -> None:
        """The kubelet has not renewed the token of a pod: three minutes of its hour are left."""
        issued = time.time() - 57 * 60
        token = self.entra.issuer.token(subject=SUBJECT, iat=int(issued), nbf=int(issued), exp=int(issued + 3600))
        self.pods[namespace].token_file.write_text(token)


@contextmanager
def scene() -> Iterator[Scene]:
    """Nothing runs and nothing is scraped yet."""
    with ExitStack() as stack:
        workshop = Workshop("m365wi-sign-in-")
        stack.callback(workshop.close)
        entra = stack.enter_context(running())
        pods: dict[str, Pod] = {}
        for number, namespace in enumerate(NAMESPACES, 1):
            folder = workshop.directory / namespace
            folder.mkdir()
            pods[namespace] = Pod(entra, folder, tenant_id=f"{number}0000000-0000-4000-8000-000000000000")
            pods[namespace].federate()
        yield Scene(entra, Prometheus(workshop, in_seconds(sign_in=True)), pods)


@contextmanager
def programs(scene: Scene) -> Iterator[None]:
    """All of them run, and Prometheus scrapes them."""
    with ExitStack() as stack:
        commands = {name: stack.enter_context(Commands(pod)) for name, pod in scene.pods.items()}
        ports: dict[str, list[int]] = {}
        for namespace in ("canary", "shop", "shop", "mail"):
            process = commands[namespace].start("canary", "--every", "1s", "--metrics-port", "0")
            ports.setdefault(namespace, []).append(int(process.line_with("metrics at port").rpartition(" ")[2]))
        ports["shop"].append(_sidecar(commands["shop"]))
        scene.scrape(ports)
        yield


def _sidecar(commands: Commands) -> int:
    """The port with the metrics of a token endpoint that has given a token."""
    commands.environ["IDENTITY_HEADER"] = HEADER
    process = commands.start("serve", "--endpoint", "http://127.0.0.1:0/token", "--metrics-port", "0")
    endpoint = process.line_with("tokens of application").rpartition(" at ")[2]
    found = re.search(r"metrics at port (\d+)", process.line_with("metrics at port"))
    assert found
    query = "api-version=2019-08-01&resource=https://graph.microsoft.com"
    request = urllib.request.Request(f"{endpoint}?{query}", headers={"X-IDENTITY-HEADER": HEADER})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["access_token"]
    return int(found[1])
