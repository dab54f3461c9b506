"""Mounts of a container where systems keep the authorities that they trust: no variable names those.

A ConfigMap is mounted over /etc/ssl/certs/ca-certificates.crt or, on OpenShift, at /etc/pki/ca-trust/extracted/pem, and
programs of the image trust what is in it. What counts:

    a volume at one of these folders    that folder
    a file in one of them               the folder: those that read it read each file
    a folder in one of them             nothing: no program reads further down
"""

import posixpath
from collections.abc import Mapping
from typing import Any, Final

_FOLDERS: Final = frozenset(
    {
        "/etc/ssl/certs",
        "/etc/pki/tls/certs",
        "/etc/pki/ca-trust/extracted/pem",
        "/etc/pki/ca-trust/source/anchors",
        "/usr/local/share/ca-certificates",
    }
)
_FILES: Final = {
    "/etc/ssl/cert.pem": "/etc/ssl",
    "/etc/ssl/ca-bundle.pem": "/etc/ssl",
    "/etc/pki/tls/cert.pem": "/etc/pki/tls",
}
_MOST: Final = 20
_ENDINGS: Final = (".crt", ".pem", ".cer")


def system_authorities(container: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The folders of the system's authorities in which the container has mounts, each with its mount."""
    mounts = container.get("volumeMounts") or ()
    return [(folder, mount) for mount in mounts if (folder := _folder(mount.get("mountPath")))][:_MOST]


def _folder(path: object) -> str:
    """The folder for a mount at `path`, or ""."""
    if not isinstance(path, str) or not path.startswith(("/etc/", "/usr/local/")):
        return ""
    path = posixpath.normpath(path)
    if path in _FOLDERS:
        return path
    above = posixpath.dirname(path)
    return above if above in _FOLDERS and path.endswith(_ENDINGS) else _FILES.get(path, "")
