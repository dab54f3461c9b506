"""Which server? The three prototypes, one after the other in one run: `python bench/prototypes/measure.py`.

Each serves alone on core 0; wrk, on core 1, posts a 2 KB review to it over TLS on kept connections. Absolute numbers
are this machine's, so the ratios to the first prototype are printed next to them. Needs `wrk` and `taskset`
(Debian: wrk, util-linux) and two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HERE = Path(__file__).parent
SERVERS = {
    "Flask, gthread, 8 threads": ("flask_threads", ["-k", "gthread", "--threads", "8"]),
    "Flask, gthread, 2 threads": ("flask_threads", ["-k", "gthread", "--threads", "2"]),
    "WSGI, gthread, 8 threads": ("wsgi_threads", ["-k", "gthread", "--threads", "8"]),
    "ASGI, uvloop": ("asgi_loop", ["-k", "asgi", "--asgi-loop", "uvloop"]),
}


def review() -> bytes:
    """A review of about the size that kube-apiserver sends for a small pod: 2 KB."""
    container = {
        "name": "app",
        "image": "registry.example.com/team/app:1.2.3",
        "env": [{"name": f"SETTING_{n}", "value": "some value that is not short"} for n in range(12)],
        "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "64Mi"}},
        "volumeMounts": [{"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "app-6d4cf56db6-", "labels": {"app": "app"}},
        "spec": {"serviceAccountName": "app", "containers": [container], "volumes": [{"name": "kube-api-access-x"}]},
    }
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": "shop",
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller", "groups": ["system:nodes"]},
        "object": pod,
        "oldObject": None,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def certificate(folder: Path) -> Path:
    """A self-signed P-256 certificate and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=localhost")
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "pair.pem"
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def serving(module: str, options: list[str], pair: Path) -> Iterator[int]:
    """The prototype, running on core 0; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["taskset", "-c", "0", sys.executable, "-m", "gunicorn", "--workers", "1", "--keep-alive", "120"]
    command += ["--no-control-socket", "--log-level", "error", "--bind", f"127.0.0.1:{port}"]
    command += ["--certfile", str(pair), "--keyfile", str(pair), *options, f"bench.prototypes.{module}:application"]
    process = subprocess.Popen(command, cwd=HERE.parents[1])
    try:
        context = ssl.create_default_context(cafile=str(pair))
        context.check_hostname = False
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain):
                    break
            except OSError:
                time.sleep(0.1)
        else:
            raise SystemExit(f"{module} does not answer")
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def load(port: int, connections: int, seconds: int, body: Path) -> tuple[float, float, float]:
    """Requests a second, and the latencies p50 and p99 in milliseconds, that wrk on core 1 saw."""
    command = ["taskset", "-c", "1", "wrk", "--threads", "1", "--connections", str(connections), "--latency"]
    command += ["--duration", f"{seconds}s", "--script", str(HERE / "post.lua"), f"https://127.0.0.1:{port}/mutate"]
    run = subprocess.run(command, env={**os.environ, "REVIEW": str(body)}, capture_output=True, text=True, check=True)
    if "Non-2xx" in run.stdout or "Socket errors" in run.stdout:
        raise SystemExit(run.stdout)
    found = dict(re.findall(r"^ *(50|99)% +([\d.]+[mu]?s)$", run.stdout, re.MULTILINE))
    rate = re.search(r"Requests/sec: +([\d.]+)", run.stdout)
    if rate is None:
        raise SystemExit(run.stdout)
    return float(rate[1]), milliseconds(found["50"]), milliseconds(found["99"])


def milliseconds(text: str) -> float:
    """wrk's "812.00us", "1.20ms" or "2.00s" in milliseconds."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="a measurement")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64])
    arguments = parser.parse_args()
    missing = [tool for tool in ("wrk", "taskset") if not shutil.which(tool)]
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}")
    print(f"load average before: {os.getloadavg()[0]:.2f}")
    print("| server | connections | requests/s | ratio | p50 ms | ratio | p99 ms | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    first: dict[int, tuple[float, float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        pair = certificate(Path(folder))
        body = Path(folder, "review.json")
        body.write_bytes(review())
        for name, (module, options) in SERVERS.items():
            with serving(module, options, pair) as port:
                load(port, 8, 1, body)  # warm up
                for connections in arguments.connections:
                    seen = load(port, connections, arguments.seconds, body)
                    base = first.setdefault(connections, seen)
                    rate, p50, p99 = seen
                    cells = [f"{rate:.0f}", f"{rate / base[0]:.2f}"]
                    cells += [f"{p50:.2f}", f"{p50 / base[1]:.2f}", f"{p99:.2f}", f"{p99 / base[2]:.2f}"]
                    print(f"| {name} | {connections} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
