"""HTTPS_PROXY as people write it: used by both credentials as curl uses it, or named as what is wrong, at once."""

import os
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from m365_identity import Retry, SettingsError, UnreachableError, WorkloadIdentityCredential, aio
from m365_identity._network.proxies import proxy_for
from testbed.entra.proxy import Proxy, proxying
from tests.helper.support import SCOPE, Flavour, Pod, run
from tests.helper.test_network import PROXIES

pytestmark = pytest.mark.slow  # all together they take seconds

PASSWORDS = ("hunter2", "p@ss", "pass:word", "pass[word", "pässwörd€", "100%")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxies from outside."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def proxy(pod: Pod) -> Iterator[Proxy]:
    """One that leads to the emulator by Microsoft's own names, which the pod uses."""
    pod.federate()
    del pod.environ["AZURE_AUTHORITY_HOST"]
    with proxying(routes=pod.entra.routes) as proxy:
        yield proxy


@pytest.mark.parametrize(
    "form",
    [
        *("{0}", "http://{0}", "HTTP://{0}/", "http:/{0}", "http:///{0}", "http://{0}/path"),
        *("{0}\n", " {0}\r\n", "user@{0}", "a:b@{0}"),
    ],
)
def test_what_curl_takes_is_used(
    pod: Pod, kind: Flavour, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Without a scheme, and with the line break of a Secret that was made by echo."""
    monkeypatch.setenv("HTTPS_PROXY", form.format(proxy.url.removeprefix("http://")))
    with pod.credential(kind) as get:
        assert get(SCOPE).token
    assert [tunnel.status for tunnel in proxy.tunnels] == [200]


@pytest.mark.parametrize("is_quoted", [True, False])
@pytest.mark.parametrize("password", PASSWORDS)
def test_the_proxy_gets_its_password(
    pod: Pod, kind: Flavour, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, password: str, *, is_quoted: bool
) -> None:
    """In any alphabet, quoted as a URL wants it or as it is."""
    proxy.wants = f"corp\\user:{password}"
    written = quote(password, safe="") if is_quoted else password
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http://", f"http://corp\\user:{written}@"))
    with pod.credential(kind) as get:
        assert get(SCOPE).token


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_each_variable_counts_for_both(
    pod: Pod, kind: Flavour, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """aiohttp knows no ALL_PROXY."""
    monkeypatch.setenv(variable, proxy.url)
    with pod.credential(kind) as get:
        assert get(SCOPE).token
    assert proxy.connections == 1


@pytest.mark.parametrize("text", ["127.0.0.0/8", "10.0.0.0/8, 127.0.0.1", "*"])
def test_networks_in_no_proxy_count_for_both(
    pod: Pod, kind: Flavour, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """aiohttp knows names and single addresses."""
    pod.federate()
    pod.environ["AZURE_AUTHORITY_HOST"] = pod.entra.login.replace("localhost", "127.0.0.1")
    with proxying() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", text)
        with pod.credential(kind) as get:
            assert get(SCOPE).token
    assert not proxy.connections


BAD = {
    "http://proxy.example\n:3128": "WIH406",
    "http://proxy.example:3128\nhttp://other.example:3128": "WIH406",
    "http://user:hush hush@proxy.example:3128": "WIH406",
    "http://proxy.example:3128\x00": "WIH406",
    "http://user:hu#sh@proxy.example:3128": "WIH407",
    "http://user:12#hush@proxy.example:3128": "WIH407",
    "http://user:12/hush@proxy.example:3128": "WIH407",
    "http://user:12?hush@proxy.example:3128": "WIH407",
    "http://proxy.example:3128#": "WIH407",
    "http://proxy.example:port": "WIH408",
    "http://proxy.example:99999": "WIH408",
    "http://proxy.example:0": "WIH408",
    "http://proxy.example:-1": "WIH408",
    "http:proxy.example:3128": "WIH408",
    "http://user:hush:3128": "WIH408",
    "http://": "WIH409",
    "http://:3128": "WIH409",
    "//proxy.example:3128": "WIH409",
    "http:////proxy.example:3128": "WIH409",
    "3128": "WIH409",
    "http://3128": "WIH409",
    "http://[::": "WIH409",
    "http://proxy..example:3128": "WIH409",
    "http://<proxy>:3128": "WIH409",
    "htp://proxy.example:3128": "WIH401",
    "ftp://proxy.example": "WIH401",
    "socks5h://user:hush@proxy.example:1080": "WIH414",
}


def failure(kind: Flavour) -> SettingsError:
    """What a credential's first call raises that never gets as far as its file."""
    environ = {
        "AZURE_TENANT_ID": "11111111-2222-4333-8444-555555555555",
        "AZURE_CLIENT_ID": "66666666-7777-4888-9999-000000000000",
        "AZURE_FEDERATED_TOKEN_FILE": "/nowhere",
    }
    try:
        if kind == "sync":
            WorkloadIdentityCredential(environ=environ).get_token(SCOPE)
        else:
            run(aio.WorkloadIdentityCredential(environ=environ).get_token(SCOPE))
    except SettingsError as error:
        return error
    raise AssertionError("it has a token")


@pytest.mark.parametrize("text", BAD)
def test_what_is_not_a_url_is_named_at_once(kind: Flavour, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The variable, and never its value; nothing is tried."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    if "\0" in text:  # which no environment can hold
        monkeypatch.setattr(os, "environ", {**os.environ, "HTTPS_PROXY": text})
    else:
        monkeypatch.setenv("HTTPS_PROXY", text)
    error = failure(kind)
    assert error.codes == (BAD[text],)
    assert error.summary.startswith("HTTPS_PROXY ")
    assert "hush" not in str(error)
    assert "proxy.example:" not in str(error).replace("http://proxy.example:3128:", "")


@pytest.mark.parametrize(
    ("variable", "text"), [("HTTPS_PROXY", "none"), ("ALL_PROXY", "http://proxy.invalid:3128"), ("HTTPS_PROXY", "{0}")]
)
def test_a_proxy_that_does_not_work_is_named_with_its_variable(
    pod: Pod, kind: Flavour, monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    """A word that means no proxy, a name that is unknown, a port without a listener: never the login host is blamed."""
    with proxying() as stopped:
        pass
    monkeypatch.setenv(variable, text.format(stopped.url))
    with pod.credential(kind, retry=Retry(bound=0)) as get, pytest.raises(UnreachableError) as caught:
        get(SCOPE)
    assert f"of {variable}" in caught.value.summary
    assert "(its name" not in caught.value.summary
    assert f"correct {variable}" in str(caught.value)


def test_a_bad_proxy_for_other_hosts_does_not_matter(pod: Pod, kind: Flavour, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY has the login host."""
    pod.federate()
    monkeypatch.setenv("HTTPS_PROXY", "htp://[")
    monkeypatch.setenv("NO_PROXY", "localhost")
    with pod.credential(kind) as get:
        assert get(SCOPE).token


def test_a_proxy_is_shown_without_its_password() -> None:
    """In every form."""
    proxy = proxy_for("https://x", {"HTTPS_PROXY": "http://user:hush@proxy.example:3128"})
    assert str(proxy) == "http://proxy.example:3128"
    assert "hush" not in repr(proxy)
