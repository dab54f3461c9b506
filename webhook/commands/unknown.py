"""Arguments that a command does not know: each with the flag that was probably meant."""

import argparse
import difflib
from collections.abc import Iterator, Sequence
from typing import Final

from webhook.core.messages import Message, Place, message
from webhook.core.messages import settings as kinds

_SIMILAR: Final = 0.7  # --servce-account is --service-account; --context is not --contents


def unknown(rest: Sequence[str], parser: argparse.ArgumentParser) -> Iterator[Message]:
    """What is wrong with `rest`, which `parser` left over. The value of an unknown flag is not repeated."""
    known = [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
    after_flag = False
    for word in rest:
        if not word.startswith("-"):
            if not after_flag:
                yield message(kinds.UNKNOWN_ARGUMENT, Place(word), program=parser.prog)
            continue
        after_flag = True
        flag = word.partition("=")[0]
        close = difflib.get_close_matches(flag, known, n=1, cutoff=_SIMILAR)
        if close:
            yield message(kinds.MISSPELT_FLAG, Place(flag), meant=close[0])
        else:
            yield message(kinds.UNKNOWN_FLAG, Place(flag), program=parser.prog)
