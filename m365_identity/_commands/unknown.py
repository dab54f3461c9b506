"""Words of a command line that a program does not know, each with what was probably meant. m365wi uses it, too."""

import argparse
import enum
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

__all__ = ["Unknown", "Word", "leftover", "near", "of_program", "one_of"]

_SIMILAR: Final = 0.7  # --servce-account is --service-account; --context is not --contents
_SIMILAR_COMMAND: Final = 0.6  # there are few of them, and they are short
_FLAGS: Final = ("-h", "--help", "--version")  # of a program, before its command


class Word(enum.Enum):
    """What a word was meant to be."""

    COMMAND = enum.auto()
    FLAG = enum.auto()
    ARGUMENT = enum.auto()


class Unknown(NamedTuple):
    """A word that is not known. A flag has no value, since that may be a secret. meant: "" if nothing is like it."""

    kind: Word
    word: str
    meant: str = ""


def near(word: str, known: Iterable[str], *, similar: float = _SIMILAR) -> str:
    """The one of `known` that is most like `word`, or ""."""
    import difflib  # most command lines are right

    close = difflib.get_close_matches(word, [*known], n=1, cutoff=similar)
    return close[0] if close else ""


def of_program(arguments: Sequence[str], commands: Collection[str]) -> Unknown | None:
    """What is wrong before the flags of a command: its name, or, without one, a flag."""
    word = next((argument for argument in arguments if not argument.startswith("-")), "")
    if word and word not in commands:
        return Unknown(Word.COMMAND, word, near(word, commands, similar=_SIMILAR_COMMAND))
    flag = next((argument.partition("=")[0] for argument in arguments if argument not in _FLAGS), "")
    return Unknown(Word.FLAG, flag, near(flag, _FLAGS)) if flag and not word else None


def leftover(rest: Sequence[str], parser: argparse.ArgumentParser) -> Iterator[Unknown]:
    """What is wrong with `rest`, which `parser` left over: flags, and arguments that are not the value of one."""
    known = [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
    after_flag = False
    for word in rest:
        if not word.startswith("-"):
            if not after_flag:
                yield Unknown(Word.ARGUMENT, word)
            continue
        after_flag = True
        flag = word.partition("=")[0]
        yield Unknown(Word.FLAG, flag, near(flag, known))


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """The `type` of an argument that is one of `names`, for argparse."""

    def read(word: str) -> str:
        if word in names:
            return word
        meant = near(word, names, similar=_SIMILAR_COMMAND)
        question = f"; did you mean {meant}?" if meant else ""
        raise argparse.ArgumentTypeError(f"unknown {word!r}, expected one of {', '.join(names)}{question}")

    return read
