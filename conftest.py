"""Gives all tests the cluster's fixtures, and gives the processes that they start the usual signals."""

import signal
import ssl
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["testbed.cluster.fixtures"]

# How many examples a property test tries. They are the same each time, so that a failure can be repeated. An example
# may take any time. `thorough` tries more, and others each time: pytest --hypothesis-profile=thorough
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
    """A handler that does nothing."""


# A background job of a shell ignores these signals, and so would the processes that it starts. With this handler they
# still do nothing here, but a started process has the defaults.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _pass_over)


@pytest.fixture
def strict_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients verify certificates with OpenSSL's strict mode, as Python does since 3.13."""
    usual = ssl.create_default_context

    def hardened(*arguments: Any, **options: Any) -> ssl.SSLContext:
        context = usual(*arguments, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    monkeypatch.setattr(ssl, "create_default_context", hardened)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Names a parameter of bytes by its argument: keys must not be printed, and xdist needs the same name each time."""
    return argname if isinstance(val, bytes) else None
