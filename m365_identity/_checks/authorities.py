"""Whose certificates are trusted: the variables that name files with authorities, and who reads which."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from m365_identity._checks.found import Found
from m365_identity._checks.result import LinkFinding, finding, from_message
from m365_identity._messages import settings as messages
from m365_identity._network import trusted_authorities
from m365_identity.errors import SettingsError

__all__ = ["authorities"]

_GO: Final = "SSL_CERT_FILE"
_DIRECTORY: Final = "SSL_CERT_DIR"


def authorities(found: Found) -> Iterator[LinkFinding]:
    """The variables name files that are there and hold certificates; and the same for Python and for Go."""
    used = next((name for name in trusted_authorities.VARIABLES if found.environ.get(name)), None)
    try:
        found.verify = trusted_authorities.authorities(found.environ)
    except SettingsError as error:
        yield from map(from_message, error._messages)
        return
    if used:
        yield finding(messages.AUTHORITIES_OF_FILE, path=found.environ[used], variable=used)
    else:
        yield finding(messages.AUTHORITIES_PUBLIC)
    yield from _unused(found.environ, used)
    yield from _differences(found.environ, used)


def _unused(environ: Mapping[str, str], used: str | None) -> Iterator[LinkFinding]:
    """Variables that are not read here, but by other programs of the pod."""
    for name in trusted_authorities.VARIABLES:
        path = environ.get(name, "")
        problem = trusted_authorities.problem(path) if path and name != used else ""
        if problem:
            yield finding(messages.AUTHORITIES_OF_OTHERS_WRONG, variable=name, path=path, problem=problem)
    folders = [folder for folder in environ.get(_DIRECTORY, "").split(":") if folder]
    if folders and not any(Path(folder).is_dir() for folder in folders):
        yield finding(messages.AUTHORITIES_FOLDER, variable=_DIRECTORY, path=environ[_DIRECTORY])


def _differences(environ: Mapping[str, str], used: str | None) -> Iterator[LinkFinding]:
    if used in (None, _GO):
        return
    values = {"variable": used, "go": _GO, "path": environ[used]}
    others = environ.get(_GO, "")
    if not others:
        yield finding(messages.AUTHORITIES_NOT_FOR_GO, **values)
    elif _content(others) not in (None, _content(environ[used])):
        yield finding(messages.AUTHORITIES_DIFFER, **values)


def _content(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None
