"""Which modules a program loads: azure-identity takes half a second and 30 MB, so only who signs in pays for it."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SIGN_IN = ("azure", "msal", "requests", "webhook.entra")


def loaded(statement: str) -> list[str]:
    """The modules of SIGN_IN that are loaded after `statement`."""
    code = f"import sys; {statement}; print(*(name for name in {SIGN_IN!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=200)
    return done.stdout.split()


@pytest.mark.parametrize("module", ["webhook.commands.serve", "webhook.assembly", "webhook.server.process"])
def test_the_server_never_loads_what_signs_in(module: str) -> None:
    """Neither azure-identity nor what asks Microsoft Graph."""
    assert loaded(f"import {module}") == []


def test_a_command_loads_it_only_when_it_signs_in() -> None:
    """Its flags and its choice of a way need no azure-identity."""
    statement = (
        "from webhook.commands import entra_flags; from webhook.entra import rest, sign_in; "
        "from webhook.core.clouds import CLOUDS; "
        "sign_in.credential('azure-cli', CLOUDS['public'], environ={}, tell=print)"
    )
    assert loaded(statement) == ["webhook.entra"]
