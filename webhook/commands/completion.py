"""`m365wi completion SHELL`: prints what makes a shell complete the commands and flags of `m365wi`."""

import argparse
from collections.abc import Mapping
from typing import Final

from webhook.commands.printed import write_stdout
from webhook.core.messages import message
from webhook.core.messages.settings import LIBRARY_MISSING
from webhook.settings import SettingsError

# Each with the line of its start-up file, which --help shows.
_SHELLS: Final = {
    "bash": 'eval "$(m365wi completion bash)"',
    "zsh": 'autoload -U compinit && compinit; eval "$(m365wi completion zsh)"',
    "fish": "m365wi completion fish | source",
    "powershell": "m365wi completion powershell | Out-String | Invoke-Expression",
}
_PROGRAM: Final = "m365wi"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    lines = "".join(f"  {shell.ljust(12)}{line}\n" for shell, line in _SHELLS.items())
    parser.epilog = (
        f"Put the line of your shell into the file that it reads when it starts:\n\n{lines}\n"
        "kubectl's own completion, if it is set up, has `kubectl m365wi` as well."
    )
    parser.add_argument("shell", choices=_SHELLS, help="the shell")


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Prints the text for the shell. Raises SettingsError without argcomplete, which the image does not have."""
    try:
        from argcomplete.shell_integration import shellcode
    except ModuleNotFoundError:
        missing = message(LIBRARY_MISSING, command="completion", library="argcomplete", extra="")
        raise SettingsError([missing]) from None
    write_stdout(shellcode([_PROGRAM], shell=flags.shell) + "\n")
    return 0
