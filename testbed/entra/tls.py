"""The certificates of one emulator: its own authority, and one leaf for all its servers."""

from __future__ import annotations

import datetime as dt
import os
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path

from certs.authority import make_authority, make_leaf

__all__ = ["load", "make"]

LIFETIME = dt.timedelta(days=365)


def make(ca_file: Path, names: Sequence[str]) -> ssl.SSLContext:
    """A server's context with a new leaf for `names`. Writes the authority that clients must trust to `ca_file`.

    The certificates' dates follow the machine's clock, not the emulator's, because clients check them by that clock.
    """
    now = dt.datetime.now(dt.UTC)
    names = tuple(dict.fromkeys(names))
    authority = make_authority(now=now, lifetime=LIFETIME, common_name="testbed.entra", names=names)
    pair = make_leaf(authority, names=names, now=now, lifetime=LIFETIME)
    ca_file.write_text(authority.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    descriptor, name = tempfile.mkstemp(dir=ca_file.parent)  # for a moment, and readable by this user only
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pair.private_pem())
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
    return context


def load(ca_file: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's context with a given certificate, which is written to `ca_file` as what clients must trust."""
    ca_file.write_bytes(certificate.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
