"""Gives the tests of every folder the cluster's fixtures, and every process that they start the usual signals."""

import signal
import ssl
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["testbed.cluster.fixtures"]

# How many examples a property test tries: the same ones each time, so that a failure is everybody's, however long one
# takes. `thorough` looks further, elsewhere each time: pytest --hypothesis-profile=thorough
for _profile, _examples in (("quick", 25), ("usual", 100), ("thorough", 20_000)):
    settings.register_profile(
        _profile,
        max_examples=_examples,
        derandomize=_profile != "thorough",
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
settings.load_profile("usual")


def _pass_over(number: int, frame: FrameType | None) -> None:
    """What a signal that is ignored does."""


# A job in the background of a shell ignores these, and so would all that it starts. With a handler they do nothing here
# either, but a process that is started has their defaults.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _pass_over)


@pytest.fixture
def strict_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients verify certificates as Python does since 3.13, with OpenSSL's strict mode."""
    usual = ssl.create_default_context

    def hardened(*arguments: Any, **options: Any) -> ssl.SSLContext:
        context = usual(*arguments, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    monkeypatch.setattr(ssl, "create_default_context", hardened)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes are keys and bodies: not to be printed, and not the same twice, which xdist needs of a test's name."""
    return argname if isinstance(val, bytes) else None
