"""A certificate for development, made in memory."""

from __future__ import annotations

from datetime import timedelta

import pytest

from certs.authority import verify
from certs.development import DevelopmentSource
from certs.pem import parse_bundle
from certs.source import CertificateSource
from tests.certs.fakes import START, BoundedClock, EndOfTest, FakeClock, World

DAY = timedelta(days=1)


def test_it_serves_before_it_is_started() -> None:
    """`serve` without files or a cluster: local names and those asked for, trusted by the authority that it shows."""
    clock = FakeClock(World())
    source: CertificateSource = DevelopmentSource(names=["host.example", "10.1.2.3"], clock=clock)
    assert isinstance(source, DevelopmentSource)
    assert source.healthy()
    bundle = parse_bundle(source.authority_pem.encode())
    assert bundle.problems == ()
    leaf = source.serving.certificate
    assert leaf is not None
    for name in ("localhost", "127.0.0.1", "::1", "host.example", "10.1.2.3"):
        verify(leaf, bundle.certificates, name=name, now=START)
    assert source.describe().mode == "development"


async def test_it_renews_its_leaf() -> None:
    """At two thirds of its life, by the wall clock; the authority stays, so clients that trust it go on."""
    clock = BoundedClock(World())
    source = DevelopmentSource(clock=clock)
    authority, first = source.authority_pem, source.serving.fingerprint
    clock.sleeps = 3
    with pytest.raises(EndOfTest):
        await source.run()
    assert source.serving.fingerprint == first
    clock.world.time += 10 * DAY  # a machine that was suspended
    clock.sleeps = 1
    with pytest.raises(EndOfTest):
        await source.run()
    assert source.serving.fingerprint != first
    assert source.authority_pem == authority
    assert max(clock.world.slept) <= 60
