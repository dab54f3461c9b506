"""Fixtures that give tests a real cluster: `control_plane`, `owned_control_plane`, `api`, `namespace`.

A pytest plugin: `pytest_plugins = ["testbed.cluster.fixtures"]` in the conftest.py of the checkout gives them to every
test; tests/testbed/cluster/conftest.py loads it without such a file. A test that uses one of them runs once for
each Kubernetes minor (`--kubernetes 1.37,1.34`, or $M365WI_KUBERNETES) and is marked `cluster`. With xdist and `--dist
loadgroup` the tests of a minor share one worker, and so one control plane.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from testbed.cluster import build
from testbed.cluster.api import Api
from testbed.cluster.build import BuildError
from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.processes import ClusterError
from testbed.cluster.selection import Selection, SelectionError, open_cluster, select


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --kubernetes."""
    minors = ",".join(build.MINORS)
    group = parser.getgroup("cluster")
    group.addoption("--kubernetes", metavar="MINORS", help=f"Kubernetes minors to test against (default: {minors})")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs each test that uses a cluster once for each one selected."""
    if "control_plane" in metafunc.fixturenames:
        asked = metafunc.config.getoption("kubernetes", None) or os.environ.get("M365WI_KUBERNETES")
        try:
            chosen = select(os.environ, minors=asked.split(",") if asked else build.MINORS)
        except SelectionError as error:
            raise pytest.Collector.CollectError(str(error)) from None
        parameters = [
            pytest.param(
                one, id=one.name, marks=(pytest.mark.cluster, pytest.mark.xdist_group(f"kubernetes-{one.name}"))
            )
            for one in chosen
            if one.kind != "built" or minor(one.name) >= oldest(metafunc)
        ]
        metafunc.parametrize("control_plane", parameters, indirect=True, scope="session")


def oldest(metafunc: pytest.Metafunc) -> tuple[int, ...]:
    """The oldest minor that has what a test needs: `@pytest.mark.since("1.36")`."""
    return max((minor(mark.args[0]) for mark in metafunc.definition.iter_markers("since")), default=())


def minor(name: str) -> tuple[int, ...]:
    """A minor as numbers, which can be compared."""
    return tuple(map(int, name.split(".")))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds what the chosen tests need before the first starts: a test's time limit is too short for a compiler."""
    if session.config.option.collectonly:
        return
    marked = [
        item for item in session.items if isinstance(item, pytest.Function) and item.get_closest_marker("cluster")
    ]
    planes = [item.callspec.params.get("control_plane") for item in marked if hasattr(item, "callspec")]
    wanted = {plane.name for plane in planes if isinstance(plane, Selection) and plane.kind == "built"}
    lacking = [minor for minor in build.MINORS if minor in wanted and build.missing(minor)]
    capture = session.config.pluginmanager.getplugin("capturemanager")
    for minor in lacking:
        with capture.global_and_fixture_disabled():
            try:
                build.binaries(minor)
            except BuildError:
                return  # the fixture builds again and reports the failure as the error of a test


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running cluster, shared by all tests of one minor. A test leaves nothing in it outside its namespace."""
    with contextlib.ExitStack() as stack:
        failure = None
        try:
            cluster = stack.enter_context(open_cluster(request.param))
        except (BuildError, ClusterError, SelectionError) as error:
            failure = str(error)
        if failure is not None:  # outside the handler: the sentence is enough, without its traceback
            pytest.fail(failure, pytrace=False)
        yield cluster


@pytest.fixture
def owned_control_plane(control_plane: Cluster) -> Iterator[ControlPlane]:
    """Our own control plane: a test may stop it, pause it and read its audit log. It is healed after the test."""
    if not isinstance(control_plane, ControlPlane):
        pytest.skip(f"the {control_plane.name} cluster is not ours to break")
    yield control_plane
    control_plane.heal()  # if the test failed half-way


@pytest.fixture
def api(control_plane: Cluster) -> Api:
    """The administrator's REST client."""
    return control_plane.api


@pytest.fixture
def namespace(control_plane: Cluster) -> Iterator[str]:
    """A fresh namespace with its `default` ServiceAccount, deleted after the test."""
    name = control_plane.create_namespace()
    yield name
    if isinstance(control_plane, ControlPlane):
        control_plane.heal()  # a fixture that was requested earlier heals later than this one
    control_plane.delete_namespace(name)
