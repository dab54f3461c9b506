"""The way out of the pod: a proxy, an authority of one's own, and what is said where the way is barred."""

import shutil
import ssl
from pathlib import Path

import pytest

from m365_identity import ExchangeError, SettingsError, UnreachableError
from m365_identity._network.trusted_authorities import VARIABLES, authorities
from testbed.entra import Entra, running
from testbed.entra.proxy import proxying
from tests.helper.support import SCOPE, Flavour, Pod

pytestmark = pytest.mark.slow  # all together they take seconds

PROXIES = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither proxies nor authorities from outside: the libraries below read the process's own environment."""
    for name in (*PROXIES, *VARIABLES):
        monkeypatch.delenv(name, raising=False)


def trusting(pod: Pod, **variables: str) -> dict[str, str]:
    """The pod's environment with these variables for trust and no others."""
    return {name: value for name, value in pod.environ.items() if name not in VARIABLES} | variables


@pytest.mark.parametrize("variable", VARIABLES)
def test_each_variable_gives_the_authority_to_both(pod: Pod, kind: Flavour, variable: str) -> None:
    """requests reads two of them by itself and aiohttp the third one; here each counts for both."""
    pod.federate()
    environ = trusting(pod, **{variable: str(pod.entra.ca_file)})
    with pod.credential(kind, environ=environ) as get:
        assert get(SCOPE).token


def test_the_variable_of_requests_comes_first(pod: Pod, kind: Flavour, tmp_path: Path) -> None:
    """As it does for everything else in Python that uses requests."""
    pod.federate()
    with running(directory=tmp_path) as other:
        both = {"SSL_CERT_FILE": str(other.ca_file), "REQUESTS_CA_BUNDLE": str(pod.entra.ca_file)}
        with pod.credential(kind, environ=trusting(pod, **both)) as get:
            assert get(SCOPE).token


