"""A command prints its whole result, or says why it cannot."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster.kubeconfig import Access, render
from tests.commands.live import authority, endpoint, pair

ROOT = Path(__file__).parents[2]
ANSWERS = {
    "/api/v1/namespaces/shop/serviceaccounts/terraform": {
        "metadata": {
            "namespace": "shop",
            "name": "terraform",
            "annotations": {"azure.workload.identity/client-id": "11111111-2222-3333-4444-555555555555"},
        }
    },
    "/.well-known/openid-configuration": {
        "issuer": "https://issuer.example.com",
        "jwks_uri": "https://issuer.example.com/keys",
    },
}


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """Of an API server that has one ServiceAccount, an issuer, and nothing else."""

    def answer(path: str) -> tuple[int, bytes, dict[str, str]]:
        found = ANSWERS.get(path)
        return (200 if found else 404), json.dumps(found or {}).encode(), {"Content-Type": "application/json"}

    signer = authority()
    with endpoint(pair(signer), answer) as port:
        path = tmp_path / "kubeconfig"
        path.write_text(render(Access(f"https://127.0.0.1:{port}", signer.pem.encode(), token="a")))
        yield path


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "mutate -f examples/terraform",
        "fic -n shop --service-account terraform --kubeconfig KUBECONFIG",
        "issuer --kubeconfig KUBECONFIG",
        "check --kubeconfig KUBECONFIG",
        "certs --kubeconfig KUBECONFIG",
    ],
)
def test_a_full_disk_is_reported_in_one_line(command: str, kubeconfig: Path) -> None:
    """/dev/full is one. Half of a result never looks like a whole one."""
    arguments = command.replace("KUBECONFIG", str(kubeconfig)).split()
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "webhook", *arguments],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert (
        last == f"python -m webhook {arguments[0]}: standard output cannot be written: No space left on device [WI520]"
    )
    assert "Traceback" not in done.stderr
