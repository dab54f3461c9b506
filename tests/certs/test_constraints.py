"""Name constraints: an authority signs for the names that it was made for, and every client refuses the rest."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from certs.authority import Authority, make_authority, make_leaf, verify
from certs.constraints import NO_NAMES, permits, permitted_names, widened
from certs.errors import UntrustedLeaf
from certs.names import service_names
from certs.serving import Serving
from tests.authorities import unconstrained

NOW = datetime.now(UTC)  # OpenSSL asks the machine's clock
DAY = timedelta(days=1)
NAMES = service_names("webhook", "m365")
NAME = NAMES[2]


def authority(*names: str) -> Authority:
    return make_authority(now=NOW, lifetime=30 * DAY, names=names)


OURS = authority(*NAMES)
EXTRA = authority(*NAMES, "Hook.example.com", "10.1.2.3", "fd00::1")
FREE = unconstrained(now=NOW, lifetime=30 * DAY)
FOR_NONE = make_authority(now=NOW, lifetime=30 * DAY)

# An authority, another name that somebody with its key wants, and whether a client accepts that.
CASES = [
    (OURS, NAMES[0], True),
    (OURS, NAMES[3], True),
    (OURS, "below.webhook.m365.svc", True),
    (OURS, "WEBHOOK.m365.SVC", True),
    (OURS, "kubernetes.default.svc", False),
    (OURS, "other-webhook.m365.svc", False),
    (OURS, "webhook.m365.svc.example.com", False),
    (OURS, "login.microsoftonline.com", False),
    (OURS, "10.1.2.3", False),
    (OURS, "fd00::1", False),
    (EXTRA, "hook.example.com", True),
    (EXTRA, "example.com", False),
    (EXTRA, "10.1.2.3", True),
    (EXTRA, "10.1.2.4", False),
    (EXTRA, "fd00::1", True),
    (EXTRA, "fd00::2", False),
    (FREE, "kubernetes.default.svc", True),
    (FREE, "10.1.2.3", True),
    (FOR_NONE, NAMES[0], False),
    (FOR_NONE, "kubernetes.default.svc", False),
    (FOR_NONE, "10.1.2.3", False),
    (FOR_NONE, "fd00::1", False),
]


def accepted(signer: Authority, *names: str) -> bool:
    """Whether OpenSSL accepts a leaf certificate for the first of `names` that is also for the others."""
    serving = Serving()
    pair = make_leaf(signer, names=names, now=NOW, lifetime=DAY)
    serving.replace(pair)
    client = ssl.create_default_context(cadata=signer.pem)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.listening_context.wrap_bio(there, back, server_side=True)
    mine = client.wrap_bio(back, there, server_hostname=names[0])
    for _ in range(4):
        for side in (mine, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
            except ssl.SSLError:
                continue
    return True


@pytest.mark.parametrize(("signer", "name", "expected"), CASES)
def test_a_name_is_permitted_if_every_client_accepts_it(signer: Authority, name: str, expected: bool) -> None:
    """By our own judgement, by OpenSSL's and by cryptography's; also if the name is one of several."""
    assert permits(signer.certificate, name) is expected
    assert accepted(signer, name.lower()) is expected
    assert accepted(signer, NAME, name) is expected
    pair = make_leaf(signer, names=[NAME, name], now=NOW, lifetime=DAY)
    if expected:
        verify(pair.certificate, [signer.certificate], name=NAME, now=NOW)
    else:
        with pytest.raises(UntrustedLeaf):
            verify(pair.certificate, [signer.certificate], name=NAME, now=NOW)


def test_the_extension_is_critical_and_names_what_was_given() -> None:
    """Without an address, every address is excluded: a kind that is not named is not constrained."""
    extension = OURS.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert extension.critical
    assert [each.value for each in extension.value.permitted_subtrees or ()] == list(NAMES)
    assert [str(each.value) for each in extension.value.excluded_subtrees or ()] == ["0.0.0.0/0", "::/0"]
    assert permitted_names(EXTRA.certificate) == (*NAMES, "Hook.example.com", "10.1.2.3", "fd00::1")
    assert permitted_names(FREE.certificate) == ()


@pytest.mark.parametrize("signer", [FOR_NONE, authority()], ids=["names were forgotten", "no names"])
def test_no_authority_is_made_without_constraints(signer: Authority) -> None:
    """Whoever forgets the names has one that no client accepts for any name that exists."""
    extension = signer.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert extension.critical
    assert permitted_names(signer.certificate) == NO_NAMES == ("invalid",)


def test_a_successor_is_for_the_names_of_what_does_not_permit_ours() -> None:
    """And not for those of one that does: a name that is given up goes with the next usual rotation."""
    assert widened(NAMES, [EXTRA.certificate, FREE.certificate]) == NAMES
    assert widened([*NAMES, "a.example.com"], [EXTRA.certificate]) == (
        *NAMES,
        "a.example.com",
        "Hook.example.com",
        "10.1.2.3",
        "fd00::1",
    )
