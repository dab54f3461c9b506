"""What a code means, from the table of messages."""

import difflib
import string

from certs.messages import TABLE as OF_CERTIFICATES
from webhook.core.messages import TABLE, Kind


def template(text: str) -> str:
    """A text of the table with its values in capitals."""
    parts = []
    for literal, name, _, _ in string.Formatter().parse(text):
        parts.append(literal + (name.upper() if name else ""))
    return "".join(parts)


def explained(code: str) -> str | None:
    """What the code means and what to do; None if no message has it."""
    row = TABLE.get(code.upper()) or OF_CERTIFICATES.get(code.upper())
    if row is None:
        return None
    lines = [f"{row.code}, {row.severity}", "", f"    {template(row.text)}", "", row.help]
    if row.fix:
        lines += ["", f"Fix: {template(row.fix)}"]
    if isinstance(row, Kind) and row.edit:
        lines += ["", f"In a manifest: {template(row.edit)}"]
    return "\n".join(lines) + "\n"


def similar(code: str) -> list[str]:
    """Codes like `code`."""
    return difflib.get_close_matches(code.upper(), [*TABLE, *OF_CERTIFICATES], n=3, cutoff=0.75)
