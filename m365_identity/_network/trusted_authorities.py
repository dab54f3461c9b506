"""Whose certificates are trusted: the same for requests, which reads REQUESTS_CA_BUNDLE, and for aiohttp and OpenSSL,
which read SSL_CERT_FILE and SSL_CERT_DIR.

The first of REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE that is set replaces the usual authorities. It names a
file of PEM certificates, or a folder of them. If neither of the first two is set, the folders of SSL_CERT_DIR count as
well, next to SSL_CERT_FILE or to the usual authorities. If nothing is set, each library trusts its own.
"""

import contextlib
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from m365_identity._messages import message, settings
from m365_identity.errors import SettingsError

__all__ = ["FOLDERS", "VARIABLES", "authorities", "check", "folders", "problem"]

VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
FOLDERS: Final = "SSL_CERT_DIR"
_ALSO_FOLDERS: Final = "SSL_CERT_FILE"  # the only one of VARIABLES that FOLDERS stands next to, as in OpenSSL and Go
_HASHED: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")


def authorities(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext | None:
    """A context that trusts those that the variables name; None if none is set. Raises SettingsError for a bad one."""
    variable = check(environ)
    more = folders(environ)
    if variable is None and not more:
        return None
    if variable is None:
        from requests.utils import DEFAULT_CA_BUNDLE_PATH

        # OpenSSL's usual ones, which aiohttp trusts, and those of requests.
        context = ssl.create_default_context()
        context.load_verify_locations(cafile=DEFAULT_CA_BUNDLE_PATH)
    else:
        path = Path(environ[variable])
        if path.is_dir():
            more = [path, *more]
            context = ssl.create_default_context(capath=path)
        else:
            context = ssl.create_default_context(cafile=path)
    for folder in more:
        _load(context, folder)
    return context


def check(environ: Mapping[str, str] = os.environ) -> str | None:
    """The variable of VARIABLES that counts, None if none is set. Raises SettingsError if what it names is bad."""
    variable = next((name for name in VARIABLES if environ.get(name)), None)
    wrong = problem(environ[variable]) if variable else ""
    if variable and wrong:
        raise SettingsError(
            [message(settings.AUTHORITIES_WRONG, variable=variable, path=environ[variable], problem=wrong)]
        )
    return variable


def folders(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """The folders of SSL_CERT_DIR that count; as OpenSSL and Go, without those that are not there."""
    if any(environ.get(name) for name in VARIABLES if name != _ALSO_FOLDERS):
        return []
    named = [Path(folder) for folder in environ.get(FOLDERS, "").split(os.pathsep) if folder]
    return [folder for folder in named if folder.is_dir()]


def problem(path: str) -> str:
    """Why the file or folder cannot be used, as the end of a sentence; "" if it can."""
    try:
        if Path(path).is_dir():
            next(Path(path).iterdir(), None)
        else:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        return _unreadable(path)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""


def _unreadable(path: str) -> str:
    """What is wrong with a file of which OpenSSL takes nothing: it stops at the first certificate that is damaged."""
    content = Path(path).read_bytes()
    if content[:1] == b"\x30" and content[1:2] >= b"\x80":
        return "is not PEM but DER (openssl x509 -inform der)"
    return "has a certificate that is damaged" if b"-----BEGIN CERTIFICATE-----" in content else "holds no certificate"


def _load(context: ssl.SSLContext, path: Path) -> None:
    """Adds a folder: by hashes, as OpenSSL looks for one when it needs it, and by content, as Go reads it."""
    context.load_verify_locations(capath=path)
    for file in _without_hash(path):
        with contextlib.suppress(OSError):  # ssl.SSLError is one: not every file is a certificate
            context.load_verify_locations(cafile=file)


def _without_hash(folder: Path) -> Iterator[Path]:
    """The files in a folder that no name in it leads to by hash."""
    entries = sorted(folder.iterdir()) if os.access(folder, os.R_OK) else []
    known = {file.resolve() for file in entries if _HASHED.fullmatch(file.name)}
    for file in entries:
        if not _HASHED.fullmatch(file.name) and file.is_file() and file.resolve() not in known:
            yield file
