"""Every row of docs/tools.md: the tool runs in a stand-in for a pod, with what the webhook's decision injects.

What a row says is what was seen: who exchanged the pod's token, and what an API of Microsoft answered.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from testbed.entra import Entra
from testbed.entra.client import Client
from testbed.third_party import page, providers
from testbed.third_party.build import HERE, place
from testbed.third_party.injected import SUBJECT, StandIn
from testbed.third_party.rows import ENDPOINT, FILE, ROWS, Command, Row, commands

pytestmark = [pytest.mark.tools, pytest.mark.timeout(600)]

CLIENT_ID = "11111111-1111-4111-8111-111111111111"
TWO_HOURS = 7200.0
AVAILABLE = [row for row in ROWS if not row.provider or providers.has(row.provider)]


class Pod:
    """The pod of a row, with its sidecar's log."""

    def __init__(self, row: Row, entra: Entra, trust: Mapping[str, str], folder: Path) -> None:
        self.entra = entra
        self.row = row
        self.log = folder / "helper.log"
        application = entra.application(client_id=CLIENT_ID, roles=["Organization.Read.All", "Domain.Read.All"])
        application.federate(issuer=entra.issuer.url, subject=SUBJECT)
        self.injected = StandIn(application, row.annotations)
        home, self.work = folder / "home", folder / "work"
        home.mkdir()
        shutil.copytree(HERE / "terraform", self.work)
        self._environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(home),
            **trust,
            "NODE_MODULES": str(place("npm") / "node_modules"),
            "TF_CLI_CONFIG_FILE": str(providers.configuration(folder)),
            **self.injected.environment,
            **row.own,
        }

    def run(self, command: Command) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of a command of the row."""
        done = subprocess.run(
            commands(self.row, command, work=self.work),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def signed_in_by(self) -> str:
        """Who exchanged the pod's token: the token endpoint if it gave one away, or the tool itself; "" if neither."""
        if not any(asked.status == 200 for asked in self.entra.exchanges):
            return ""
        served = self.log.exists() and re.search(r"serve: 200 ", self.log.read_text())
        return ENDPOINT if served else FILE

    def was_let_in(self) -> bool:
        """Whether an API of Microsoft answered with what was asked for, to this application."""
        asked = [each for each in self.entra.requests if each.on in ("graph", "api")]
        return any(each.status == 200 and each.client_id == CLIENT_ID for each in asked)


def name(row: Row) -> str:
    """The row's id among the tests."""
    return re.sub(r"[^\w.=-]+", "-", " ".join((row.tool, row.way, *row.annotations.values(), *row.own))).strip("-")


@pytest.mark.parametrize("row", AVAILABLE, ids=name)
def test_the_row_is_true(
    row: Row, entra: Entra, trust: Mapping[str, str], tmp_path: Path, results: dict[page.Key, str]
) -> None:
    if row.later:
        entra.behaviour.expires_in = 1  # so that no tool thinks that it need not ask again
    pod = Pod(row, entra, trust, tmp_path)
    pod.injected.write_token(entra)
    with pod.injected.helper(trust, pod.log):
        for command in row.run:
            code, out, err = pod.run(command)
            if code:
                break
        if row.by:
            assert code == 0, out + err
            if row.prints_token:
                with Client(entra) as client:
                    assert client.graph("/v1.0/organization", out.strip()).ok
            assert pod.was_let_in(), entra.requests
        else:
            assert code != 0
            assert row.says in out + err
        assert pod.signed_in_by() == row.by
        results[page.key_of(row)] = seen(row, pod)


def seen(row: Row, pod: Pod) -> str:
    """The result for the page, after two more hours if the row has something for then."""
    if not row.by:
        return f"fails: `{row.says}`"
    result = f"signs in, {'through' if row.by == ENDPOINT else 'with'} {row.by}"
    if not row.later:
        return result
    pod.entra.clock.advance(TWO_HOURS)
    pod.injected.write_token(pod.entra)
    pod.entra.forget_requests()
    for command in row.later:
        code, out, err = pod.run(command)
        assert bool(code) is bool(row.fails_later), out + err
        assert row.fails_later in out + err
        assert pod.was_let_in() is not bool(row.fails_later)
    return result + (
        "; fails when its first token is over: `" + row.fails_later + "`" if row.fails_later else "; renews"
    )
