"""A Helm release of the chart on a node that has no other installation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.chart.helm import CHART, NAME, NAMESPACE, helm
from testbed.cluster.processes import ClusterError, wait_until
from testbed.node import images
from testbed.node.installed import SELECTOR
from testbed.node.pods import AnyNode

__all__ = ["RESTRICTED", "Release", "releasing"]

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
REPOSITORY, TAG = images.WEBHOOK.rsplit(":", 1)


class Release:
    """A release, with Helm's commands as in docs/install.md."""

    def __init__(self, node: AnyNode) -> None:
        self.node = node

    def install(self, *, chart: Path = CHART, image: str = images.WEBHOOK, **values: Any) -> None:
        """Installs, and returns when every replica is ready. `values` are added to those of the image."""
        repository, tag = image.rsplit(":", 1)
        self._run(
            "install", NAME, str(chart), "--wait", values={"image": {"repository": repository, "tag": tag}, **values}
        )

    def upgrade(self, **values: Any) -> None:
        """Upgrades, and returns when every replica is of the new template."""
        self._run("upgrade", NAME, str(CHART), "--wait", "--reset-then-reuse-values", values=values)

    def test(self) -> str:
        """What `helm test` prints. Raises Refused if it fails."""
        return self._run("test", NAME)

    def uninstall(self) -> None:
        """Uninstalls if there is a release, and returns when all that Helm made is gone. Replicas may still drain."""
        self._run("uninstall", NAME, "--ignore-not-found", "--wait")

    def remains(self) -> list[str]:
        """The objects of the webhook, of any kind and in any namespace, and Helm's own records."""
        kinds = self.node.kubectl("api-resources", "--verbs=list", "--output=name").stdout.split()
        labelled = ("--all-namespaces", f"--selector={SELECTOR}", "--output=name", "--ignore-not-found")
        found = self.node.kubectl("get", ",".join(kinds), *labelled).stdout.split()
        records = ("--namespace", NAMESPACE, "--field-selector=type=helm.sh/release.v1", "--output=name")
        return found + self.node.kubectl("get", "secrets", *records).stdout.split()

    def await_removal(self) -> None:
        """Waits until nothing of it is left. Raises ClusterError with what is."""

        def is_removed() -> bool:
            if left := self.remains():
                raise ClusterError(", ".join(left))
            return True

        wait_until(is_removed, "nothing of the webhook left")

    def _run(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        return helm(*arguments, "--namespace", NAMESPACE, values=values, kubeconfig=self.node.kubeconfig)


@contextmanager
def releasing(node: AnyNode) -> Iterator[Release]:
    """A release that a test may install, in the namespace of docs/install.md. It is removed after the block."""
    node.create_namespace(NAMESPACE, labels=RESTRICTED)
    release = Release(node)
    try:
        yield release
    finally:
        release.uninstall()
        release.await_removal()
        node.kubectl("delete", "namespace", NAMESPACE, "--timeout=100s")
