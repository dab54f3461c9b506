"""The package as it is imported and as it is installed."""

import subprocess
import sys
import tomllib
import zipfile
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
)
"""What takes longer to import than all of the library: needed for the first token, and not before."""


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import m365_identity", ()),
        ("import m365_identity; m365_identity.WorkloadIdentityCredential(environ={})", ()),
        ("from m365_identity import settings, graph, assertion, access_token, advice", ()),
        ("import m365_identity.aio", ("asyncio",)),
        ("import m365_identity; m365_identity.NotConfiguredError", SLOW),
    ],
)
def test_nothing_slow_is_imported_before_it_is_needed(statement: str, allowed: tuple[str, ...]) -> None:
    """In a process of its own: a command that only prints its help must not wait for cryptography."""
    print_loaded = f"import sys; {statement}; print(*(name for name in {SLOW!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", print_loaded], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= set(allowed)


def test_every_public_name_is_there() -> None:
    """The one that is imported late too; what is not there is an AttributeError as usual."""
    for name in m365_identity.__all__:
        assert getattr(m365_identity, name).__doc__ or name == "CLOUDS"
    with pytest.raises(AttributeError, match="NoSuchError"):
        _ = m365_identity.NoSuchError


def test_webhook_and_helper_have_one_version() -> None:
    """They are released together."""
    assert m365_identity.__version__ == webhook.__version__


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with what is installed and no network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_helper_only(wheel: Path) -> None:
    """No webhook, no tests; types and licence; small."""
    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()
    assert {file.partition("/")[0].partition("-")[0] for file in files} == {"m365_identity", "m365_workload_identity"}
    assert "m365_identity/py.typed" in files
    assert any(file.endswith("licenses/LICENSE") for file in files)
    assert wheel.stat().st_size < 150_000


def test_the_wheel_says_what_it_needs(wheel: Path) -> None:
    """azure-identity and azure-core with the oldest version that has what is used; aiohttp for asyncio only."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(file for file in archive.namelist() if file.endswith("METADATA"))
        entries = next(file for file in archive.namelist() if file.endswith("entry_points.txt"))
        lines = archive.read(metadata).decode().splitlines()
        scripts = archive.read(entries).decode()
    assert sorted(line for line in lines if line.startswith("Requires-Dist: ")) == [
        "Requires-Dist: aiohttp>=3.10; extra == 'aio'",
        "Requires-Dist: azure-core>=1.31",
        "Requires-Dist: azure-identity>=1.26",
        "Requires-Dist: cryptography>=3.1",
        "Requires-Dist: requests>=2.21",
    ]
    assert f"Version: {m365_identity.__version__}" in lines
    assert "m365-identity = m365_identity.__main__:main" in scripts


def test_the_build_uses_the_hatchling_that_is_locked() -> None:
    """Then building needs no network, and what is built is what was tested."""
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert f"\n{required[0]} \\" in (ROOT / "requirements-dev.txt").read_text()
