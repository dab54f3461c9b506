"""`make test-quick` starts no process: a test that may start one is marked `slow`, `cluster`, `node` or `tools`."""

from __future__ import annotations

import inspect
import multiprocessing
import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

# The code that is followed. Libraries are not: none that we use starts a process by itself.
OURS = {"tests", "testbed", "demo", "bench", "conftest"}
STARTERS = (subprocess, multiprocessing)

# Tests that reach one of the starters and are quick nevertheless.
QUICK = {
    "tests/testbed/cluster/test_build.py": "a shell script of two lines stands for the compiler",
    "tests/testbed/cluster/test_selection.py": "a cluster is chosen, and not started",
    "tests/test_markers.py": "the functions that start a process are not called",
}

# Code that is not followed, because a test reaches it without running it.
ON_REQUEST = {
    "tests.helper.elsewhere": "only test_oldest.py, which is marked, gives a pod another interpreter",
}


def _names(code: types.CodeType) -> set[str]:
    """The names that `code` and the functions in it look up."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*inner)


def _used(thing: Any) -> Iterator[Any]:
    """What our function or class names: the globals that it reads, and members of our modules among them."""
    if isinstance(thing, property):
        yield from (thing.fget, thing.fset)
    elif isinstance(thing, type):
        yield from vars(thing).values()
    elif isinstance(thing, types.FunctionType):
        names = _names(thing.__code__)
        for value in [thing.__globals__[name] for name in names if name in thing.__globals__]:
            yield value
            if isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] in OURS:
                yield from (getattr(value, name) for name in names if hasattr(value, name))


def _starts_processes(root: Any, clean: set[Any]) -> bool:
    """Whether `root`, or a function or class that it names, uses one of STARTERS. `clean`: those known not to."""
    visited, waiting = set(), [root]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, types.ModuleType):
            if thing in STARTERS:
                return True
            continue
        thing = inspect.unwrap(getattr(thing, "__func__", thing))
        if not isinstance(thing, (property, type, types.FunctionType)) or thing in visited or thing in clean:
            continue
        if getattr(thing, "__module__", None) in ON_REQUEST:
            continue
        if isinstance(thing, property) or thing.__module__.partition(".")[0] in OURS:
            visited.add(thing)
            waiting.extend(_used(thing))
    clean |= visited
    return False


def _unmarked(items: list[pytest.Item]) -> Iterator[str]:
    """The tests among `items` that may start a process for themselves, without a mark that says so.

    A fixture of the whole session does not count: its process is started once for many tests.
    """
    clean: set[Any] = set()
    for item in items:
        if not isinstance(item, pytest.Function) or any(
            map(item.get_closest_marker, ("slow", "cluster", "node", "tools"))
        ):
            continue
        definitions = [one for found in item._fixtureinfo.name2fixturedefs.values() for one in found]
        functions = [item.function, *(one.func for one in definitions if one.scope != "session")]
        if item.nodeid.partition("::")[0] not in QUICK and any(_starts_processes(one, clean) for one in functions):
            yield item.nodeid


def test_a_test_that_starts_a_process_is_marked_slow(request: pytest.FixtureRequest) -> None:
    """Judges the tests of this run: all of them, or those that were chosen."""
    assert sorted({nodeid.partition("[")[0] for nodeid in _unmarked(request.session.items)}) == []


def _by_command() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


class _Program:
    def _start(self) -> None:
        _by_command()


def test_a_process_is_noticed_behind_functions_and_methods() -> None:
    def starts() -> None:
        _Program()

    def starts_none() -> None:
        _names(starts.__code__)

    assert _starts_processes(starts, set())
    assert not _starts_processes(starts_none, set())
