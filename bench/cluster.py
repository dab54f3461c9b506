"""Pods a second through a real kube-apiserver: `POST pods?dryRun=All` without a webhook, with the reference, with ours.

Everything shares all cores: etcd, kube-apiserver, both webhooks and the load generator. Ours reads the ServiceAccount
from the cluster, as in production. Both webhooks are registered all the time; a label of the pod says which is called.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from bench import pods
from bench.endpoint import Measured, Plan, Say, measured, memory_rows
from bench.generator import Point, Target, post
from bench.report import GOALS, Row
from bench.webhooks import Files, Webhook, ours, reference, write_files
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.pki import KeyPair
from testbed.cluster.processes import Workshop
from testbed.cluster.registration import CONFIGURATIONS, configuration, settle

__all__ = ["measure"]

CONNECTIONS = 8
IN_CLUSTER = "kube-apiserver"
LABEL = "bench/webhook"
NAMES = ("none", "reference", "ours")
NAMESPACE = f"/api/v1/namespaces/{pods.NAMESPACE}"
NO_AUDIT = ("--audit-log-path=",)
"""Flags that switch off the audit log: the test cluster has it for tests, and its size would differ by webhook."""

Rates = dict[str, list[Point]]


def measure(plan: Plan, say: Say) -> Measured:
    """Measures pods a second. Raises BenchError, WrongAnswer, ClusterError or BuildError."""
    say("starting a control plane")
    workshop = Workshop("m365wi-bench-")
    try:
        with ControlPlane(apiserver_flags=NO_AUDIT) as cluster:
            cluster.create_namespace(pods.NAMESPACE)
            cluster.api.post(f"{NAMESPACE}/serviceaccounts", pods.service_account()).expect()
            files = write_files(workshop.directory, cluster.authority)
            webhooks = {
                "reference": reference(workshop, files),
                "ours": ours(workshop, files, python=plan.python, kubeconfig=cluster.kubeconfig),
            }
            _register(cluster, webhooks, files)
            pair = _written(workshop.directory, cluster.authority.client("bench", ["system:masters"]))
            points = _points(plan, _targets(cluster, workshop.directory, pair), say, webhooks)
            memory = memory_rows(webhooks)
    finally:
        workshop.close()
    rates = {name: tuple(point.requests_per_second for point in seen) for name, seen in points.items()}
    latencies = {name: tuple(point.p99 for point in seen) for name, seen in points.items()}
    used = {name: tuple(point.processor for point in seen) for name, seen in points.items()}
    rows = (
        Row(f"pods a second, {IN_CLUSTER}", "1/s", rates["reference"], rates["ours"], GOALS["pods"], rates["none"]),
        Row(f"latency p99, {IN_CLUSTER}", "ms", latencies["reference"], latencies["ours"], None, latencies["none"]),
        Row(f"processor time a pod, {IN_CLUSTER}", "µs", used["reference"], used["ours"]),
        *(replace(row, what=f"{row.what}, {IN_CLUSTER}") for row in memory),
    )
    return Measured(rows, tuple(point for seen in points.values() for point in seen))


def _register(cluster: ControlPlane, webhooks: dict[str, Webhook], files: Files) -> None:
    """Registers each webhook for the pods with its name in LABEL, and returns as soon as kube-apiserver calls it."""
    for name, webhook in webhooks.items():
        registration = configuration(webhook.url, files.authority, name=f"bench-{name}")
        registration["webhooks"][0]["objectSelector"] = {"matchLabels": {LABEL: name}}
        cluster.api.post(CONFIGURATIONS, registration).expect()
    settle(cluster.api)


def _targets(cluster: ControlPlane, directory: Path, pair: tuple[Path, Path]) -> dict[str, Target]:
    """What to post for each name. Each was tried: the pod has an identity with a webhook, and none without."""
    targets = {}
    for name in NAMES:
        pod = pods.pod({LABEL: name})
        admitted = cluster.api.post(f"{NAMESPACE}/pods", pod, params={"dryRun": "All"}).expect(201).json
        if name != "none":
            pods.check_pod(admitted)
        elif len(admitted["spec"]["volumes"]) != 1:
            raise pods.WrongAnswer("a pod was mutated that no webhook was to see")
        body = directory / f"pod-{name}.json"
        body.write_text(json.dumps(pod, separators=(",", ":")), encoding="utf-8")
        targets[name] = Target(f"{cluster.server}{NAMESPACE}/pods?dryRun=All", body, pair)
    return targets


def _points(plan: Plan, targets: dict[str, Target], say: Say, webhooks: dict[str, Webhook]) -> Rates:
    points: Rates = {name: [] for name in NAMES}
    for name in NAMES:
        say(f"warming up kube-apiserver: {name}")
        post(targets[name], connections=CONNECTIONS, seconds=plan.seconds)
    for turn in range(plan.rounds):
        for name in NAMES if turn % 2 == 0 else reversed(NAMES):
            webhook = webhooks.get(name)
            point = measured(webhook, targets[name], connections=CONNECTIONS, seconds=plan.seconds)
            points[name].append(point)
            say(f"round {turn + 1} of {plan.rounds}, pods, {name}: {point}")
    return points


def _written(directory: Path, pair: KeyPair) -> tuple[Path, Path]:
    paths = directory / "client.crt", directory / "client.key"
    for path, content in zip(paths, (pair.certificate, pair.key), strict=True):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(content)
    return paths
