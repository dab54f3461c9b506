"""The token file: it is there, this process may read it, it holds a token, and the kubelet can renew it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from m365_identity._checks.found import Found
from m365_identity._checks.mounts import mounts, renewal
from m365_identity._checks.result import LinkFinding, failed, finding
from m365_identity._checks.settings import origin
from m365_identity._messages import token_file as messages
from m365_identity._tokens import assertion, jwt_claims, token_file
from m365_identity.errors import TokenFileError

__all__ = ["access", "file", "renewable"]


def file(found: Found) -> Iterator[LinkFinding]:
    """The file can be read and holds a JWT, and nothing else."""
    path = found.token_file
    if path is None:
        yield finding(messages.NOT_NAMED)
        return
    name = f"{path} ({origin(found.settings, 'token_file')})" if found.settings else str(path)
    try:
        token = token_file.read(path)
        content = path.read_bytes()
        status = path.stat()
    except TokenFileError as error:
        denied = messages.DENIED.code in error.codes
        yield _denied(path) if denied else failed(error, f"{path} {error.reason}")
        return
    except OSError as error:  # it was removed after the first look
        yield finding(messages.VANISHED, path=path, problem=error.strerror)
        return
    found.assertion = assertion.decode(token)
    found.not_before = jwt_claims.number(jwt_claims.claims(token).get("nbf"))
    yield finding(messages.FILE, name=name, size=len(content), mode=access(status))
    if content.strip() != content:
        yield finding(messages.WHITE_SPACE, path=path)


def renewable(found: Found) -> Iterator[LinkFinding]:
    """The kubelet can put the next token in the place of this one."""
    path = found.token_file
    if path is None:
        yield finding(messages.NOT_NAMED)
        return
    try:
        table = found.mounts.read_text(errors="replace")
    except OSError as error:
        yield finding(messages.NO_MOUNTS, path=found.mounts, problem=error.strerror)
        return
    how = renewal(PurePosixPath(path.absolute()), mounts(table), _readlink)
    if how.sub_path:
        yield finding(messages.SUB_PATH, point=how.sub_path.point)
    elif how.by_kubelet:
        yield finding(messages.RENEWED)
    else:
        yield finding(messages.NOT_RENEWED, path=path)


def access(status: os.stat_result) -> str:
    """Mode and owner as `ls` shows them, with numbers."""
    return f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"


def _denied(path: Path) -> LinkFinding:
    groups = sorted({os.getegid(), *os.getgroups()})
    return finding(
        messages.DENIED_HERE,
        path=path,
        mode=_who_may(path),
        user=os.geteuid(),
        groups=f"group{'s' if len(groups) > 1 else ''} {', '.join(map(str, groups))}",
        group=next(
            (group for group in groups if group), 1000
        ),  # not root's, which fixes nothing; 1000 stands for any other
    )


def _who_may(path: Path) -> str:
    """Mode and owner of the file, or of the deepest folder on the way that can be looked at."""
    for place in (path, *path.parents):
        try:
            status = place.stat()
        except OSError:
            continue
        return f"{'it' if place == path else place} is {access(status)}"
    return "its mode cannot be seen"


def _readlink(path: PurePosixPath) -> PurePosixPath | None:
    try:
        return PurePosixPath(os.readlink(path))  # noqa: PTH115  # Path.readlink would give a Path
    except OSError:
        return None
