"""Finds words and turns of phrase that readers stumble over, with the plain form for each.

    python -m tools.wording              prints file:line, the text and the plain form; exit status 1 if it finds any
    python -m tools.wording --count      prints how many each folder has; exit status 0
    python -m tools.wording FILE …       reads these files only

Of a Python file it reads the strings, docstrings and comments; of every other file, the whole text. A phrase is found
across a line break, too. A line that ends with `wording: quoted` in a comment is skipped: it quotes somebody else.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["RULES", "Found", "Rule", "files", "find", "main"]

ROOT: Final = Path(__file__).parent.parent
# What users and contributors read. The tests are left out: they quote what they must not find.
READ: Final = (
    *("webhook", "certs", "m365_identity", "demo", "bench", "testbed", "tools", "image", "manifests", "docs"),
    *(
        ".ci",
        ".github",
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "RELEASING.md",
        "SECURITY.md",
        "Dockerfile",
        "Makefile",
    ),
    *("conftest.py", "pyproject.toml", "requirements.in", "requirements-dev.in", ".pre-commit-config.yaml"),
)
TEXT: Final = frozenset({"", ".in", ".json", ".md", ".py", ".toml", ".tpl", ".txt", ".yaml", ".yml"})
QUOTED: Final = "wording: quoted"


@dataclass(frozen=True)
class Rule:
    """What is not written here, and what to write instead.

    names: whether the names in Python code are searched, too.
    """

    pattern: re.Pattern[str]
    fix: str
    names: bool = False


def _rule(pattern: str, fix: str, *, names: bool = False) -> Rule:
    """`pattern` with each space standing for any white space; upper and lower case are the same."""
    return Rule(re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE), fix, names)


RULES: Final = (
    _rule(r"leaf[s]", "leaf certificates, or leaves", names=True),
    _rule(r"\b(is|are|was|were) no\b(?!-| longer\b)", "not a, without, is missing"),
    _rule(r"\b(is|are|was|were) (?-i:none)\b", "not one, is missing"),  # `None` is Python's
    _rule(r"\bmend(s|ed|ing)?\b", "fix"),
    _rule(r"\bnobody\b", "name the actor: no client, no replica"),
    _rule(r"\bwhom\b", "name the actor and turn the sentence round"),
    _rule(r"\bof[ ]ours\b", "our"),
    _rule(r"\blac[k](s|ed|ing)?\b", "is missing, does not have"),
    _rule(r"\bwhoever\b", "name the actor: the user, the operator"),
    _rule(r", where there (is|are)\b", "if there is"),
    _rule(r"\banew\b", "again, a new one"),
    _rule(r"\bin vain\b", "without success, and fails"),
    _rule(r"\bas good as\b", "counts as"),
    _rule(r"\bfor ever\b", "always, without end"),
    _rule(r"\bin truth\b", "really"),
    _rule(r"\bof now\b", "current"),
    _rule(r"(?<=[.;]) else\b(?!:)", "otherwise"),
)


@dataclass(frozen=True)
class Found:
    """One place that breaks a rule. text: the line, without the space around it."""

    path: Path
    line: int
    phrase: str
    text: str
    fix: str

    def __str__(self) -> str:
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{self.line}: {self.text}\n    instead of “{self.phrase}”: {self.fix}"


def find(path: Path) -> list[Found]:
    """What breaks a rule in a file, in the order of its lines. Raises SyntaxError for Python that does not parse."""
    source = path.read_text(encoding="utf-8")
    places = _python(source) if path.suffix == ".py" else _plain(source, RULES)
    lines = source.splitlines()
    return [
        Found(path, line, " ".join(phrase.split()), lines[line - 1].strip(), rule.fix)
        for line, phrase, rule in sorted(places, key=lambda place: place[0])
        if QUOTED not in lines[line - 1]
    ]


_Place = tuple[int, str, Rule]


def _plain(text: str, rules: Iterable[Rule]) -> Iterator[_Place]:
    """Of a text in which a line may begin with `#`, as a comment does, or `>`."""
    flat = re.sub(r"^[ \t]*(#+|>|//)", lambda mark: " " * len(mark[0]), text, flags=re.MULTILINE)
    for rule in rules:
        for match in rule.pattern.finditer(flat):
            yield flat.count("\n", 0, match.start()) + 1, match[0], rule


def _python(source: str) -> Iterator[_Place]:
    yield from _plain(_comments(source), RULES)
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _string(node, node.value, lines)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            for rule in RULES:
                if rule.names and rule.pattern.search(token.string):
                    yield token.start[0], token.string, rule


def _comments(source: str) -> str:
    """The comments of a module where they stand, with a NUL for each character of code."""
    lines = [re.sub(r"\S", "\0", line) for line in source.splitlines()]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + token.string
    return "\n".join(lines)


def _string(node: ast.Constant, value: str, lines: Sequence[str]) -> Iterator[_Place]:
    """Of one string; the line is its first if a phrase begins in one of its parts and ends in the next."""
    last = node.end_lineno or node.lineno
    for rule in RULES:
        shown = [n for n in range(node.lineno, last + 1) if rule.pattern.search(lines[n - 1])]
        for index, match in enumerate(rule.pattern.finditer(value)):
            counted = min(node.lineno + value.count("\n", 0, match.start()), last)
            yield (shown[index] if index < len(shown) else counted), match[0], rule


def files() -> Iterator[Path]:
    """Every file that is read if none is named."""
    for name in READ:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix in TEXT and "__pycache__" not in file.parts:
                yield file


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.wording", description="Find words that are not plain.")
    parser.add_argument("--count", action="store_true", help="print how many there are in each folder; exit status 0")
    parser.add_argument("file", nargs="*", type=Path, help="read these files only")
    options = parser.parse_args(arguments)
    read = set(files())
    if options.file:  # pre-commit names every file that changed
        read &= {path.resolve() for path in options.file}
    found = [each for path in sorted(read) for each in find(path)]
    if options.count:
        for folder, count in Counter(str(each.path.parent.relative_to(ROOT)) for each in found).most_common():
            print(f"{count:4} {folder}")
        print(f"{len(found):4} in all")
        return 0
    for each in found:
        print(each)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
