"""The authorities of clients, in a file that somebody else keeps."""

from __future__ import annotations

import logging
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from certs.authority import Authority, make_leaf
from certs.clients import ClientAuthorities, read_authorities
from certs.errors import UnreadableAuthorities
from certs.pem import bundle_pem
from certs.serving import Serving
from tests.authorities import make_authority
from tests.certs.fakes import NAMES, START, BoundedClock, EndOfTest, World

DAY = timedelta(days=1)


def authority(days: int = 30, name: str = "clients") -> Authority:
    return make_authority(now=START, lifetime=days * DAY, common_name=name)


FIRST, SECOND = authority(30, "first"), authority(60, "second")


class Here:
    """The file, what reads it, and what became of open connections."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "ca.crt"
        self.clock = BoundedClock(World())
        self.serving = Serving(clock=self.clock)
        self.renewed = 0

    def read(self, *authorities: Authority) -> ClientAuthorities:
        self.write(*authorities)
        return ClientAuthorities(self.file, serving=self.serving, removed=self.renew, clock=self.clock)

    def write(self, *authorities: Authority) -> None:
        self.file.write_bytes(bundle_pem(each.certificate for each in authorities))

    def renew(self) -> None:
        self.renewed += 1

    def trusted(self) -> int:
        """How many authorities a new connection's client may have its certificate of."""
        return self.serving._current.cert_store_stats()["x509_ca"]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_authorities_are_read_once_at_the_start(here: Here) -> None:
    """And clients are asked from the first connection on."""
    clients = here.read(FIRST, SECOND)
    assert here.trusted() == 2
    assert here.serving.listening_context.verify_mode is ssl.CERT_OPTIONAL
    assert clients.health() == (True, "2 authorities, good until 2030-03-02 00:00 UTC")
    assert clients.not_after == START + 60 * DAY


async def test_the_file_is_read_at_each_interval(here: Here) -> None:
    """Ten seconds, as other files."""
    clients = here.read(FIRST)
    here.write(SECOND, FIRST)
    here.clock.sleeps = 1
    with pytest.raises(EndOfTest):
        await clients.run()
    assert here.trusted() == 2
    assert here.clock.world.slept == [10.0]


def test_open_connections_end_only_if_an_authority_goes(here: Here) -> None:
    """Not when one comes, and not when the file was only written again."""
    clients = here.read(FIRST)
    for authorities, renewed in [((FIRST, SECOND), 0), ((SECOND, FIRST), 0), ((SECOND,), 1), ((FIRST,), 2)]:
        here.write(*authorities)
        clients.reload()
        assert here.renewed == renewed
    assert clients.counts == {"client_ca_replaced": 4, "client_ca_refused": 0}


PEM = bundle_pem([FIRST.certificate])
LEAF = make_leaf(FIRST, names=NAMES, now=START, lifetime=DAY)
BAD = {
    "empty": (b"", "ca.crt has no certificate"),
    "text": (b"in a minute\n", "it is not PEM"),
    "cut off": (PEM + PEM[:200], "a certificate is cut off"),
    "a private key": (PEM + FIRST.private_pem(), "block 2 is a private key, not a certificate"),
    "a leaf": (PEM + bundle_pem([LEAF.certificate]), "is not the certificate of an authority"),
    "too large": (PEM + b"#" * (1 << 20), "ca.crt is larger than 1 MiB"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_cannot_be_used_changes_nothing(here: Here, what: str, caplog: pytest.LogCaptureFixture) -> None:
    """The authorities that were read before stay: one error line, counted, and ready as before."""
    caplog.set_level(logging.INFO)
    clients = here.read(FIRST)
    content, reason = BAD[what]
    here.file.write_bytes(content)
    for _ in range(2):
        clients.reload()
    assert here.trusted() == 1
    assert here.renewed == 0
    assert clients.counts["client_ca_refused"] == 2
    (line,) = (record.message for record in caplog.records if record.levelno == logging.ERROR)
    assert reason in line
    assert "those that were read before stay" in line
    assert "[WIC311]" in line
    healthy, detail = clients.health()
    assert healthy
    assert reason in detail
    here.write(FIRST)
    clients.reload()
    assert clients.health() == (True, "1 authority, good until 2030-01-31 00:00 UTC")
    assert any(record.message.startswith("over:") for record in caplog.records)


def test_a_file_that_is_gone_changes_nothing_either(here: Here) -> None:
    """As while a mount is swapped."""
    clients = here.read(FIRST)
    here.file.unlink()
    clients.reload()
    assert here.trusted() == 1
    assert "cannot be read (No such file or directory)" in clients.health()[1]


def test_before_the_first_file_that_can_be_used_no_certificate_is_accepted(here: Here) -> None:
    """Clients are asked, and the replica is not ready; as soon as the file is good, it is."""
    clients = here.read()
    assert here.trusted() == 0
    assert here.serving.listening_context.verify_mode is ssl.CERT_OPTIONAL
    healthy, detail = clients.health()
    assert not healthy
    assert "no client's certificate is accepted" in detail
    assert clients.not_after is None
    here.write(FIRST)
    clients.reload()
    assert clients.health()[0]


def test_authorities_that_have_expired_are_reported(here: Here, caplog: pytest.LogCaptureFixture) -> None:
    """When the last one has."""
    clients = here.read(FIRST, SECOND)
    here.clock.world.time = START + 45 * DAY
    clients.reload()
    assert clients.health()[0]
    here.clock.world.time = START + 61 * DAY
    clients.reload()
    healthy, detail = clients.health()
    assert not healthy
    assert "expired on 2030-03-02 00:00:00Z" in detail
    assert [record.levelname for record in caplog.records if "[WIC312]" in record.message] == ["ERROR"]


def test_a_pair_that_comes_later_trusts_the_same_clients(here: Here) -> None:
    """Each pair has a context of its own."""
    here.read(FIRST)
    here.serving.replace(LEAF)
    assert here.trusted() == 1
    assert here.serving._current.verify_mode is ssl.CERT_OPTIONAL


def test_reading_alone_raises(tmp_path: Path) -> None:
    """For the settings, which are checked before anything starts."""
    with pytest.raises(UnreadableAuthorities, match="cannot be read"):
        read_authorities(tmp_path / "absent")
