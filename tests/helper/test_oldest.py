"""The oldest versions of the dependencies that pyproject.toml allows: the same tests, with credentials made there.

oldest.txt has these versions, with hashes. After a change of the bounds in pyproject.toml, `make lock` makes it again.

The emulator needs newer ones. So it stays in this process, and the credentials are made in another (`elsewhere`).
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from m365_identity import __version__
from testbed.entra import Entra
from tests.helper.support import Pod
from tests.helper.test_advice import test_a_key_that_is_not_rsa_has_its_own_fix
from tests.helper.test_credential import (
    test_a_call_without_scope_is_the_callers_mistake,
    test_a_claims_challenge_takes_no_kept_token_and_replaces_it,
    test_a_failure_is_not_kept_for_later_calls,
    test_a_token_is_kept,
    test_another_tenant_must_be_allowed,
    test_what_is_sent_is_what_entra_takes,
)
from tests.helper.test_healing import test_a_server_that_cannot_be_reached_is_an_error
from tests.helper.test_network import (
    test_a_bundle_of_many_is_taken,
    test_a_certificate_for_another_name_is_not_trusted,
    test_a_host_in_no_proxy_is_called_directly,
    test_a_missing_proxy_is_an_error,
    test_a_name_that_does_not_resolve_is_an_error,
    test_a_portal_that_answers_in_entras_place_is_an_error,
    test_a_proxy_is_used,
    test_a_proxy_that_refuses_gets_one_request,
    test_an_untrusted_server_gets_no_token_and_is_not_tried_again,
    test_each_variable_gives_the_authority_to_both,
)

__all__ = [
    "test_a_bundle_of_many_is_taken",
    "test_a_call_without_scope_is_the_callers_mistake",
    "test_a_certificate_for_another_name_is_not_trusted",
    "test_a_claims_challenge_takes_no_kept_token_and_replaces_it",
    "test_a_failure_is_not_kept_for_later_calls",
    "test_a_host_in_no_proxy_is_called_directly",
    "test_a_key_that_is_not_rsa_has_its_own_fix",
    "test_a_missing_proxy_is_an_error",
    "test_a_name_that_does_not_resolve_is_an_error",
    "test_a_portal_that_answers_in_entras_place_is_an_error",
    "test_a_proxy_is_used",
    "test_a_proxy_that_refuses_gets_one_request",
    "test_a_server_that_cannot_be_reached_is_an_error",
    "test_a_token_is_kept",
    "test_an_untrusted_server_gets_no_token_and_is_not_tried_again",
    "test_another_tenant_must_be_allowed",
    "test_each_variable_gives_the_authority_to_both",
    "test_what_is_sent_is_what_entra_takes",
]

ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).with_name("oldest.txt")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("oldest")]


@pytest.fixture(scope="session")
def oldest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with these versions."""
    folder = tmp_path_factory.mktemp("oldest") / "venv"
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    # By pip, which made this environment: it knows the index and the certificate authorities that this machine has.
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--require-hashes", "--no-deps", "-r", str(LOCK)], check=True)
    return folder / "bin" / "python"


@pytest.fixture
def pod(entra: Entra, tmp_path: Path, oldest: Path) -> Pod:
    """A pod whose credentials are made there."""
    pod = Pod(entra, tmp_path)
    pod.python = oldest
    return pod


def test_the_lock_has_the_lower_bounds_of_pyproject() -> None:
    """Each dependency of the helper, with the version that its bound names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [each for extra in project["optional-dependencies"].values() for each in extra]
    bounds = dict(each.split(">=") for each in (*project["dependencies"], *optional))
    locked = dict(re.findall(r"^([a-z-]+)(?:\[\w+\])?==([0-9.]+)", LOCK.read_text(), re.MULTILINE))
    assert {name: re.sub(r"(\.0)+$", "", locked[name]) for name in bounds} == bounds


def run(python: Path, pod: Pod, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """A command of the helper, with these versions."""
    command = [str(python), "-W", "error::DeprecationWarning:m365_identity", "-m", "m365_identity", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=pod.environ | environ, capture_output=True, text=True, check=False, timeout=200
    )


def test_the_commands_sign_in_and_call_graph(pod: Pod, oldest: Path) -> None:
    """Whatever they import is there."""
    pod.federate()
    assert run(oldest, pod, "--version").stdout == f"{__version__}\n"
    assert pod.application.client_id in run(oldest, pod, "whoami").stdout
    done = run(oldest, pod, "preflight", "--patience", "0")
    assert "is signed in" in done.stdout, done.stderr


def test_the_doctor_reads_certificates(pod: Pod, oldest: Path) -> None:
    """Also of a server that is not trusted, with cryptography."""
    pod.federate()
    checks = json.loads(run(oldest, pod, "doctor", "-o", "json").stdout)["checks"]
    assert not [each for each in checks if each["status"] == "fail"]
    environ = dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), "")
    checks = json.loads(run(oldest, pod, "doctor", "-o", "json", **environ).stdout)["checks"]
    (tls,) = (each for each in checks if each["id"] == "login-tls")
    assert "it is issued by CN=" in tls["detail"]


METRICS = """
from prometheus_client import REGISTRY, generate_latest
from m365_identity import WorkloadIdentityCredential, graph_scope
from m365_identity.metrics import SignInMetrics
with WorkloadIdentityCredential(metrics=SignInMetrics()) as credential:
    credential.get_token(graph_scope())
print(generate_latest(REGISTRY).decode())
"""


def test_the_metrics_are_counted(pod: Pod, oldest: Path) -> None:
    """By the oldest prometheus-client."""
    pod.federate()
    done = subprocess.run(
        [str(oldest), "-c", METRICS],
        cwd=ROOT,
        env=pod.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert 'm365_identity_exchanges_total{code="",outcome="ok"} 1.0' in done.stdout, done.stderr
    assert "m365_identity_service_account_token_expires_timestamp_seconds 1" in done.stdout
    assert "_created" not in done.stdout
