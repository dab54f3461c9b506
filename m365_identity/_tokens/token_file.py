"""The file with the projected ServiceAccount token, which the kubelet renews: read anew for every exchange."""

import os
import stat
from pathlib import Path
from typing import Final

from m365_identity._tokens import jwt_claims
from m365_identity.errors import Advice, TokenFileError

__all__ = ["read"]

_LARGEST: Final = 64 * 1024  # bytes; a ServiceAccount's token has one or two thousand
_TRIES: Final = 10


def read(path: Path) -> str:
    """The token in `path`, without the white space around it. Raises TokenFileError."""
    try:
        found = _judged(path, _content(path))
    except OSError as error:
        problem = error
    else:
        if isinstance(found, str):
            return found
        raise found
    # Made out here: an AzureError keeps the exception that is being handled where it is made.
    raise _unreadable(path, problem)


def _content(path: Path) -> bytes:
    for tries_left in reversed(range(_TRIES)):
        try:
            if path.is_dir():
                raise _error(path, "is a folder", "the variable must name the file in it: azure-identity-token")
            # Looked at before it is opened: opening a pipe would wait for its writer.
            if not stat.S_ISREG(path.stat().st_mode):
                raise _error(path, "is not a regular file", _LOOK)
            with path.open("rb") as file:
                return file.read(_LARGEST + 1)
        except FileNotFoundError:
            # The kubelet swaps a symlink and removes what it led to: who has followed the old one finds nothing there.
            if not tries_left or not os.path.lexists(path):
                raise
    raise AssertionError("unreachable")


def _judged(path: Path, content: bytes) -> str | TokenFileError:
    """The token, or what is wrong, which is not raised here: a traceback would hold this frame, and it the content.

    What reports errors to a service may send the locals of every frame.
    """
    if len(content) > _LARGEST:
        return _error(path, f"is larger than {_LARGEST // 1024} KiB, which no token is", _LOOK)
    if b"\0" in content or not content.isascii():
        return _error(path, "is binary, expected a token", _LOOK)
    token = content.decode("ascii").strip()
    if not token:
        return _error(path, "is empty", _LOOK)
    try:
        jwt_claims.claims(token)
    except ValueError as error:
        problem = str(error)
    else:
        return token
    return _error(path, f"is not a JWT: {problem}", _LOOK)


_LOOK: Final = "kubectl get pod POD -o yaml: a projected volume with a serviceAccountToken must be mounted there"


def _unreadable(path: Path, error: OSError) -> TokenFileError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return _error(
            path,
            "does not exist",
            _LOOK,
            "the pod was created before the webhook was there, or does not opt in",
            "the container is named in skip-containers, or the variable points elsewhere",
        )
    if isinstance(error, PermissionError):
        return _error(
            path,
            "cannot be read: permission denied",
            "set spec.securityContext.fsGroup of the pod to a group of the container's user",
            "the volume's defaultMode, or runAsUser without fsGroup, keeps this user out",
        )
    return _error(path, f"cannot be read: {error.strerror}", _LOOK)


def _error(path: Path, reason: str, fix: str, *causes: str) -> TokenFileError:
    return TokenFileError(path, reason, Advice(meaning="there is no token to exchange", causes=causes, fix=fix))
