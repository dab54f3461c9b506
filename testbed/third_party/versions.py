"""The versions that are tried, as the lock files have them."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from testbed.third_party.build import HERE

__all__ = ["version"]

_ROOT = HERE.parents[1]


def version(package: str) -> str:
    """The version of a package: its kind, a colon, and its name. Raises LookupError."""
    kind, _, name = package.partition(":")
    if kind == "npm":
        lock = json.loads((HERE / "npm" / "package-lock.json").read_text())
        return str(lock["packages"][f"node_modules/{name}"]["version"])
    if kind == "cargo":
        lock = tomllib.loads((HERE / "rust" / "Cargo.lock").read_text())
        return next(str(each["version"]) for each in lock["package"] if each["name"] == name)
    if kind == "go":
        module, _, path = name.partition(":")
        return _found(HERE / "go" / module / "go.mod", rf"^\s*(?:require )?{re.escape(path)} v(\S+)")
    if kind == "maven":
        return _found(HERE / "java" / "pom.xml", rf"<artifactId>{name}</artifactId>\s*<version>(.+?)</version>")
    if kind == "provider":
        return _found(HERE / "terraform" / name / "main.tf", r'^\s*version\s*=\s*"(.+)"')
    lock_file = _ROOT / "requirements-dev.txt" if kind == "pip" else HERE / "python" / f"{kind}.txt"
    return _found(lock_file, rf"^{re.escape(name)}==([^\s;]+)")


def _found(file: Path, pattern: str) -> str:
    found = re.search(pattern, file.read_text(), re.MULTILINE)
    if not found:
        raise LookupError(f"{file}: nothing matches {pattern}")
    return found[1]
