"""A search that finds nothing proves something only if it would have found it."""

from __future__ import annotations

import base64
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from testbed.fleet.privacy import exposures, private_in, private_in_files, stored_keys
from tests.authorities import make_authority

PEM = make_authority(now=datetime.now(UTC), lifetime=timedelta(days=1)).private_pem()
ENCODED = base64.b64encode(PEM).decode()
LINE = PEM.decode().splitlines()[1]
KEYS = stored_keys([None, {"data": {"ca.key": ENCODED, "ca.crt": ENCODED}}])

WAITS = "import sys; print(flush=True); sys.stdin.read()"
HOLDS = f"import os; descriptor = os.memfd_create('pair'); {WAITS}"


@contextmanager
def running(code: str, *arguments: str, environ: Mapping[str, str] | None = None, core: bool = False) -> Iterator[int]:
    """A process group with one process."""
    most = resource.getrlimit(resource.RLIMIT_CORE)[1] if core else 0
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_CORE, ({most}, {most})); {code}"
    with subprocess.Popen(
        [sys.executable, "-c", limited, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **(environ or {})},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate()


@pytest.mark.slow
def test_a_process_that_shows_nothing_is_clean() -> None:
    """Nor does one that is gone."""
    with running(WAITS) as group:
        assert exposures(group, KEYS) == []
    assert exposures(group, KEYS) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "key", [ENCODED, PEM.decode(), PEM.decode().splitlines()[1]], ids=["as the API has it", "PEM", "line"]
)
def test_a_key_in_arguments_or_environment_is_found(key: str) -> None:
    """However it is written."""
    with running(WAITS, key) as group:
        assert exposures(group, KEYS) == [f"cmdline of {group}"]
    with running(WAITS, environ={"KEY": key}) as group:
        assert exposures(group, KEYS) == [f"environ of {group}"]


@pytest.mark.slow
def test_a_file_with_a_key_that_stays_open_is_found() -> None:
    """Closed, it is gone."""
    with running(HOLDS) as group:
        assert exposures(group, KEYS) == [f"pair (deleted) held open by {group}"]


@pytest.mark.slow
@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, reason="no process here may dump core")
def test_a_process_that_may_dump_core_is_found() -> None:
    """Its memory has the leaf's key."""
    with running(WAITS, core=True) as group:
        assert exposures(group, KEYS) == [f"a core file of {group}"]


def test_a_key_in_a_log_or_a_file_is_found(tmp_path: Path) -> None:
    """In the middle of a line, in a folder of a folder."""
    (tmp_path / "clean").write_text("nothing")
    assert private_in_files(tmp_path, KEYS) == []
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_text(f'{{"message": "read {ENCODED}"}}')
    assert private_in_files(tmp_path, KEYS) == [str(tmp_path / "deep" / "log")]
    assert private_in(f"a\nb -----BEGIN PRIVATE KEY-----\n{LINE}", KEYS) != []
