"""What the text of a setting means."""

import socket
from datetime import timedelta

import pytest

from webhook.settings import values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("14d", 1209600), ("2h30m", 9000), ("90s", 90), ("250ms", 0.25), ("1.5h", 5400), ("1d1h1m1s1ms", 90061.001)],
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    """One or several."""
    assert values.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5 s", "-5s", "s", "5w", "1e3s", "5s "])
def test_other_text_is_not_a_duration(text: str) -> None:
    """A number alone has no unit."""
    with pytest.raises(ValueError, match="a duration such as 14d, 2h30m or 90s"):
        values.duration(text)


@pytest.mark.parametrize(("text", "expected"), [(":0", "0.0.0.0:0"), ("127.0.0.1:65535", "127.0.0.1:65535")])
def test_an_address_is_one_of_this_machine(text: str, expected: str) -> None:
    """Without a host, it is all addresses."""
    assert str(values.address(text)) == expected


def test_an_ipv6_address_is_written_in_brackets() -> None:
    """As in a URL."""
    assert str(values.Address("::1", 9443)) == "[::1]:9443"


@pytest.mark.parametrize("text", ["", "x", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:x", "127.0.0.1:\u0663"])
def test_an_address_needs_a_port(text: str) -> None:
    """Of ASCII digits, at most 65535."""
    with pytest.raises(ValueError, match="ADDRESS:PORT with a port of at most 65535"):
        values.address(text)


def test_another_machines_address_is_refused_with_the_reason() -> None:
    """The system's own."""
    with pytest.raises(ValueError, match=r"an address of this machine to listen on \(.+\)"):
        values.address("192.0.2.1:9443")


def test_an_address_in_use_is_accepted() -> None:
    """The server waits until it is free."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = f"127.0.0.1:{taken.getsockname()[1]}"
        assert str(values.address(text)) == text


def test_hosts_are_separated_by_commas() -> None:
    """Names and addresses."""
    assert values.hosts("a.example.com, 10.0.0.1,::1") == ("a.example.com", "10.0.0.1", "::1")
    for text in ("", "a,,b", "a b", "a/b", "a..b", "a.", ".a", "a:b", f"{64 * 'a'}.b", f"{128 * 'a.'}b"):
        with pytest.raises(ValueError, match="DNS names or IP addresses"):
            values.hosts(text)


@pytest.mark.parametrize("text", ["registry.example.com/a/b:1.2.3", "a", f"a@sha256:{'0' * 64}"])
def test_an_image_may_have_a_tag_or_a_digest(text: str) -> None:
    """As container runtimes accept it."""
    assert values.image(text) == text


@pytest.mark.parametrize("text", ["", "-a", "a b", "a@sha256:0"])
def test_other_text_is_not_an_image(text: str) -> None:
    """A space, or half a digest."""
    with pytest.raises(ValueError, match="an image such as"):
        values.image(text)


def test_a_namespace_is_a_label_and_a_name_may_have_dots() -> None:
    """As Kubernetes has them."""
    assert values.namespace("shop") == "shop"
    assert values.object_name("shop.example") == "shop.example"
    for text in ("shop.example", "Shop", "a" * 64):
        with pytest.raises(ValueError, match="a namespace's name"):
            values.namespace(text)
    with pytest.raises(ValueError, match="an object's name"):
        values.object_name("a_b")
