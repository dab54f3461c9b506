"""What certificates cost: a handshake, and what a rotation adds to the requests of that time. Ratios, for any machine.

    python -m testbed.fleet.measure [--seconds 8]

| line | means |
|---|---|
| handshakes/s | full TLS 1.3 handshakes that one core of the webhook's worker does, by its own CPU time |
| bare OpenSSL | its CPU time for a handshake, divided by that of a server in memory with the same kind of key |
| p99 | of reviews on open connections while leaves are replaced as often as possible, divided by the p99 before |
"""

from __future__ import annotations

import argparse
import os
import ssl
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs.authority import make_authority, make_leaf
from certs.managed import secret, secret_changes
from testbed.cluster.control_plane import ControlPlane
from testbed.fleet.fleet import Fleet, Replica, fleet
from testbed.fleet.installation import OURS, seconds
from testbed.fleet.traffic import KeptOpen

CONNECTIONS = 4
TICKS = os.sysconf("SC_CLK_TCK")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m testbed.fleet.measure")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each measurement takes")
    options = parser.parse_args(arguments)
    with ControlPlane() as cluster, fleet(cluster) as made:
        made.installation.grant_all()
        made.installation.register()
        replica = made.start(*seconds(interval=0.2, settle=1))
        made.await_ready()
        bundle = made.installation.bundles()[OURS[0]]
        cost, bare = handshake_seconds(replica, bundle, options.seconds), bare_seconds(options.seconds / 4)
        say(f"handshakes/s of one core: {1 / cost:.0f}; {cost / bare:.2f} times a bare OpenSSL server's CPU time")
        before = latencies(made, bundle, options.seconds)
        signed, during = rotating(made, lambda: latencies(made, bundle, options.seconds))
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            old, new = percentile(before, share), percentile(during, share)
            say(f"{name} of {len(before)} and {len(during)} reviews, {signed} leaves replaced: {new / old:.2f}")
    return 0


def handshake_seconds(replica: Replica, bundle: bytes, limit: float) -> float:
    """CPU seconds of the worker for one handshake."""
    worker = worker_of(replica)
    replica.connect(bundle).close()
    used, done, end = cpu_seconds(worker), 0, time.monotonic() + limit
    while time.monotonic() < end:
        replica.connect(bundle).close()
        done += 1
    return (cpu_seconds(worker) - used) / done


def bare_seconds(limit: float) -> float:
    """CPU seconds of the server's side of a handshake in memory."""
    now = datetime.now(UTC)
    authority = make_authority(now=now, lifetime=timedelta(days=1), names=["localhost"])
    pair = make_leaf(authority, names=["localhost"], now=now, lifetime=timedelta(hours=1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    with tempfile.NamedTemporaryFile() as both:
        both.write(pair.private_pem())
        both.flush()
        context.load_cert_chain(both.name)
    trusting = ssl.create_default_context(cadata=authority.pem)
    spent, done, end = 0.0, 0, time.monotonic() + limit
    while time.monotonic() < end:
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting.wrap_bio(back, there, server_hostname="localhost")
        step(client)
        started = time.thread_time()
        server = context.wrap_bio(there, back, server_side=True)
        step(server)
        spent += time.thread_time() - started
        step(client)
        started = time.thread_time()
        step(server)
        spent += time.thread_time() - started
        done += 1
    return spent / done


def step(side: ssl.SSLObject) -> None:
    """Goes on with the handshake as far as possible."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return


def latencies(made: Fleet, bundle: bytes, limit: float) -> list[float]:
    """Seconds of each review on CONNECTIONS open connections, which take turns."""
    taken: list[float] = []
    with ExitStack() as stack:
        connections = [stack.enter_context(KeptOpen(made, bundle)) for _ in range(CONNECTIONS)]
        end = time.monotonic() + limit
        while time.monotonic() < end:
            for each in connections:
                started = time.perf_counter()
                failure = each.once()
                taken.append(time.perf_counter() - started)
                assert failure is None, failure
    return taken


def rotating(made: Fleet, measured: Callable[[], list[float]]) -> tuple[int, list[float]]:
    """The number of leaves signed, and the result of `measured`, while every round must sign another leaf."""
    replica, over = made.replicas[0], threading.Event()
    before = leaves(replica)

    def ask() -> None:
        api, path = made.installation.cluster.api, made.installation.secret_path
        while not over.wait(0.2):
            document = api.get(path).expect().json
            stored = secret.StoredSecret(
                data=made.installation.secret(), version=document["metadata"]["resourceVersion"]
            )
            state = secret.read(stored, name=made.installation.server_name)
            text = secret_changes.ask_for_renewal(stored, state, now=datetime.now(UTC))["state.json"].decode()
            api.patch(path, {"stringData": {"state.json": text}}).expect()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        taken = measured()
    finally:
        over.set()
        thread.join()
    return leaves(replica) - before, taken


def leaves(replica: Replica) -> int:
    """How many leaves the replica has served, by its log."""
    return sum(message.startswith("serving a leaf") for message in replica.messages("info"))


def worker_of(replica: Replica) -> int:
    """The process id of gunicorn's worker."""
    parent = replica.process.popen.pid
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie."""
    return statistics.quantiles(values, n=1000)[round(share * 1000) - 1]


def say(line: str) -> None:
    """Prints a line."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
