"""The requests of a verdict as commands of a POSIX shell, for --dry-run."""

import json
import re
from collections.abc import Mapping
from typing import Final

from webhook.onboarding.verdicts import Call, Deed, Service

_VARIABLE: Final = re.compile(r"\$([A-Z_]+)")


def commands(call: Call | Deed, roots: Mapping[Service, str]) -> str:
    """The command that makes the same request. roots: the address of each service.

    A body may name a variable that an earlier command set, $APP_ID: it is outside of the quotes.
    """
    if isinstance(call, Deed):
        return re.sub(r"'(\$[A-Z_]+)'", r'"\1"', call.command) + "\n"  # it was quoted as any other id
    if call.command:
        return f"{call.command}\n"
    words = ["az rest", f"--method {call.method}", f'--url "{roots[call.service]}{call.path}"']
    if call.service is Service.RESOURCE_MANAGER:
        words.append(f"--resource {roots[call.service]}/")
    if call.body is not None:
        words.append(f"--headers Content-Type=application/json --body {quoted(json.dumps(call.body))}")
    command = " ".join(words)
    for variable, member in call.saves.items():
        command = f"{variable}=$({command} --query {member} -o tsv)"
    return f"{command}\n"


def quoted(text: str) -> str:
    """`text` as one word of the shell, in which only $NAME is replaced."""
    parts = re.split(r"(\$[A-Z_]+)", text)
    return "".join(
        f'"{part}"' if _VARIABLE.fullmatch(part) else "'" + part.replace("'", "'\"'\"'") + "'" for part in parts if part
    )
