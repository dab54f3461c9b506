"""Checks .github with two tools: actionlint, built from its Go module, and zizmor, without the network.

    python -m tools.workflows    prints what they find; exit status 1 if they find anything

actionlint reads workflows as GitHub does: syntax, expressions, contexts, permissions, `needs`. zizmor looks for what an
attacker could use: an action that is not pinned by its commit, credentials that stay in the checkout, rights that a
job does not need, text of a stranger in a script. It also reads action.yml and dependabot.yml.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from testbed.cluster import build
from testbed.cluster.build import BuildError, Module, Report, to_stderr

__all__ = ["ROOT", "actionlint", "main", "place", "problems"]

ROOT: Final = Path(__file__).parent.parent
_MODULE: Final = Module(build.MODULES / "actionlint", "github.com/rhysd/actionlint")
_AUDITED: Final = (".github", "action.yml")


def place() -> Path:
    """Where the cache keeps actionlint, built or not."""
    return build.folder_of("actionlint", _MODULE) / "actionlint"


def actionlint(*, report: Report = to_stderr) -> Path:
    """The path of actionlint, which is built first if the cache does not have it. Raises BuildError."""
    return build.cached("actionlint", _MODULE, place(), report=report)


def problems(root: Path = ROOT) -> str:
    """What both tools print about the files below `root`; "" if they find nothing. Raises BuildError."""
    workflows = sorted(str(path.relative_to(root)) for path in (root / ".github" / "workflows").glob("*.y*ml"))
    # The machine's own shellcheck and pyflakes are left out: two machines must say the same.
    lint = [str(actionlint()), "-shellcheck=", "-pyflakes=", "-oneline", *workflows]
    audited = [name for name in _AUDITED if (root / name).exists()]
    audit = [str(Path(sys.executable).with_name("zizmor")), "--offline", "--strict-collection", "--pedantic"]
    return _said(lint, root) + _said([*audit, "--quiet", "--no-progress", "--format=plain", *audited], root)


def _said(command: list[str], root: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZIZMOR_")}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def main(root: Path = ROOT) -> int:
    """The command of the module's docstring, for the files below `root`. Returns its exit status."""
    try:
        found = problems(root)
    except BuildError as error:
        found = f"{error}\n"
    sys.stdout.write(found)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
