"""How long a connection takes where a host has several addresses, and that one of them is enough."""

import gc
import socket
import time
from urllib.parse import urlsplit

import pytest

from m365_identity import Retry, UnreachableError
from m365_identity._network.connections import connect
from testbed.entra.proxy import proxying
from tests.helper.addresses import named, swallowing
from tests.helper.support import SCOPE, Flavour, Pod

pytestmark = pytest.mark.slow

HOST = "login.example"


def seconds(pod: Pod, kind: Flavour, count: int) -> float:
    """How long a sign-in takes that may take a second to connect, with so many addresses that swallow packets."""
    with swallowing(count) as (addresses, port), named(HOST, addresses):
        before = time.monotonic()
        error = pod.fails(kind, authority=f"https://{HOST}:{port}/", retry=Retry(bound=0, silence=1))
        taken = time.monotonic() - before
    assert isinstance(error, UnreachableError)
    assert "(the connection timed out)" in error.summary
    return taken


def test_eight_addresses_take_no_longer_than_one(pod: Pod, kind: Flavour) -> None:
    """Each attempt would be beyond the bound by as much as there are addresses: Entra's hosts have eight."""
    assert seconds(pod, kind, 8) < 3 * seconds(pod, kind, 1)


def test_one_address_of_many_is_enough(pod: Pod, kind: Flavour) -> None:
    """The last one, as an address of IPv4 is where IPv6 leads nowhere; within the time for a connection."""
    pod.federate()
    port = urlsplit(pod.entra.login).port or 0
    with swallowing(3, port=port) as (addresses, _), named("localhost", [*addresses, "127.0.0.1"]):
        with pod.credential(kind, retry=Retry(bound=0, silence=3)) as get:
            assert get(SCOPE).token


def test_a_proxy_is_connected_to_in_the_same_way(pod: Pod, kind: Flavour, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is that of the connection that is made."""
    pod.federate()
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    environ = {name: value for name, value in pod.environ.items() if name != "AZURE_AUTHORITY_HOST"}
    with proxying(routes=pod.entra.routes) as proxy:
        port = urlsplit(proxy.url).port or 0
        monkeypatch.setenv("HTTPS_PROXY", f"http://proxy.example:{port}")
        with swallowing(3, port=port) as (addresses, _), named("proxy.example", [*addresses, "127.0.0.1"]):
            with pod.credential(kind, environ=environ, retry=Retry(bound=0, silence=3)) as get:
                assert get(SCOPE).token


@pytest.fixture
def listener() -> socket.socket:
    """A port of 127.0.0.1 that takes connections."""
    return socket.create_server(("127.0.0.1", 0))


def test_the_race_leaves_nothing_open(listener: socket.socket) -> None:
    """Those that have lost are closed: Python would warn, and a warning fails the test."""
    port = listener.getsockname()[1]
    with listener, swallowing(2, port=port) as (addresses, _), named(HOST, [*addresses, "127.0.0.1"]):
        with connect(HOST, port, 20.0) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)
            assert connection.gettimeout() == 20.0
        with pytest.raises(TimeoutError):
            connect("127.0.9.1", port, 0.1)
    gc.collect()


def test_addresses_that_refuse_are_passed_over_at_once(listener: socket.socket) -> None:
    """The error is the last refusal."""
    port = listener.getsockname()[1]
    with listener, named(HOST, [*("127.0.9.1",) * 100, "127.0.0.1"]):
        # A hundred head starts would be longer than this.
        connect(HOST, port, 20.0).close()
    with named(HOST, ["127.0.9.1", "127.0.9.2"]), pytest.raises(ConnectionRefusedError, match="refused"):
        connect(HOST, port, 20.0)


def test_a_host_without_an_address_is_an_error() -> None:
    """As for any resolver that answers with nothing."""
    with named(HOST, []), pytest.raises(OSError, match=f"{HOST} has no address"):
        connect(HOST, 443, 1.0)


def test_an_address_of_the_sixth_version_may_be_in_brackets() -> None:
    """As it stands in a URL."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        connect("[::1]", listener.getsockname()[1], 20.0).close()
