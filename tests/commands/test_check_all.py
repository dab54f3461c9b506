"""`check -A` on a real cluster: every state that was made is found, and none that was not."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from demo.server import Running
from testbed.cluster.cluster import Cluster
from testbed.cluster.states import STATES, Seeded, seed
from tests.commands.live import check, ours

ACCOUNTS, PODS = 60, 150


@pytest.fixture(scope="module")
def seeded(control_plane: Cluster, live_webhook: Running) -> Iterator[Seeded]:
    """A cluster with all the states; the webhook is registered."""
    with ExitStack() as stack:
        registration = ours(control_plane, live_webhook)
        made = seed(
            control_plane, lambda: stack.enter_context(registration), accounts=ACCOUNTS, pods=PODS, namespaces=3
        )
        yield made
        for each in made.namespaces:
            control_plane.delete_namespace(each)


@pytest.fixture(scope="module")
def report(control_plane: Cluster, seeded: Seeded) -> Any:
    """The report as JSON."""
    return check(control_plane, seeded.namespaces[0], "-A", "-o", "json").json


def found_codes(report: Any, seeded: Seeded) -> dict[tuple[str, str], set[str]]:
    """The codes of what is wrong, by ServiceAccount."""
    codes = defaultdict(set)
    for each in report["findings"]:
        if each.get("namespace") in seeded.namespaces:
            codes[each["namespace"], each["serviceAccount"]].add(each["code"])
    return codes


def test_every_state_is_found_and_none_is_invented(report: Any, seeded: Seeded) -> None:
    """Exactly the codes of its state for each ServiceAccount."""
    codes = found_codes(report, seeded)
    expected = {key: set(STATES[state]) for key, state in seeded.accounts.items() if STATES[state]}
    assert codes == expected


def test_the_rows_count_the_pods(report: Any, seeded: Seeded) -> None:
    """Every ServiceAccount that has opted in is there, with its pods by what became of them."""
    rows = {(row["namespace"], row["name"]): row for row in report["serviceAccounts"]}
    for key, state in seeded.accounts.items():
        assert (key in rows) == (state != "plain"), (key, state)
        if state == "plain":
            continue
        where = {
            "older-than-installation": "didNotGetIn",
            "older-than-annotation": "createAgain",
            "unlabelled": "out",
            "opted-out": "out",
            "misspelt-label": "out",
        }.get(state, "right")
        pods = rows[key]["pods"]
        assert pods["running"] == pods[where] == seeded.pods[key], (key, pods)
