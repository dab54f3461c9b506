"""The plain manifests, rendered from the chart: manifests/install.yaml, and one for each other scope.

python -m testbed.chart.manifests            writes them
python -m testbed.chart.manifests --check    says whether they are what the chart renders; exit status 1 if not
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from testbed.chart import helm
from testbed.cluster.build import BuildError
from webhook.core.policy import SCOPES

__all__ = ["PLAIN", "main", "plain"]

# The file of each scope, in manifests/. The default scope has the name that people look for.
PLAIN: Final[Mapping[str, str]] = {
    scope: "install.yaml" if scope == "pod-label" else f"install-{scope}.yaml" for scope in SCOPES
}
HEADER: Final = """\
# The webhook in scope {scope}, for `kubectl apply`. `make manifests` writes this file from manifests/chart.
# docs/install.md says how to set your image.
"""


def plain(scope: str, *, chart: Path = helm.CHART, header: str = HEADER) -> str:
    """The manifests of a scope, in the order in which they can be applied. Raises Refused or BuildError."""
    text = helm.render({"scope": scope, "namespace": {"create": True}}, more=("--skip-tests",), chart=chart)
    documents = []
    for document in text.split("\n---\n"):
        lines = [line for line in document.splitlines() if not line.startswith(("# Source: ", "---"))]
        documents.append("\n".join(lines).strip() + "\n")
    return "---\n".join([header.format(scope=scope), *documents])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed.chart.manifests", description="Render the plain manifests."
    )
    parser.add_argument("--check", action="store_true", help="change nothing; report what differs")
    options = parser.parse_args(arguments)
    stale = False
    for scope, name in PLAIN.items():
        path = helm.CHART.parent / name
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        try:
            after = plain(scope)
        except (helm.Refused, BuildError) as error:
            sys.stderr.write(f"{error}\n")
            return 1
        if before == after:
            continue
        if not options.check:
            path.write_text(after, encoding="utf-8")
            continue
        stale = True
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, "the chart", lineterm="")
        sys.stderr.write("\n".join(lines) + f"\nmanifests/{name} is not what the chart renders: make manifests\n")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
