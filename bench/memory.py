"""What the webhook holds in memory, and what holds it: `python -m bench.memory`.

One replica as in a pod, in front of a real kube-apiserver, after its start, with 10,000 ServiceAccounts remembered and
after load on 64 connections; then what each import of the worker takes.

    each page once   anonymous memory of all processes, and the files of the largest: about what a container is charged
    PSS              the same, but pages of files that other programs of this machine use too are shared with these
    RSS              pages that parent and worker share are counted twice
"""

from __future__ import annotations

import argparse
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.accounts import create, create_namespaces, review_of, service_account
from bench.generator import BenchError
from bench.installed import Installed, installed
from bench.machine import kibibytes, processes_of
from bench.posts import post_all
from bench.webhooks import ROOT, Webhook
from testbed.cluster.processes import ClusterError
from testbed.cluster.toolchain import BuildError

__all__ = ["State", "main", "state"]

NAMESPACES, EACH = 100, 100
LOAD, LOAD_CONNECTIONS, FEW = 10_000, 64, 8
# In this order, so that each line has what the ones before have not loaded.
IMPORTS = (
    ("gunicorn", "gunicorn.arbiter, gunicorn.app.base, gunicorn.glogging, gunicorn.workers.base"),
    ("settings", "webhook.commands.serve, webhook.server.gunicorn_overrides"),
    ("asyncio, uvloop, httptools", "asyncio, uvloop, httptools"),
    ("cryptography", "cryptography.x509, cryptography.hazmat.primitives.serialization"),
    ("aiohttp, kubernetes", "webhook.cluster.kube"),
    ("flask", "flask"),
    ("prometheus_client", "prometheus_client"),
    ("the rest of our code", "webhook.assembly, webhook.server.worker_life"),
)
MEASURED = """
import importlib, json, re, sys
def held():
    text = open("/proc/self/smaps_rollup").read()
    return [int(re.search(rf"^{name}:\\s+(\\d+)", text, re.M)[1]) for name in ("Rss", "Anonymous")]
found = [("Python", 0, 0, len(sys.modules))]
before = held()
found[0] = ("Python", *before, len(sys.modules))
for name, modules in json.loads(sys.argv[1]):
    for module in modules.split(", "):
        importlib.import_module(module)
    after = held()
    found.append((name, after[0] - before[0], after[1] - before[1], len(sys.modules)))
    before = after
print(json.dumps(found))
"""


@dataclass(frozen=True)
class State:
    """Memory at one moment, in MiB. pss, rss: of the parent and of the worker."""

    what: str
    resident: float
    pss: tuple[float, ...]
    rss: tuple[float, ...]

    def __str__(self) -> str:
        each = " | ".join(f"{rss:.1f}" for rss in self.rss)
        return f"| {self.what} | {self.resident:.1f} | {sum(self.pss):.1f} | {sum(self.rss):.1f} | {each} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    summary, _, rest = (__doc__ or "").partition("\n")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m bench.memory", description=summary, epilog=rest, formatter_class=raw
    )
    parser.add_argument("--python", metavar="PATH", default=sys.executable, help="the interpreter of the webhook")
    options = parser.parse_args(arguments)
    try:
        with installed(python=options.python) as place:
            print("| MiB | each page once | PSS | RSS | RSS, parent | RSS, worker |\n|---|---:|---:|---:|---:|---:|")
            for each in states(place):
                print(each, flush=True)
            print("\n| import | RSS, MiB | of it anonymous | modules |\n|---|---:|---:|---:|")
            print("\n".join(imports(options.python)))
    except (BenchError, BuildError, ClusterError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def states(place: Installed) -> Iterator[State]:
    """After the start, with few ServiceAccounts under load, and with many. Raises BenchError."""
    names = [f"n{number}" for number in range(NAMESPACES)]
    create_namespaces(place.installation.cluster, names)
    create(place.installation.cluster, names, [service_account(f"a{number}") for number in range(EACH)])
    place.workshop.kill(place.start().process)  # the first start writes bytecode, and compiling takes memory
    webhook = place.start()
    yield state(webhook, "ready")
    few = [review_of(names[0], f"a{number}") for number in range(EACH)]
    _post(webhook, (few[number % EACH] for number in range(LOAD)), FEW)
    yield state(webhook, f"{LOAD:,} reviews on {FEW} connections")
    _post(webhook, (few[number % EACH] for number in range(LOAD)), LOAD_CONNECTIONS)
    yield state(webhook, f"and as many on {LOAD_CONNECTIONS} connections")
    _post(webhook, (review_of(name, f"a{number}") for name in names for number in range(EACH)), FEW)
    yield state(webhook, f"and {NAMESPACES * EACH:,} ServiceAccounts remembered")


def state(webhook: Webhook, what: str) -> State:
    """The memory of a webhook now."""
    processes = processes_of(webhook.process.popen.pid)
    maps = [(process / "smaps_rollup").read_text(encoding="utf-8") for process in processes]
    pss, rss = (tuple(kibibytes(text, name) / 1024 for text in maps) for name in ("Pss", "Rss"))
    return State(what, webhook.usage.resident, pss, rss)


def imports(python: str) -> Iterator[str]:
    """A line for each of IMPORTS: what it takes in addition to those before."""
    command = [python, "-c", MEASURED, json.dumps(IMPORTS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    total = [0, 0]
    for name, rss, anonymous, modules in json.loads(done.stdout):
        total = [total[0] + rss, total[1] + anonymous]
        yield f"| {name} | {rss / 1024:.1f} | {anonymous / 1024:.1f} | {modules} |"
    yield f"| together | {total[0] / 1024:.1f} | {total[1] / 1024:.1f} | |"


def _post(webhook: Webhook, requests: Iterator[bytes], connections: int) -> None:
    posted = post_all(webhook.port, ssl._create_unverified_context(), requests, connections=connections)
    webhook.forget_log()
    if set(posted.statuses) != {200}:
        raise BenchError(f"answers {dict(posted.statuses)}: {webhook.process.tail(3)}")


if __name__ == "__main__":
    sys.exit(main())
