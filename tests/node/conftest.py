"""A node for the whole run, with the webhook installed by Helm; and the tests that need one only where asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import compress

import pytest

from testbed.cluster.build import BuildError
from testbed.cluster.processes import ClusterError
from testbed.cluster.selection import SelectionError
from testbed.node import emulator, house, images, renewal
from testbed.node.installed import install, uninstall
from testbed.node.pods import AnyNode, apply
from testbed.node.ready import on_kind, open_node, prepare
from testbed.node.release import RESTRICTED, Release, releasing


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what needs a node, unless the marker or this folder was named: it takes root, or Docker.

    What waits for minutes, `@pytest.mark.node(last=True)`, comes last, and what starts the wait comes first.
    """
    items.sort(key=place)
    if "node" in config.option.markexpr or any("tests/node" in argument for argument in config.args):
        return
    marked = [bool(item.get_closest_marker("node")) for item in items]
    config.hook.pytest_deselected(items=[*compress(items, marked)])
    items[:] = compress(items, [not each for each in marked])


def place(item: pytest.Item) -> int:
    """Where a test of a node belongs: at the front, in the middle with all others, or at the end."""
    marks = list(item.iter_markers("node"))
    if any(mark.kwargs.get("last") for mark in marks):
        return 1
    return -1 if marks and "entra" in getattr(item, "fixturenames", ()) else 0


@pytest.fixture(scope="session")
def built() -> dict[str, images.Image]:
    """Every image by name."""
    try:
        return prepare()
    except (BuildError, ClusterError) as error:
        failure = str(error)
    pytest.fail(failure, pytrace=False)


@pytest.fixture(scope="session")
def node(built: dict[str, images.Image]) -> Iterator[AnyNode]:
    """A cluster with a node that has every image. Nothing that the run made may be left of it."""
    failure = None
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(open_node())
            for image in built.values():
                cluster.load(image)
        except (BuildError, ClusterError, SelectionError) as error:
            failure = str(error)
        if failure is not None:  # outside the handler: the sentence suffices
            pytest.fail(failure, pytrace=False)
        yield cluster
    assert on_kind() or not house.leftovers()


@pytest.fixture(scope="session")
def webhook(node: AnyNode) -> AnyNode:
    """The node, with the webhook installed and ready."""
    install(node)
    return node


@pytest.fixture(scope="session")
def entra(webhook: AnyNode) -> emulator.Emulator:
    """An Entra in a pod, in a namespace of its own that has somebody who may sign in, and takes restricted pods only.

    Two pods there take minutes: one signs in until its token is renewed (test_renewal.py), one waits in vain for a
    credential (test_sign_in.py).
    """
    started = emulator.start(webhook, webhook.create_namespace("signing-in", labels=RESTRICTED))
    apply(webhook, started.namespace, renewal.pod(started), emulator.stranger(started))
    return started


@pytest.fixture(scope="module")
def bare(webhook: AnyNode) -> Iterator[AnyNode]:
    """The node without the plain manifests, which are applied again afterwards."""
    uninstall(webhook)
    yield webhook
    install(webhook)


@pytest.fixture
def release(bare: AnyNode) -> Iterator[Release]:
    """Not installed yet."""
    with releasing(bare) as found:
        yield found


@pytest.fixture
def namespace(node: AnyNode) -> Iterator[str]:
    """A fresh namespace with its `default` ServiceAccount, deleted after the test."""
    name = node.create_namespace()
    yield name
    node.delete_namespace(name)
