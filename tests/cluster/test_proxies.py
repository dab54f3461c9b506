"""The proxy on the way to an API server, as kubectl chooses it."""

import pytest

from webhook.cluster.proxies import proxy_for

SERVER = "https://api.example.com:6443"


@pytest.mark.parametrize(
    ("server", "environ", "expected"),
    [
        (SERVER, {}, ""),
        (SERVER, {"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        (SERVER, {"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        (SERVER, {"HTTP_PROXY": "http://proxy:3128"}, ""),
        ("http://api.example.com", {"HTTP_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": "http://proxy:3128"}, ""),
        ("https://localhost:6443", {"HTTPS_PROXY": "http://proxy:3128"}, ""),
        ("https://[::1]:6443", {"HTTPS_PROXY": "http://proxy:3128"}, ""),
    ],
)
def test_the_environment_names_it(server: str, environ: dict[str, str], expected: str) -> None:
    """By the scheme of the server; never for loopback, as kind's clusters are."""
    assert proxy_for(server, environ) == expected


@pytest.mark.parametrize(
    ("server", "exceptions", "excepted"),
    [
        (SERVER, "*", True),
        (SERVER, "other, example.com", True),
        (SERVER, ".example.com", True),
        (SERVER, "*.example.com", True),
        (SERVER, "api.example.com:6443", True),
        (SERVER, "api.example.com:443", False),
        (SERVER, "ample.com", False),
        (SERVER, ".api.example.com", False),
        (SERVER, "10.0.0.0/8,", False),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://10.1.2.3", "10.1.2.3", True),
        ("https://10.1.2.3:6443", "10.1.2.3:6443", True),
        ("https://10.1.2.3", "192.168.0.0/16,10.1.2.4", False),
        ("https://[fd00::1]", "fd00::/8", True),
    ],
)
def test_no_proxy_leaves_servers_out(server: str, exceptions: str, excepted: bool) -> None:
    """Names with all below them, addresses, networks, and ports."""
    found = proxy_for(server, {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": exceptions})
    assert (found == "") is excepted
