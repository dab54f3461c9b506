"""Chooses the node, by M365WI_TEST_CLUSTER, and prepares all that it needs before it starts."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

from testbed.cluster import build
from testbed.node import kind, packages
from testbed.node.images import Buildah, Builder, Image, build_all
from testbed.node.node import Node
from testbed.node.pods import AnyNode

__all__ = ["builder", "on_kind", "open_node", "prepare"]


def on_kind() -> bool:
    """Whether the node is kind's, which needs Docker. Otherwise it is ours, which needs root."""
    return os.environ.get("M365WI_TEST_CLUSTER") == "kind"


def builder() -> Builder:
    """What builds the images for the node."""
    return kind.Docker() if on_kind() else Buildah()


def prepare() -> dict[str, Image]:
    """Installs and builds the programs, and builds the images, which it returns. Raises BuildError or ClusterError."""
    if not on_kind():
        packages.install()
        build.binaries(build.MINORS[0])
        for tool in build.NODE:
            build.binary(tool)
    return build_all(builder())


def open_node() -> AbstractContextManager[AnyNode]:
    """The node itself. Raises BuildError, ClusterError or SelectionError."""
    return kind.open_node() if on_kind() else Node()
