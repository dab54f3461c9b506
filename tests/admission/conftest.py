"""The webhook as a process that a real kube-apiserver calls, with only the rights that it needs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from demo.server import Running, running
from testbed.cluster.cluster import Cluster
from testbed.cluster.registration import webhook_registration
from tests.admission.helpers import with_least_rights


@pytest.fixture(scope="session")
def webhook_kubeconfig(control_plane: Cluster) -> Path:
    """The kubeconfig of a user who may read ServiceAccounts and nothing else."""
    return with_least_rights(control_plane)


@pytest.fixture(scope="module")
def webhook(
    control_plane: Cluster, webhook_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """The webhook in its default scope, called for labelled pods in every namespace."""
    folder = tmp_path_factory.mktemp("webhook")
    with running(folder, ["--kubeconfig", str(webhook_kubeconfig)]) as process:
        with webhook_registration(control_plane.api, process.url, process.authority.encode()):
            yield process


@pytest.fixture
def another_webhook(
    control_plane: Cluster, webhook_kubeconfig: Path, tmp_path: Path
) -> Iterator[Callable[..., Running]]:
    """Starts and registers a webhook with other settings, for the length of a test.

    A module that uses `webhook` must not use it: that one is called until the module's last test ends.
    """
    with ExitStack() as stack:

        def start(*arguments: str, kubeconfig: Path | None = None, **registration: Any) -> Running:
            folder = tmp_path / f"webhook-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            settings = ["--kubeconfig", str(kubeconfig or webhook_kubeconfig), *arguments]
            process = stack.enter_context(running(folder, settings))
            stack.enter_context(
                webhook_registration(control_plane.api, process.url, process.authority.encode(), **registration)
            )
            return process

        yield start
