"""The webhook as in a pod, without one: `python bench/in_pod.py FOLDER serve …`. FOLDER has token and ca.crt.

The Kubernetes client has fixed paths for what the kubelet mounts; here they are in FOLDER. Nothing else differs from
`python -m webhook`, and nothing is loaded earlier.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

from webhook.commands import main

MODULE = "kubernetes.aio.config.incluster_config"


class Mounts(SourceFileLoader):
    """Loads MODULE, and then changes its paths."""

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module."""
        super().exec_module(module)
        vars(module).update(
            SERVICE_TOKEN_FILENAME=f"{sys.argv[1]}/token", SERVICE_CERT_FILENAME=f"{sys.argv[1]}/ca.crt"
        )


class Finder:
    """Finds MODULE, with the loader above."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, _: ModuleType | None = None) -> ModuleSpec | None:
        """See importlib.abc.MetaPathFinder."""
        found = PathFinder.find_spec(name, path) if name == MODULE else None
        if found and found.origin:
            found.loader = Mounts(name, found.origin)
        return found


if __name__ == "__main__":
    sys.meta_path.insert(0, Finder)
    sys.exit(main(sys.argv[2:]))
