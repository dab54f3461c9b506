"""Whose certificates are trusted: the variables that name files with authorities, and who reads which."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from m365_identity._checks.found import Found
from m365_identity._checks.result import Finding, fail, ok, warn
from m365_identity._network import trusted_authorities
from m365_identity.errors import SettingsError

__all__ = ["authorities"]

_GO: Final = "SSL_CERT_FILE"
_DIRECTORY: Final = "SSL_CERT_DIR"


def authorities(found: Found) -> Iterator[Finding]:
    """The variables name files that are there and hold certificates; and the same for Python and for Go."""
    used = next((name for name in trusted_authorities.VARIABLES if found.environ.get(name)), None)
    try:
        found.verify = trusted_authorities.authorities(found.environ)
    except SettingsError as error:
        for problem in error.problems:
            yield fail(problem, fix=f"correct {used}, or unset it: the usual authorities are trusted then")
        return
    if used:
        yield ok(f"those in {found.environ[used]} ({used}), and no others")
    else:
        yield ok("the public ones that come with Python's certifi")
    yield from _unused(found.environ, used)
    yield from _differences(found.environ, used)


def _unused(environ: Mapping[str, str], used: str | None) -> Iterator[Finding]:
    """Variables that are not read here, and by other programs of the pod."""
    for name in trusted_authorities.VARIABLES:
        if name == used:
            continue
        try:
            trusted_authorities.authorities({name: environ.get(name, "")})
        except SettingsError as error:
            yield warn("; ".join(error.problems), fix=f"correct {name}, or unset it: other programs read it")
    folders = [folder for folder in environ.get(_DIRECTORY, "").split(":") if folder]
    if folders and not any(Path(folder).is_dir() for folder in folders):
        yield warn(
            f'{_DIRECTORY} is "{environ[_DIRECTORY]}", which is no folder',
            fix=f"correct {_DIRECTORY}, or unset it: Go and OpenSSL read it",
        )


def _differences(environ: Mapping[str, str], used: str | None) -> Iterator[Finding]:
    if used in (None, _GO):
        return
    others = environ.get(_GO, "")
    if not others:
        yield warn(
            f"{used} is set and {_GO} is not: Python trusts the file, and Terraform and other programs in Go do not",
            fix=f"set {_GO} to {environ[used]} as well",
        )
    elif _content(others) not in (None, _content(environ[used])):
        yield warn(
            f"{used} and {_GO} name different certificates: Python trusts those of the first, Go those of the second",
            fix="name one file in both",
        )


def _content(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None
