"""Archives that depend on their content only: not on the time, the umask, the user or the order of a folder."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

__all__ = ["member", "tar_gz"]


def tar_gz(files: Mapping[str, bytes], *, epoch: int) -> bytes:
    """A compressed archive of `files`, in their order; each is readable by everybody and belongs to root."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(data), epoch, 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(content.getvalue(), mtime=0)


def member(archive: tarfile.TarFile, name: str | tarfile.TarInfo) -> bytes | None:
    """The content of a file of an archive; None if it is missing, or not a file."""
    try:
        content = archive.extractfile(name)
    except KeyError:
        return None
    return content.read() if content else None
