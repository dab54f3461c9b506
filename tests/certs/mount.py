"""A folder of certificates as the kubelet keeps it."""

from __future__ import annotations

import os
from pathlib import Path

from certs.pem import Pair, bundle_pem, private_pem


class Mount:
    """A Secret as the kubelet mounts it: `tls.crt` and `tls.key` are links into a folder that is swapped as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"

    def put(self, certificate: bytes, key: bytes) -> None:
        self.number += 1
        data = self.folder / f"..{self.number}"
        data.mkdir()
        for name, content in (("tls.crt", certificate), ("tls.key", key)):
            (data / name).touch(mode=0o600)
            (data / name).write_bytes(content)
        (self.folder / "..new").symlink_to(data.name)
        os.replace(self.folder / "..new", self.folder / "..data")  # noqa: PTH105 - what the kubelet does, rename(2)
        for path in (self.certificate, self.key):
            if not path.is_symlink():
                path.symlink_to(Path("..data") / path.name)

    def put_pair(self, pair: Pair) -> None:
        self.put(bundle_pem([pair.certificate]), private_pem(pair.key))
