"""The token file: it is there, this process may read it, it holds a token, and the kubelet can renew it."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from m365_identity._checks.found import Found
from m365_identity._checks.mounts import mounts, renewal
from m365_identity._checks.result import Finding, advised, fail, ok, skip, warn
from m365_identity._checks.settings import origin
from m365_identity._tokens import assertion, jwt_claims, token_file
from m365_identity.errors import TokenFileError

__all__ = ["access", "file", "renewable"]


def file(found: Found) -> Iterator[Finding]:
    """The file can be read and holds a JWT, and nothing besides."""
    path = found.token_file
    if path is None:
        yield skip("no file is named")
        return
    name = f"{path} ({origin(found.settings, 'token_file')})" if found.settings else str(path)
    try:
        token = token_file.read(path)
        content = path.read_bytes()
        status = path.stat()
    except TokenFileError as error:
        yield _unusable(error)
        return
    except OSError as error:  # it went between one look and the next
        yield fail(f"{path} cannot be read: {error.strerror}", fix="try again")
        return
    found.assertion = assertion.decode(token)
    found.not_before = jwt_claims.number(jwt_claims.claims(token).get("nbf"))
    yield ok(f"{name}, {len(content)} bytes, {access(status)}")
    if content.strip() != content:
        yield warn(
            f"{path} has white space around the token: this helper takes it off, and others send it to Entra "
            "(AADSTS50027)",
            fix="have the kubelet write the file (a projected volume), or whoever does leave out the line break",
        )


def renewable(found: Found) -> Iterator[Finding]:
    """The kubelet can put the next token where this one is."""
    path = found.token_file
    if path is None:
        yield skip("no file is named")
        return
    try:
        table = found.mounts.read_text(errors="replace")
    except OSError as error:
        yield skip(f"{found.mounts} cannot be read ({error.strerror})")
        return
    how = renewal(PurePosixPath(path.absolute()), mounts(table), _readlink)
    if how.sub_path:
        yield fail(
            f"{how.sub_path.point} is mounted with subPath: the kubelet does not renew it, and signing in fails when "
            "this token expires",
            fix="mount the volume's folder, without subPath, and let AZURE_FEDERATED_TOKEN_FILE name the file in it",
        )
    elif how.by_kubelet:
        yield ok("the kubelet renews it")
    else:
        yield warn(
            f"{path} was not written by the kubelet: nothing renews it, unless the program that wrote it does",
            fix="name the file in the projected volume itself instead of a copy",
        )


def access(status: os.stat_result) -> str:
    """Mode and owner as `ls` shows them, with numbers."""
    return f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"


def _unusable(error: TokenFileError) -> Finding:
    detail, fix = f"{error.path} {error.reason}", error.advice.fix if error.advice else ""
    if "permission denied" in error.reason.lower():
        groups = sorted({os.getegid(), *os.getgroups()})
        detail += f": {_who_may(error.path)}; this process is user {os.geteuid()}, {_groups(groups)}"
        group = next((group for group in groups if group), 1000)
        fix = (
            f"set spec.securityContext.fsGroup: {group} in the pod, so that the kubelet gives the file to that group; "
            "and have no volume with a defaultMode below 0440"
        )
    told = advised(detail, error.advice)
    return fail(told.detail, *told.causes, fix=fix)


def _who_may(path: Path) -> str:
    """Mode and owner of the file, or of the deepest folder on the way that can be looked at."""
    for place in (path, *path.parents):
        try:
            status = place.stat()
        except OSError:
            continue
        return f"{'it' if place == path else place} is {access(status)}"
    return "its mode cannot be seen"


def _groups(groups: Sequence[int]) -> str:
    return f"group{'s' if len(groups) > 1 else ''} {', '.join(map(str, groups))}"


def _readlink(path: PurePosixPath) -> PurePosixPath | None:
    try:
        return PurePosixPath(os.readlink(path))  # noqa: PTH115  # Path.readlink would give a Path
    except OSError:
        return None
