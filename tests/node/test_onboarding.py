"""From nothing to a pod that signs in: the command line from its wheel, a tenant that has nothing, pods that run.

The tenant is an emulator of its own in the cluster. The command line is on the machine, and reaches the tenant under
Microsoft's names through a proxy, and a port that kubectl forwards.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from testbed.cluster.kubeconfig import read
from testbed.entra.proxy import proxying
from testbed.node import images
from testbed.node.emulator import MOUNTED, PORT, await_address, documents
from testbed.node.images import GRAPH, LOGIN
from testbed.node.pods import TENANT_ID, AnyNode, a_pod, apply, run_to_end
from testbed.node.release import RESTRICTED
from tests.cli.programs import build, clean, gather, install

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

ADMINISTRATOR = "33333333-4444-4333-8444-555555555555"
ROLES = ["Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "Organization.Read.All"]
STEPS = 9
SECRET = re.compile(r"ey[JK][A-Za-z0-9_-]{10}|Bearer ")


@dataclass(frozen=True)
class Tenant:
    """A tenant with an administrator's application and nothing else; the installed program; how it reaches both."""

    node: AnyNode
    namespace: str
    program: Path
    environ: dict[str, str]
    address: str

    def command(self, name: str, account: str, *arguments: str) -> list[str]:
        """The command line."""
        usual = ["-n", self.namespace, "--service-account", account, "--auth", "workload-identity"]
        return [str(self.program), name, *usual, *arguments]

    def onboard(self, account: str, *arguments: str) -> list[str]:
        """The command line of onboard."""
        return self.command("onboard", account, "--no-lookup", "--permission", "Organization.Read.All", *arguments)

    def run(self, command: Sequence[str]) -> str:
        """Runs it to its end. Returns all that it says, which has no token in it."""
        done = subprocess.run(command, env=self.environ, capture_output=True, text=True, timeout=120, check=False)
        said = done.stdout + done.stderr
        assert not SECRET.search(said)
        assert done.returncode == 0, said
        return said

    def doctor(self, account: str) -> list[dict[str, str]]:
        """What the doctor finds in a pod of the ServiceAccount."""
        spec = {"hostAliases": [{"ip": self.address, "hostnames": [LOGIN, GRAPH]}]}
        command = ["m365-identity", "doctor", "-o", "json"]
        pod = a_pod(f"doctor-of-{account}", command, account=account, image=images.TESTS, pod=spec, restricted=True)
        checks: list[dict[str, str]] = json.loads(run_to_end(self.node, self.namespace, pod))["checks"]
        return checks


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`m365wi`, from its wheel, in an environment that has nothing else."""
    folder = tmp_path_factory.mktemp("m365wi")
    (folder / "index").mkdir()
    index = gather(build(folder / "built"), folder / "index")
    install(index, folder / "venv", "m365wi")
    return folder / "venv/bin/m365wi"


@pytest.fixture(scope="module")
def tenant(webhook: AnyNode, program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    namespace = webhook.create_namespace("onboarding", labels=RESTRICTED)
    apply(webhook, namespace, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "administrator"}})
    issuer = json.loads(webhook.kubectl("get", "--raw", "/.well-known/openid-configuration").stdout)["issuer"]
    apply(webhook, namespace, *documents(configuration(webhook, issuer, namespace)))
    address = await_address(webhook, namespace)
    folder = tmp_path_factory.mktemp("tenant")
    show = ("python", "-c", "print(open('/tests/ca.pem').read())")
    (folder / "ca.pem").write_text(webhook.kubectl("-n", namespace, "exec", "entra", "--", *show).stdout)
    audience = "--audience=api://AzureADTokenExchange"
    token = webhook.kubectl("-n", namespace, "create", "token", "administrator", audience, "--duration=1h").stdout
    (folder / "token").write_text(token.strip())
    with forwarded(webhook, namespace) as port:
        way = ("127.0.0.1", port)
        with proxying(routes={f"{LOGIN}:443": way, f"{GRAPH}:443": way}) as proxy:
            environ = clean(
                KUBECONFIG=str(webhook.kubeconfig),
                HTTPS_PROXY=proxy.url,
                NO_PROXY=urlsplit(read(webhook.kubeconfig).server).hostname or "",
                SSL_CERT_FILE=str(folder / "ca.pem"),
                AZURE_CLIENT_ID=ADMINISTRATOR,
                AZURE_TENANT_ID=TENANT_ID,
                AZURE_FEDERATED_TOKEN_FILE=str(folder / "token"),
            )
            yield Tenant(webhook, namespace, program, environ, address)
    webhook.delete_namespace(namespace)


def configuration(node: AnyNode, issuer: str, namespace: str) -> dict[str, object]:
    """The emulator's: it reads the issuer's keys from the API server, and lets one ServiceAccount administrate."""
    kubernetes = node.api.get("/api/v1/namespaces/default/services/kubernetes").expect().json["spec"]["clusterIP"]
    source = {"issuer": issuer, "fetch_from": f"https://{kubernetes}", "ca": f"{MOUNTED}/ca.crt"}
    trusted = {"issuer": issuer, "subject": f"system:serviceaccount:{namespace}:administrator"}
    application = {"client_id": ADMINISTRATOR, "tenant_id": TENANT_ID, "name": "pipeline", "roles": ROLES}
    return {
        "issuers": [source | {"token_file": f"{MOUNTED}/token"}],
        "applications": [application | {"federated_credentials": [trusted]}],
    }


@contextlib.contextmanager
def forwarded(node: AnyNode, namespace: str) -> Iterator[int]:
    """A port of this machine that leads to the emulator."""
    command = [str(node.kubectl_program), "--kubeconfig", str(node.kubeconfig), "-n", namespace]
    command += ["port-forward", "pod/entra", f":{PORT}", "--address=127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            found = re.fullmatch(rf"Forwarding from 127\.0\.0\.1:(\d+) -> {PORT}\n", line)
            assert found, line
            yield int(found[1])
        finally:
            process.terminate()


def test_from_nothing_to_a_pod_that_signs_in(tenant: Tenant) -> None:
    """One command, then a pod. The second time there is nothing to do; `check` agrees with the doctor."""
    first = tenant.run(tenant.onboard("terraform"))
    assert first.count("\ndone  ") == STEPS - 3
    assert [check for check in tenant.doctor("terraform") if check["status"] != "ok"] == []
    again = tenant.run([*tenant.onboard("terraform"), "--debug"])
    assert "\ndone  " not in again
    assert "Nothing to do." in again
    found = tenant.run(tenant.command("check", "terraform", "--entra"))
    assert "All is well." in found
    assert "\nok    credential " in found


def test_a_run_that_is_killed_after_each_step_goes_on(tenant: Tenant) -> None:
    """SIGKILL, as soon as a step has said that it is done. In the end there is one of everything, and it signs in."""
    for number in range(1, STEPS):
        with subprocess.Popen(
            tenant.onboard("killed"), env=tenant.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(number):
                process.stdout.readline()
            process.kill()
    tenant.run(tenant.onboard("killed"))
    assert "Nothing to do." in tenant.run(tenant.onboard("killed"))
    assert [check for check in tenant.doctor("killed") if check["status"] != "ok"] == []
    gone = tenant.run(tenant.command("offboard", "killed", "--yes"))
    assert gone.count("\ndone  ") == 2
    assert "Nothing to do." in tenant.run(tenant.command("offboard", "killed", "--yes"))


def test_no_token_is_in_the_arguments_of_a_process(tenant: Tenant) -> None:
    """As `ps` shows them, of the program and of whatever it starts, from its start to its end."""
    seen: set[bytes] = set()
    with subprocess.Popen(
        tenant.onboard("watched", "--debug"), env=tenant.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.add(path.read_bytes())
    assert any(b"onboard" in each for each in seen)
    assert not any(SECRET.search(each.decode("utf-8", "replace")) for each in seen)
