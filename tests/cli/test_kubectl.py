"""The installed program on a real cluster, as a plugin of kubectl."""

import json
import os
import re
import shlex
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest

from testbed.cluster.cluster import Cluster
from testbed.cluster.kubeconfig import read, render
from testbed.cluster.pods import make_account
from testbed.cluster.processes import wait_until
from tests.cli.programs import ROOT, clean
from tests.commands.entra_tenant import ADMINISTRATOR, tenant

# The first of them downloads what the program needs.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
ASKED = ("fic", "--service-account", "terraform", "-o", "json")


@pytest.fixture
def config(control_plane: Cluster, namespace: str, tmp_path: Path) -> Path:
    """Three contexts. `lab`, the current one, signs in by a plugin beside the file; `expired` by one that fails."""
    for name, script in {
        "lab-login": f"#!/bin/sh\nexec cat {tmp_path}/credential.json\n",
        "old-login": "#!/bin/sh\necho 'the login has expired: run lab login' >&2\nexit 1\n",
    }.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    document = json.loads(render(read(control_plane.kubeconfig)))
    (user,) = (each["user"] for each in document["users"])
    status = {"clientCertificateData": "client-certificate-data", "clientKeyData": "client-key-data"}
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {name: b64decode(user[member]).decode() for name, member in status.items()},
    }
    (tmp_path / "credential.json").write_text(json.dumps(credential))
    for name, command in (("lab", "./lab-login"), ("expired", "./old-login")):
        plugin = {"apiVersion": credential["apiVersion"], "command": command, "interactiveMode": "Never"}
        document["users"].append({"name": name, "user": {"exec": plugin}})
        context = {"cluster": "test", "user": name, "namespace": namespace}
        document["contexts"].append({"name": name, "context": context})
    document["current-context"] = "lab"
    file = tmp_path / "config"
    file.write_text(json.dumps(document))
    return file


def test_it_has_kubectls_habits(
    control_plane: Cluster, namespace: str, programs: Path, config: Path, tmp_path: Path
) -> None:
    """A credential plugin with a path relative to the kubeconfig, and the namespace of the context."""
    make_account(control_plane, namespace)
    environ = clean(PATH=f"{programs}:{control_plane.kubectl_program.parent}:{os.defpath}", KUBECONFIG=str(config))
    for command in ("kubectl", "m365wi"), ("m365wi",):
        done = subprocess.run(
            [*command, *ASKED],
            env=environ,
            cwd=tmp_path.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert json.loads(done.stdout)["subject"] == f"system:serviceaccount:{namespace}:terraform", done.stderr
    for chosen in (["--context", "expired"], ["--user", "expired"]):
        done = subprocess.run(["m365wi", *ASKED, *chosen], env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert "failed: the login has expired: run lab login (exit status 1)" in done.stderr
    done = subprocess.run(
        ["m365wi", *ASKED, "--context", "test"], env=environ, capture_output=True, text=True, check=False
    )
    assert "ServiceAccount default/terraform" in done.stderr, "the context of the administrator names no namespace"


# They need files of the reader's own, a free port, or the internet.
NOT_RUN = (
    "m365wi issuer --from-url",
    "m365wi serve",
    "m365wi mutate -f app.yaml",
    "m365wi mutate -f -",
    "m365wi mutate -f pod.yaml",
)


PAGE = "m365wi explain"  # serves a page, with the libraries of m365wi[serve]; with -f it prints text


def documented() -> list[str]:
    """Every command line of the program in the README and the docs, once each."""
    pages = [ROOT / "README.md", ROOT / "cli" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = [
        line for page in pages for line in re.findall(r"^ *((?:kubectl )?m365wi [^|>#\n]+)", page.read_text(), re.M)
    ]
    lines = dict.fromkeys(" ".join(line.removesuffix("\\").split()) for line in found)
    return [line for line in lines if not line.startswith(NOT_RUN) and line != PAGE]


def test_every_documented_command_runs(
    control_plane: Cluster, namespace: str, programs: Path, config: Path, tmp_path: Path
) -> None:
    """As it stands: it is done, or says what is wrong; none of them is wrong usage, and none ends with a traceback.

    Those that sign in to Entra do so, in a tenant of an emulator.
    """
    path = f"{programs}:{control_plane.kubectl_program.parent}:{os.defpath}"
    for name in ("manifests", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "rendered.yaml").symlink_to(ROOT / "manifests/install.yaml")
    lines = documented()
    assert len(lines) > 10
    with tenant(control_plane) as entra:
        environ = clean(**entra.environ, **entra.caller(*ADMINISTRATOR), PATH=path) | {"KUBECONFIG": str(config)}
        for line in lines:
            done = subprocess.run(
                shlex.split(line), env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200
            )
            assert done.returncode in (0, 1), f"{line}: {done.stderr}"
            assert done.stdout or done.stderr
            assert "Traceback" not in done.stderr


def test_kubectl_completes_it(control_plane: Cluster, namespace: str, programs: Path, config: Path) -> None:
    """kubectl finds `kubectl_complete-m365wi`, and offers commands, flags, contexts and names in the cluster."""
    make_account(control_plane, namespace)
    environ = clean(PATH=f"{programs}:{control_plane.kubectl_program.parent}:{os.defpath}", KUBECONFIG=str(config))

    def offered(*words: str) -> list[str]:
        done = subprocess.run(
            ["kubectl", "__complete", "m365wi", *words], env=environ, capture_output=True, text=True, check=True
        )
        *lines, directive = done.stdout.splitlines()
        return [*(line.partition("\t")[0] for line in lines), directive]

    assert offered("iss") == ["issuer", ":4"]
    assert offered("check", "--work") == ["--workload", ":4"]
    assert offered("fic", "-o", "") == ["az", "identity", "json", "terraform", ":4"]
    assert offered("check", "--context", "") == ["test", "lab", "expired", ":4"]
    assert offered("check", "--context=ex") == ["--context=expired", ":4"]
    assert offered("check", "--workload", "deploy") == ["deployment/", ":6"]
    # What the cluster does not answer within three seconds is not offered.
    wait_until(lambda: namespace in offered("check", "-n", namespace[:4]), "the namespace is offered")
    accounts = ["default", "terraform", ":4"]
    wait_until(lambda: offered("fic", "--service-account", "") == accounts, "the ServiceAccounts are offered")
    assert offered("fic", "--context", "expired", "--service-account", "") == [":4"]
