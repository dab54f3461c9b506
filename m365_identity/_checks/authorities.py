"""Whose certificates are trusted: the variables that name files and folders with authorities, and who reads which."""

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


def authorities(found: Found) -> Iterator[LinkFinding]:
    """The variables name what is there and holds certificates; and the same for Python and for Go."""
    try:
        used = trusted_authorities.check(found.environ)
        found.trust = trusted_authorities.authorities(found.environ)
    except SettingsError as error:
        yield from map(from_message, error._messages)
        return
    more = trusted_authorities.folders(found.environ)
    folders = ":".join(map(str, more))
    if used:
        also = f", and those in {folders} ({trusted_authorities.FOLDERS})" if more else ""
        yield finding(messages.AUTHORITIES_OF_FILE, path=found.environ[used], variable=used, also=also)
    elif more:
        yield finding(messages.AUTHORITIES_ALSO, path=folders, variable=trusted_authorities.FOLDERS)
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
    if Path(environ.get(_GO) or ".").is_dir() and environ.get(_GO):
        yield finding(messages.AUTHORITIES_FOLDER_IN_FILE, variable=_GO, path=environ[_GO])
    directory = trusted_authorities.FOLDERS
    folders = [folder for folder in environ.get(directory, "").split(":") if folder]
    if folders and not any(Path(folder).is_dir() for folder in folders):
        yield finding(messages.AUTHORITIES_FOLDER, variable=directory, path=environ[directory])


def _differences(environ: Mapping[str, str], used: str | None) -> Iterator[LinkFinding]:
    """What Python trusts, and Go does not. A folder for Go is SSL_CERT_DIR."""
    if used in (None, _GO):
        return
    path = Path(environ[used])
    go = trusted_authorities.FOLDERS if path.is_dir() else _GO
    values = {"variable": used, "go": go, "path": environ[used]}
    others = environ.get(go, "")
    if not others:
        yield finding(messages.AUTHORITIES_NOT_FOR_GO, **values)
    elif _differ(path, others):
        yield finding(messages.AUTHORITIES_DIFFER, **values)


def _differ(path: Path, others: str) -> bool:
    if path.is_dir():
        return not any(Path(folder).is_dir() and path.samefile(folder) for folder in others.split(":") if folder)
    return _content(others) not in (None, _content(str(path)))


def _content(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None
