"""Scripts of examples/ run in a stand-in for their pod, up to the answer of Graph."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from testbed.entra import Entra
from testbed.third_party.build import HERE, place
from testbed.third_party.injected import SUBJECT, StandIn
from webhook.core import names

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

EXAMPLES = HERE.parents[1] / "examples"
CLIENT_ID = "11111111-1111-4111-8111-111111111111"


def script(file: str, name: str) -> str:
    """What a ConfigMap of an example has under a name."""
    documents = yaml.safe_load_all((EXAMPLES / file).read_text())
    (found,) = (each["data"][name] for each in documents if each["kind"] == "ConfigMap")
    return str(found)


@pytest.mark.parametrize(
    ("command", "endpoint"),
    [
        ([sys.executable, str(EXAMPLES / "msgraph-sdk" / "report.py")], False),
        ([sys.executable, "-c", script("graph-python/report.yaml", "report.py")], False),
        (["sh", "-c", script("cli-microsoft365/job.yaml", "report.sh")], True),
    ],
    ids=["msgraph-sdk", "graph-python", "cli-microsoft365"],
)
def test_the_script_reads_the_organization(
    command: list[str], endpoint: bool, entra: Entra, trust: Mapping[str, str], tmp_path: Path
) -> None:
    """With the variables and the token of its pod, and its sidecar if it has one."""
    application = entra.application(client_id=CLIENT_ID, roles=["Organization.Read.All"])
    application.federate(issuer=entra.issuer.url, subject=SUBJECT)
    pod = StandIn(application, {names.TOKEN_ENDPOINT: "true"} if endpoint else {})
    pod.write_token(entra)
    path = f"{place('npm') / 'node_modules' / '.bin'}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8", **trust, **pod.environment}
    with pod.helper(trust, tmp_path / "helper.log"):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = [each for each in entra.requests if each.on == "graph"]
    assert [(each.status, each.client_id) for each in asked] == [(200, CLIENT_ID)]
    assert "Contoso" in done.stdout
