"""What is rendered from the chart: manifests/install.yaml, and one for each other scope; and webhook/checks/chart.yaml,
from which `m365wi check --pre` knows what rights an installation needs.

python -m testbed.chart.manifests            writes them
python -m testbed.chart.manifests --check    says whether they are what the chart renders; exit status 1 if not
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from testbed.chart import helm
from testbed.cluster.build import BuildError
from testbed.cluster.registration import PLAIN
from webhook.checks import rights

__all__ = ["main", "plain", "skeleton"]

HEADER: Final = """\
# The webhook in scope {scope}, for `kubectl apply`. `make manifests` writes this file from manifests/chart.
# docs/install.md says how to set your image.
"""
SKELETON_HEADER: Final = """\
# The objects of manifests/chart with its defaults, as far as they decide what rights an installation needs.
# `make manifests` writes this file.
"""
_OF_METADATA: Final = ("name", "namespace")


def plain(scope: str, *, chart: Path | None = None, header: str = HEADER) -> str:
    """The manifests of a scope, in the order in which they can be applied. chart: None for that of this checkout.

    Raises Refused or BuildError.
    """
    values = {"scope": scope, "namespace": {"create": True}}
    text = helm.render(values, more=("--skip-tests",), chart=chart or helm.CHART)
    documents = []
    for document in text.split("\n---\n"):
        lines = [line for line in document.splitlines() if not line.startswith(("# Source: ", "---"))]
        documents.append("\n".join(lines).strip() + "\n")
    return "---\n".join([header.format(scope=scope), *documents])


def skeleton() -> str:
    """The objects as `rights.needed` reads them. Raises Refused or BuildError."""
    documents = [
        {
            "apiVersion": each["apiVersion"],
            "kind": each["kind"],
            "metadata": {key: value for key, value in each["metadata"].items() if key in _OF_METADATA},
            **{key: each[key] for key in ("rules", "roleRef") if key in each},
        }
        for each in helm.template(more=("--skip-tests",))
    ]
    text: str = yaml.safe_dump_all(documents, sort_keys=False)
    return SKELETON_HEADER + text


def _rendered() -> dict[Path, str]:
    """Each file and its content. Raises Refused or BuildError."""
    top = helm.CHART.parents[1]
    found = {top / "manifests" / name: plain(scope) for scope, name in PLAIN.items()}
    return {**found, top / rights.CHART.relative_to(Path(rights.__file__).parents[2]): skeleton()}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed.chart.manifests", description="Render the plain manifests."
    )
    parser.add_argument("--check", action="store_true", help="change nothing; report what differs")
    options = parser.parse_args(arguments)
    try:
        rendered = _rendered()
    except (helm.Refused, BuildError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    stale = False
    for path, after in rendered.items():
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if before == after:
            continue
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(after, encoding="utf-8")
            continue
        stale = True
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), path.name, "the chart", lineterm="")
        name = path.relative_to(helm.CHART.parents[1]).as_posix()
        sys.stderr.write("\n".join(lines) + f"\n{name} is not what the chart renders: make manifests\n")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
