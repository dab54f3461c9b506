"""The package as it is imported; as it is installed, it is looked at in tests/helper_commands/test_wheel.py."""

import math
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import m365_identity
import webhook

ROOT = Path(__file__).parent.parent.parent

SLOW = (
    "azure.identity",
    "msal",
    "requests",
    "urllib3",
    "aiohttp",
    "asyncio",
    "cryptography",
    "jwt",
    "httpx",
    "msgraph",
    "prometheus_client",
)
"""What takes longer to import than all of the library: needed for the first token, and not before."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import m365_identity", ()),
        ("import m365_identity; m365_identity.WorkloadIdentityCredential(environ={})", ()),
        ("from m365_identity import settings, _graph; from m365_identity._tokens import assertion, access_token", ()),
        ("from m365_identity._advice import advise", ()),
        ("import m365_identity.aio", ("asyncio",)),
        ("import m365_identity; m365_identity.NotConfiguredError", SLOW),
    ],
)
def test_nothing_slow_is_imported_before_it_is_needed(statement: str, allowed: tuple[str, ...]) -> None:
    """In a process of its own: a command that only prints its help must not wait for cryptography."""
    print_loaded = f"import sys; {statement}; print(*(name for name in {SLOW!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", print_loaded], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= set(allowed)


def processor_seconds(statement: str) -> float:
    """What a process takes of the processor, Python's own start included."""
    process = subprocess.Popen([sys.executable, "-c", statement], cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


@pytest.mark.slow
def test_the_import_is_little_more_than_that_of_azure_core() -> None:
    """Each exception is one of azure-core's too, so that much is needed; docs/helper.md has both in milliseconds.

    As ratios: 400 ms are some thirty starts of an interpreter. Each is the least of some, taken in turns, since another
    process only ever adds to it; a busy machine takes more of them.
    """
    statements = ("pass", "import azure.core.credentials, azure.core.exceptions", "import m365_identity")
    least = [math.inf] * len(statements)
    for taken in range(20):
        least = [min(known, processor_seconds(each)) for known, each in zip(least, statements, strict=True)]
        start, theirs, ours = least[0], least[1] - least[0], least[2] - least[0]
        if taken >= 4 and ours < 1.5 * theirs and ours < 20 * start:
            break
    assert ours < 1.5 * theirs
    assert ours < 20 * start


def test_every_public_name_is_there() -> None:
    """The one that is imported late too; what is not there is an AttributeError as usual."""
    for name in m365_identity.__all__:
        assert getattr(m365_identity, name).__doc__ or name == "CLOUDS"
    with pytest.raises(AttributeError, match="NoSuchError"):
        _ = m365_identity.NoSuchError


def test_webhook_and_helper_have_one_version() -> None:
    """They are released together."""
    assert m365_identity.__version__ == webhook.__version__


def test_the_build_uses_the_hatchling_that_is_locked() -> None:
    """Then building needs no network, and what is built is what was tested."""
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert f"\n{required[0]} \\" in (ROOT / "requirements-dev.txt").read_text()
