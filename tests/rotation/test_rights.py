"""Rights that are missing: one line with the fix, in the log and in /readyz, and no restart once they are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed.cluster.processes import wait_until
from testbed.cluster.relay import relay
from testbed.fleet.fleet import Fleet
from testbed.fleet.installation import Installation, seconds

ROUNDS = 4


@dataclass(frozen=True)
class Missing:
    """What an installation is missing: its rights, what is reported, and the fix."""

    begin: Callable[[Installation], None]
    words: tuple[str, ...]
    fix: Callable[[Installation], None]


def all_but_secret(installation: Installation) -> None:
    installation.grant_accounts()
    installation.grant_configuration()
    installation.register()


def no_create(installation: Installation) -> None:
    all_but_secret(installation)
    installation.grant_secret("get", "update", "patch")


def no_update(installation: Installation) -> None:
    all_but_secret(installation)
    installation.grant_secret("get")
    installation.create_empty_secret()


def all_but_configuration(installation: Installation) -> None:
    installation.grant_accounts()
    installation.grant_secret()
    installation.register()


def no_patch(installation: Installation) -> None:
    all_but_configuration(installation)
    installation.grant_configuration("get")


def not_registered(installation: Installation) -> None:
    installation.grant_accounts()
    installation.grant_secret()
    installation.grant_configuration()


MISSING = {
    "Secret forbidden": Missing(
        all_but_secret, ("cannot be read: RBAC forbids `get`", "RoleBinding"), Installation.grant_secret
    ),
    "creating forbidden": Missing(
        no_create, ("cannot be written: RBAC forbids it", "kubectl create secret"), Installation.create_empty_secret
    ),
    "updating forbidden": Missing(
        no_update, ("cannot be written: RBAC forbids", "`update`"), Installation.grant_secret
    ),
    "configuration forbidden": Missing(
        all_but_configuration,
        ("cannot be read: RBAC forbids `get`", "ClusterRoleBinding"),
        Installation.grant_configuration,
    ),
    "patching forbidden": Missing(
        no_patch, ("cannot be set: RBAC forbids `patch`", "ClusterRoleBinding"), Installation.grant_configuration
    ),
    "configuration absent": Missing(not_registered, ("is absent", "helm upgrade"), Installation.register),
}


@pytest.mark.parametrize("missing", MISSING.values(), ids=MISSING.keys())
def test_what_is_missing_is_reported_once_and_heals(bare: Fleet, missing: Missing, tmp_path: Path) -> None:
    """One error line over several rounds, /readyz says the same, and it is served as soon as the right is given."""
    installation = bare.installation
    missing.begin(installation)
    asked: Counter[str] = Counter()

    def count(method: str, path: str, body: bytes) -> None:
        asked[f"{method} {path}"] += 1

    def is_reported() -> bool:
        status, text = replica.readyz()
        return status == 503 and all(part in text for part in missing.words)

    with relay(installation.kubeconfig, tmp_path, count) as kubeconfig:
        replica = bare.start(*seconds(interval=0.4, settle=1), kubeconfig=kubeconfig)
        alive = [replica.process]
        wait_until(is_reported, "what is missing reported by /readyz", alive=alive)
        rounds = f"GET {installation.secret_path}"
        enough = asked[rounds] + ROUNDS
        wait_until(lambda: asked[rounds] >= enough, "some rounds", alive=alive)
        errors = replica.messages("error")
        assert len(errors) == 1
        assert all(part in errors[0] for part in missing.words)
        missing.fix(installation)
        wait_until(lambda: bare.whole() and bare.admits(), "healed", alive=alive)
    assert replica.messages("error") == errors
    assert any(message.startswith("over: ") for message in replica.messages("info"))
    assert replica.events()["bugs"] == 0
