"""The file with the projected ServiceAccount token, which the kubelet renews: it is read again for every exchange."""

import os
import stat
from pathlib import Path
from typing import Final

from m365_identity._messages import Kind, message
from m365_identity._messages import token_file as messages
from m365_identity._tokens import jwt_claims
from m365_identity.errors import Advice, TokenFileError

__all__ = ["read"]

_LARGEST: Final = 64 * 1024  # bytes; a ServiceAccount's token has one or two thousand
_TRIES: Final = 10  # a swap by the kubelet takes one; more only if each try meets another swap


def read(path: Path) -> str:
    """The token in `path`, without the white space around it. Raises TokenFileError."""
    try:
        token = _judge(path, _content(path))
    except OSError as error:
        problem = error
    else:
        if isinstance(token, str):
            return token
        raise token
    # Made outside of the `except`: an AzureError keeps the exception that is handled where it is made.
    raise _unreadable(path, problem)


def _content(path: Path) -> bytes:
    for tries_left in reversed(range(_TRIES)):
        try:
            if path.is_dir():
                raise _error(path, messages.FOLDER)
            # Checked before it is opened: opening a pipe would wait for its writer.
            if not stat.S_ISREG(path.stat().st_mode):
                raise _error(path, messages.NOT_REGULAR)
            with path.open("rb") as file:
                return file.read(_LARGEST + 1)
        except FileNotFoundError:
            # The kubelet swaps a symlink and removes its old target: a reader that followed the old one finds nothing.
            if not tries_left or not os.path.lexists(path):
                raise
    raise AssertionError("unreachable")


def _judge(path: Path, content: bytes) -> str | TokenFileError:
    """The token, or the error. It is not raised here: a traceback would hold this frame, and the frame the content.

    Services that collect errors can send the locals of every frame.
    """
    if len(content) > _LARGEST:
        return _error(path, messages.TOO_LARGE, limit=_LARGEST // 1024)
    if b"\0" in content or not content.isascii():
        return _error(path, messages.BINARY)
    token = content.decode("ascii").strip()
    if not token:
        return _error(path, messages.EMPTY)
    try:
        jwt_claims.claims(token)
    except ValueError as error:
        problem = str(error)
    else:
        return token
    return _error(path, messages.NOT_A_JWT, problem=problem)


def _unreadable(path: Path, error: OSError) -> TokenFileError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return _error(path, messages.ABSENT)
    if isinstance(error, PermissionError):
        return _error(path, messages.DENIED)
    return _error(path, messages.UNREADABLE, problem=error.strerror)


def _error(path: Path, kind: Kind, **values: object) -> TokenFileError:
    found = message(kind, path=path, **values)
    reason = message(Kind(kind.code, kind.severity, kind.text.partition("{path} ")[2]), **values).text
    advice = Advice(code=found.code, meaning="without it nothing can be exchanged", causes=found.causes, fix=found.fix)
    return TokenFileError(path, reason, advice)
