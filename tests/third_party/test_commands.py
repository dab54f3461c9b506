"""Every command of az, kubectl, helm and terraform in our docs, messages and manifests is one, with its options.

What the program itself prints for `--help` is its published documentation; az's is the version that the lock file pins.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from testbed.chart import helm
from testbed.cluster import build
from testbed.third_party.build import place

pytestmark = [pytest.mark.tools, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
# How a command begins: only these words, so that prose is not taken for one.
GROUPS = {
    "az": r"account|ad|aks|connectedk8s|identity|login|rest|role|storage",
    "kubectl": r"annotate|apply|auth|create|cp|debug|delete|describe|drain|exec|get|label|logs|patch|port-forward"
    r"|rollout|run|set|wait",
    "helm": r"install|lint|package|pull|push|rollback|template|test|uninstall|upgrade",
    "terraform": r"apply|init|plan|validate",
}
# Commands of kubectl that have commands of their own.
NESTED = ("auth", "create", "rollout", "set")
END = re.compile(r"[`|;\n]|&&|\$\(| -- | in that |: ")


class Command(NamedTuple):
    """A command, its words, and the options that are given to it."""

    program: str
    words: tuple[str, ...]
    options: tuple[str, ...]


def pages() -> Iterator[Path]:
    """Where users find commands."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))
    yield from sorted(path for path in (ROOT / "manifests").rglob("*") if path.suffix in (".yaml", ".txt", ".tpl"))


def commands() -> list[Command]:
    """All of them, each once."""
    found: dict[Command, None] = {}
    for path in pages():
        text = re.sub(r"\\\n\s*", "", path.read_text()).replace("\\", "")
        for program, groups in GROUPS.items():
            for match in re.finditer(rf"(?<![\w/.-]){program} (?:{groups})\b.*", text):
                found[read(END.split(match[0])[0])] = None
    return sorted(found)


def read(text: str) -> Command:
    """A command line as a Command."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "TEXT", text)
    program, *rest = text.split(" # ")[0].split()
    words: list[str] = []
    for word in rest:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", word):
            break
        words.append(word)
    if program == "kubectl":
        words = words[: 2 if words[0] in NESTED else 1]
    elif program != "az":
        words = words[:1]
    matches = (re.match(r"--?[a-zA-Z][\w-]*", word) for word in rest)
    options = [match[0] for match in matches if match]
    if program == "kubectl":  # `-it` is `-i -t`
        short = [option for option in options if option[1] != "-"]
        options = [each for each in options if each[1] == "-"] + [f"-{letter}" for each in short for letter in each[1:]]
    return Command(program, tuple(words), tuple(dict.fromkeys(options)))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the programs. Without one, az writes into a folder `None` of the working directory."""
    return tmp_path_factory.mktemp("home")


@functools.cache
def help_of(program: str, words: tuple[str, ...], home: Path) -> str:
    """What the program says about a command; "" if it has no such command."""
    said = functools.partial(answer, home)
    if program == "terraform":
        return said(str(place("opentofu") / "opentofu"), *words, "-help")
    if program == "helm":
        return said(str(helm.binary()), *words, "--help")
    if program == "kubectl":
        kubectl = str(build.binary("kubectl"))
        return said(kubectl, *words, "--help") + said(kubectl, "options")
    return said(str(place("az") / "bin" / "az"), *words, "--help")


def answer(home: Path, *command: str) -> str:
    """Standard output, "" if the command fails."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home, check=False)
    return "" if done.returncode else done.stdout


@pytest.mark.parametrize("command", commands(), ids=lambda command: " ".join(command[1] + command[2]))
def test_a_command_is_in_its_published_documentation(command: Command, home: Path) -> None:
    """The command itself, and each option."""
    text = help_of(command.program, command.words, home)
    assert text, f"{command.program} {' '.join(command.words)}: there is no such command"
    unknown = [option for option in command.options if not re.search(rf"(?<![\w-]){option}(?![\w-])", text)]
    assert unknown == []


def test_the_commands_are_found() -> None:
    """Those of the guide among them."""
    found = {(command.program, *command.words) for command in commands()}
    for words in ("az ad app create", "az ad app permission admin-consent", "kubectl rollout status", "helm upgrade"):
        assert tuple(words.split()) in found
