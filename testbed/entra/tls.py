"""The certificates of one emulator: an authority of its own, and one leaf for all of its servers."""

from __future__ import annotations

import datetime as dt
import os
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path

from certs.authority import make_authority, make_leaf

__all__ = ["given", "own"]

LIFETIME = dt.timedelta(days=365)


def own(ca_file: Path, names: Sequence[str]) -> ssl.SSLContext:
    """A server's context for a new leaf with `names`; what clients must trust is written to `ca_file`.

    Certificates live by the machine's clock, whatever the emulator's says: clients check them by theirs.
    """
    now = dt.datetime.now(dt.UTC)
    authority = make_authority(now=now, lifetime=LIFETIME, common_name="testbed.entra")
    pair = make_leaf(authority, names=tuple(dict.fromkeys(names)), now=now, lifetime=LIFETIME)
    ca_file.write_text(authority.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    descriptor, name = tempfile.mkstemp(dir=ca_file.parent)  # readable by this user only, for as long as it takes
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pair.private_pem())
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
    return context


def given(ca_file: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's context for somebody else's certificate, which goes to `ca_file` as what there is to trust."""
    ca_file.write_bytes(certificate.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