def test_an_untrusted_server_gets_no_token_and_is_not_tried_again(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """A proxy that decrypts TLS looks the same; no token is sent."""
    error = pod.fails(kind, environ=trusting(pod), bound=30)
    assert isinstance(error, UnreachableError)
    assert not error.may_heal
    assert "its certificate is not trusted" in str(error)
    assert error.advice is not None
    assert "decrypts TLS" in error.advice.causes[0]
    assert "SSL_CERT_FILE" in error.advice.fix
    assert (pod.time.pauses, entra.exchanges) == ([], [])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "which cannot be read (No such file or directory)"),
        (b"", "which holds no certificate"),
        (b"0 authorities", "which holds no certificate"),
        (b"\x30\x82\x01\x0a", "which is not PEM but DER (openssl x509 -inform der)"),
        (b"-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n", "which has a certificate that is damaged"),
    ],
)
def test_a_file_that_is_not_a_bundle_is_an_error(
    pod: Pod, kind: Flavour, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    """With the variable, instead of an error of a library, or of trusting somebody else."""
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    error = pod.fails(kind, environ=trusting(pod, SSL_CERT_FILE=str(path)))
    assert isinstance(error, SettingsError)
    assert (
        str(error)
        == f'SSL_CERT_FILE is "{path}", {problem}: expected a file of PEM certificates, or a folder of them [WIH160]'
    )


def test_without_a_variable_the_usual_authorities_count() -> None:
    """Each library's own; an empty variable counts as not set."""
    assert authorities({}) is None
    assert authorities({"SSL_CERT_FILE": "", "SSL_CERT_DIR": "/nowhere"}) is None


def test_a_proxy_is_used(pod: Pod, entra: Entra, kind: Flavour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named in HTTPS_PROXY: Microsoft's own host name is asked for there, and TLS is with what is behind it."""
    pod.federate()
    environ = {name: value for name, value in pod.environ.items() if name != "AZURE_AUTHORITY_HOST"}
    with proxying(routes=entra.routes) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pod.credential(kind, environ=environ) as get:
            assert get(SCOPE).token
    assert [(tunnel.host, tunnel.status) for tunnel in proxy.tunnels] == [("login.microsoftonline.com", 200)]


def test_a_host_in_no_proxy_is_called_directly(pod: Pod, kind: Flavour, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a private address of the login host is."""
    pod.federate()
    with proxying() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "localhost")
        with pod.credential(kind) as get:
            assert get(SCOPE).token
    assert not proxy.connections


@pytest.mark.parametrize("status", [401, 403, 405, 407])
def test_a_proxy_that_refuses_gets_one_request(
    pod: Pod, kind: Flavour, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """No waiting gives it a password or another policy. Its own status and advice tell it from Entra."""
    environ = {name: value for name, value in pod.environ.items() if name != "AZURE_AUTHORITY_HOST"}
    with proxying() as proxy:
        proxy.refuse_with = status
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = pod.fails(kind, environ=environ, bound=30)
    assert isinstance(error, UnreachableError)
    assert (error.may_heal, error.attempts, pod.time.pauses) == (False, 1, [])
    assert [tunnel.host for tunnel in proxy.tunnels] == ["login.microsoftonline.com"]
    assert f"(the proxy answered {status})" in error.summary
    assert error.advice is not None
    assert f"the proxy {proxy.url} answered {status} to CONNECT login.microsoftonline.com:443" in error.summary
    first = {403: "its policy", 407: "it wants a user and a password"}.get(status, "it is not a proxy for HTTPS")
    assert error.advice.causes[0].startswith(first)
    assert "HTTPS_PROXY" in error.advice.fix


def test_a_password_that_the_proxy_does_not_take_comes_first(
    pod: Pod, kind: Flavour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is not shown."""
    with proxying(routes=pod.entra.routes) as proxy:
        proxy.wants = "user:right"
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http://", "http://user:hush@"))
        environ = {name: value for name, value in pod.environ.items() if name != "AZURE_AUTHORITY_HOST"}
        error = pod.fails(kind, environ=environ)
    assert error.advice is not None
    assert error.advice.causes[0] == "it does not take the user and password in HTTPS_PROXY"
    assert proxy.url in error.summary
    assert "hush" not in str(error)


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_a_proxy_with_troubles_of_its_own_is_asked_again(
    pod: Pod, kind: Flavour, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """It may be better in a moment; nothing is said of Entra."""
    with proxying() as proxy:
        proxy.refuse_with = status
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = pod.fails(kind, bound=3)
    assert isinstance(error, UnreachableError)
    assert error.may_heal
    assert error.attempts == len(proxy.tunnels) > 1
    assert f"(the proxy answered {status})" in error.summary
    assert error.advice is not None
    assert f"the proxy {proxy.url} answered {status} to CONNECT" in error.summary
    assert error.advice.causes[0] == "it cannot reach the host itself"


def test_a_missing_proxy_is_an_error(pod: Pod, kind: Flavour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address holds a password at times, and is not repeated."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@127.0.0.1:1")
    error = pod.fails(kind)
    assert isinstance(error, UnreachableError)
    assert "the proxy cannot be reached" in str(error)
    assert "hunter2" not in str(error)


def test_a_name_that_does_not_resolve_is_an_error(pod: Pod, kind: Flavour) -> None:
    """.invalid never does."""
    error = pod.fails(kind, authority="https://login.invalid/")
    assert isinstance(error, UnreachableError)
    assert "its name cannot be resolved" in str(error)


def test_a_certificate_for_another_name_is_not_trusted(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """The authority is known, and the name is not in the certificate."""
    pod.federate()
    authority = entra.login.replace("localhost", "127.0.0.2")
    error = pod.fails(kind, authority=authority)
    assert isinstance(error, UnreachableError)
    assert "certificate is not trusted" in str(error) or "refused the connection" in str(error)


def test_a_portal_that_answers_in_entras_place_is_an_error(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """A page in HTML with 200, as of a captive portal."""
    entra.next("login", body=b"<html>Please log in</html>", content_type="text/html", status=200)
    error = pod.fails(kind)
    assert isinstance(error, ExchangeError)
    assert "HTTP 200, content of type text/html instead of a token" in str(error)
    assert "captive portal" in str(error)
    assert "Please log in" not in str(error)


def test_a_bundle_of_many_is_taken(pod: Pod, kind: Flavour, tmp_path: Path) -> None:
    """The public authorities with one's own at the end, as the advice says."""
    pod.federate()
    bundle = tmp_path / "bundle.pem"
    usual = ssl.get_default_verify_paths().cafile
    if usual:
        shutil.copyfile(usual, bundle)
    with bundle.open("a") as file:
        file.write("\n" + pod.entra.ca_file.read_text())
    with pod.credential(kind, environ=trusting(pod, SSL_CERT_FILE=str(bundle))) as get:
        assert get(SCOPE).token
