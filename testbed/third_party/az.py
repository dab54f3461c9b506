"""The real az, in a cloud of its own that is the emulator, reached under Microsoft's names through a proxy.

with running() as entra, azure_cli(entra, folder) as az:
    az.sign_in(application)
    az.shell(what_our_command_printed)
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.entra import Application, Entra, User
from testbed.entra.proxy import proxying
from testbed.third_party.build import place

__all__ = ["Az", "azure_cli"]

CLOUD = "emulator"
SECONDS = 120.0


class Az:
    """az with a home of its own. `environment` is what it runs with."""

    def __init__(self, entra: Entra, folder: Path, proxy: str) -> None:
        self._entra = entra
        self.environment = {
            "PATH": os.pathsep.join([str(place("az") / "bin"), os.environ.get("PATH", os.defpath)]),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "HTTPS_PROXY": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": str(entra.ca_file),
            "AZURE_CONFIG_DIR": str(folder / "azure"),
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_CORE_LOGIN_EXPERIENCE_V2": "off",  # it would ask which subscription
        }

    def use_public_cloud(self) -> None:
        """For `admin-consent`, which az refuses in any other cloud; the names lead to the emulator all the same."""
        self.run("cloud", "set", "--name", "AzureCloud")

    def register(self, resource_manager: str = "") -> None:
        """Makes a cloud of what Azure Resource Manager says of itself at this address, and uses it."""
        address = resource_manager or f"https://{self._entra.place.arm_host}"
        self.run("cloud", "register", "--name", CLOUD, "--endpoint-resource-manager", address)
        self.run("cloud", "set", "--name", CLOUD)

    def sign_in(self, application: Application) -> None:
        """As a service principal with a new secret."""
        secret, tenant = application.add_secret(), application.tenant_id
        who = ("--username", application.client_id, "--tenant", tenant, "--allow-no-subscriptions")
        self.run("login", "--service-principal", *who, f"--password={secret}")

    def sign_in_as(self, user: User) -> None:
        """As a user, by a device code that is completed at once."""
        self._entra.users.signed_in = user
        self.run("login", "--use-device-code", "--allow-no-subscriptions")

    def run(self, *arguments: str) -> Any:
        """What a command prints, as JSON. Raises AssertionError with its messages if it fails."""
        done = self.shell(shlex.join(["az", *arguments]))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """Runs a script of a POSIX shell, in which az is on PATH, until its first error."""
        return subprocess.run(
            ["sh", "-e"],
            input=script,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@contextmanager
def azure_cli(entra: Entra, folder: Path) -> Iterator[Az]:
    """az in the emulator's cloud, for the time of the block, before a sign-in."""
    with proxying(routes=entra.routes) as proxy:
        az = Az(entra, folder, proxy.url)
        az.register()
        yield az
