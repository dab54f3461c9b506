"""What `fic -o terraform` prints is a configuration that the provider knows, argument by argument."""

import os
import subprocess
from pathlib import Path

import pytest

from testbed.third_party import providers
from testbed.third_party.build import HERE, place
from webhook.entra.federated_credential import FederatedCredential, terraform

pytestmark = [pytest.mark.tools, pytest.mark.timeout(120)]

CREDENTIAL = FederatedCredential(
    applications=("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"),
    name="lab-robot-1",
    issuer="https://oidc.example.com/${cluster}/",
    subject="system:serviceaccount:lab:robot",
    audience="api://AzureADTokenExchange",
    description='a "robot"',
)


@pytest.mark.parametrize("provider", [name for name in ("azuread",) if providers.has(name)])
def test_the_provider_takes_it(provider: str, tmp_path: Path) -> None:
    """`validate` knows the schema of the version that the rows run with."""
    main = (HERE / "terraform" / provider / "main.tf").read_text()
    (tmp_path / "main.tf").write_text(main + "\n" + terraform(CREDENTIAL))
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(providers.configuration(tmp_path))}
    for command in (("init", "-input=false"), ("validate",)):
        done = subprocess.run(
            [place("opentofu") / "opentofu", *command],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
