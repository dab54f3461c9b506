"""Makes docs/variables.md from the table of families and tools.

python -m tools.variables            writes the page
python -m tools.variables --check    prints how the page differs from the table; exit status 1 if it does
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from webhook.core.families import DEFAULT_FAMILIES, FAMILIES, TOOLS, Tool

__all__ = ["PAGE", "main", "page"]

PAGE: Final = Path(__file__).parent.parent / "docs" / "variables.md"
_HEADER: Final = """\
# Which tool reads which variables

A pod gets the families of variables that the annotation `m365.workload.identity/env` names on it or on its
ServiceAccount, separated by commas; without it, those of the webhook's `--env`, or `{default}`. A variable that a
container sets itself stays.

<!-- `make variables` writes this page from webhook/core/families.py: change that. -->

## Families
"""
_AFTER_FAMILIES: Final = """
`AZURE_FEDERATED_TOKEN_FILE` comes with every family. `M365_OIDC_TOKEN_FILE_PATH` comes with the auth method `oidc`, and
[if `AZURE_FEDERATED_TOKEN_FILE` is for somebody else](coexistence.md); `M365_MANAGED_IDENTITY_ID` comes with
`managed_identity`. `arm` and `ansible` sign in as the application of `azure.workload.identity/client-id`, as `azure`
does; the others as that of `m365.workload.identity/client-id`, if it is set. In the clouds `ex` and `rx`,
`ARM_ENVIRONMENT` and `AZURE_CLOUD_ENVIRONMENT` are left out, for no value stands for them.
`ARM_OIDC_REQUEST_TOKEN` and `ARM_OIDC_REQUEST_URL` have values that nothing uses: Power Platform's provider does not
start without them, although it has the file. A container that sets `ARM_CLIENT_ID_FILE_PATH` gets no `ARM_CLIENT_ID`:
with both, azurerm stops unless they are the same.

Without `azure`, PnP PowerShell, kubelogin and Ansible do not sign in: they read only `AZURE_*` (Ansible is content with
`ansible`). The webhook warns about it.

## Tools

A version is the one that was looked at; newer ones may read more.
"""


def page() -> str:
    """The text of docs/variables.md."""
    return "\n".join([_HEADER.format(default=",".join(DEFAULT_FAMILIES)), *_families(), _AFTER_FAMILIES, *_tools(), ""])


def _families() -> Iterator[str]:
    yield "| family | variables | beside configuration in code |"
    yield "|---|---|---|"
    for name, family in FAMILIES.items():
        yield f"| `{name}` | {_code(family.variables)} | {family.overrides} |"


def _tools() -> Iterator[str]:
    yield "| tool | version | family | reads | how to sign in | looked up in |"
    yield "|---|---|---|---|---|---|"
    yield from map(_row, TOOLS)


def _row(tool: Tool) -> str:
    return f"| {tool.name} | {tool.version} | `{tool.family}` | {_code(tool.variables)} | {tool.use} | {tool.source} |"


def _code(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks the page; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.variables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    flags = parser.parse_args(arguments)
    wanted = page()
    if not flags.check:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    present = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if present == wanted:
        return 0
    difference = difflib.unified_diff(present.splitlines(True), wanted.splitlines(True), str(PAGE.name), "the table")
    print("".join(difference) + f"docs/{PAGE.name} does not match the table: make variables")
    return 1


if __name__ == "__main__":
    sys.exit(main())
