"""`doctor` and the way to a server: proxy, name, connection, TLS, and whose certificates are trusted."""

import base64
import datetime as dt
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from certs.authority import make_leaf
from certs.pem import bundle_pem
from m365_identity._checks.found import Found, Site
from m365_identity._checks.network import links
from m365_identity._checks.result import LinkStatus
from testbed.cluster.pki import Authority
from testbed.entra import Listening, running
from testbed.entra.proxy import Proxy, proxying
from testbed.node.authority import authority
from tests.authorities import make_authority
from tests.helper.addresses import named, swallowing
from tests.helper_commands.doctor_support import doctor, one, well
from tests.helper_commands.processes import Pod

pytestmark = pytest.mark.slow


@pytest.fixture
def trusted(pod: Pod) -> Pod:
    """A pod that Entra lets in."""
    pod.federate()
    return pod


@pytest.fixture
def proxy(trusted: Pod) -> Iterator[Proxy]:
    """A proxy that the pod uses, to anywhere."""
    with proxying(is_closed=False) as proxy:
        trusted.environ["HTTPS_PROXY"] = proxy.url
        yield proxy


def test_a_proxy_is_shown_and_used(trusted: Pod, proxy: Proxy) -> None:
    """For the probes as for the exchange; what is resolved here is the proxy's name."""
    report = doctor(trusted.environ)
    assert report.code == 0
    for site in ("login", "graph"):
        assert report.detail(f"{site}-proxy") == f"{proxy.url} (HTTPS_PROXY)"
        assert report.detail(f"{site}-dns") == "127.0.0.1 is an address; the proxy resolves the rest"
        assert report.detail(f"{site}-tcp").endswith(" through the proxy")
    assert {tunnel.status for tunnel in proxy.tunnels} == {200}
    # Each server: one connection to see that it opens, one for TLS, and what asks over it.
    assert len(proxy.tunnels) >= 6


def test_no_proxy_keeps_a_host_from_it(trusted: Pod, proxy: Proxy) -> None:
    """And is named, since it can be the reason."""
    trusted.environ["NO_PROXY"] = "10.0.0.0/8,localhost"
    report = doctor(trusted.environ)
    assert report.code == 0
    assert report.detail("login-proxy") == "none, since NO_PROXY has localhost"
    assert not proxy.tunnels


@pytest.mark.parametrize(
    ("status", "cause", "fix"),
    [
        (403, "its policy does not let this host pass", "allowed there"),
        (407, "it wants a user and a password", "http://USER:PASSWORD@127.0.0.1:"),
        (502, "it cannot reach the host itself", "allowed there"),
        (418, "it is not a proxy for HTTPS", "correct HTTPS_PROXY"),
    ],
)
def test_a_proxy_that_refuses_is_found_with_the_cause(
    trusted: Pod, proxy: Proxy, status: int, cause: str, fix: str
) -> None:
    """Its answer, and what it means; what depends on the way is skipped."""
    proxy.refuse_with = status
    report = doctor(trusted.environ)
    assert report.failed() == {"login-tcp", "graph-tcp"}
    assert f"the proxy {proxy.url} answered {status} to CONNECT localhost:" in report.detail("login-tcp")
    assert report.worst("login-tcp")["causes"] == [cause]
    assert fix in report.fix("login-tcp")
    assert report.detail("exchange") == 'needs "login host: TLS"'
    assert not trusted.entra.requests


def test_a_proxy_that_lets_only_the_login_host_pass(tmp_path: Path) -> None:
    """The trap of A8.6: Terraform's provider takes the 403 for resources that are gone."""
    with well(tmp_path) as pod:
        routes = {name: where for name, where in pod.entra.routes.items() if name.startswith("login")}
        with proxying(routes=routes) as proxy:
            report = doctor(pod.environ | {"HTTPS_PROXY": proxy.url})
    assert report.failed() == {"graph-tcp"}
    assert "answered 403" in report.detail("graph-tcp")
    assert "drop them from its state" in report.detail("graph-tcp")
    assert report.status("exchange") == "ok"


def test_a_proxy_that_is_down_is_named_instead_of_the_server(trusted: Pod) -> None:
    """Not the server but the proxy is named."""
    with proxying() as proxy:
        trusted.environ["https_proxy"] = proxy.url
    report = doctor(trusted.environ)
    assert f"no connection to the proxy {proxy.url} of https_proxy: " in report.detail("login-tcp")
    assert any("the proxy is down" in cause for cause in report.worst("login-tcp")["causes"])


def test_a_proxy_gets_user_and_password_and_a_bad_one_is_reported(trusted: Pod) -> None:
    """Here a mail server answers, and then one that hangs up."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            for said in (b"220 mail.example ESMTP\r\n\r\n", b""):
                connection, _ = listener.accept()
                with connection:
                    asked.append(connection.recv(4096))
                    connection.sendall(said)

        server = threading.Thread(target=answer)
        server.start()
        report = doctor(trusted.environ | {"HTTPS_PROXY": f"a:b%40c@127.0.0.1:{port}"})
        server.join()
    for site in ("login", "graph"):
        assert f"the proxy http://127.0.0.1:{port} did not answer as a proxy does" in report.detail(f"{site}-tcp")
    for head in asked:
        assert head.startswith(b"CONNECT localhost:")
        assert b"\r\nProxy-Authorization: Basic " + base64.b64encode(b"a:b@c") + b"\r\n" in head


def test_a_variable_that_is_not_a_proxy_is_named_without_its_value(trusted: Pod) -> None:
    """The variable is named, not its value: that may hold a password."""
    report = doctor(trusted.environ | {"HTTPS_PROXY": "http://user:hush@[::"})
    assert report.failed() == {"login-proxy", "graph-proxy"}
    assert report.detail("login-proxy").startswith("HTTPS_PROXY is not the address of a proxy")
    assert "hush" not in str(report)


def test_a_socks_proxy_is_named(trusted: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the credentials never knows it, the other one with a further package; it is not looked at either way."""
    socks = {"ALL_PROXY": "socks5://127.0.0.1:1080"}
    report = doctor(trusted.environ | socks)
    assert report.failed() == {"login-proxy", "graph-proxy"}
    assert report.detail("login-proxy").startswith("ALL_PROXY names a SOCKS proxy")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "socks")
    known = Found(environ=socks, sites={"login": Site("https://login.example")})
    assert one(links("login").proxy, known).code == "WIH405"
    assert one(links("login").tls, known).detail == "not looked at through a proxy of this kind"


def test_a_name_is_shown_with_its_addresses(trusted: Pod) -> None:
    """So that one sees where it leads."""
    assert re.fullmatch(
        r"localhost is (127\.0\.0\.1|::1)(, (127\.0\.0\.1|::1))?", doctor(trusted.environ).detail("login-dns")
    )


def test_an_unknown_name_fails_on_the_line_of_dns(trusted: Pod) -> None:
    """DNS fails on its own line."""
    trusted.environ["AZURE_AUTHORITY_HOST"] = "https://login.invalid"
    report = doctor(trusted.environ)
    assert report.failed() == {"login-dns"}
    assert report.detail("login-dns").startswith("login.invalid cannot be resolved: ")
    assert "port 53" in report.worst("login-dns")["causes"][0]
    assert "getaddrinfo('login.invalid', 443)" in report.fix("login-dns")
    assert report.status("graph-tls") == "ok"


def test_a_closed_port_fails_on_the_line_of_tcp(trusted: Pod) -> None:
    """A connection that is refused."""
    trusted.entra.login_server.stop()
    report = doctor(trusted.environ)
    assert report.failed() == {"login-tcp"}
    assert "Connection refused" in report.detail("login-tcp")
    assert "NetworkPolicy" in report.worst("login-tcp")["causes"][0]


def test_many_addresses_that_swallow_packets_take_no_longer_than_one() -> None:
    """--timeout is that of the connection, and not of each address."""

    def taken(count: int) -> float:
        with swallowing(count) as (addresses, port), named("login.example", addresses):
            known = Found(environ={}, silence=1)
            known.sites = {"login": Site(f"https://login.example:{port}")}
            before = time.monotonic()
            finding = one(links("login").connection, known)
            assert "it timed out" in finding.detail
            return time.monotonic() - before

    assert taken(8) < 3 * taken(1)


def test_what_does_not_speak_tls(trusted: Pod) -> None:
    """A server that cuts the connection, and one that answers in plain text."""
    trusted.entra.next("login", cut="handshake", times=None)
    report = doctor(trusted.environ)
    assert report.failed() == {"login-tls"}
    assert "does not complete the TLS handshake: the connection was cut" in report.detail("login-tls")
    with proxying() as plain:
        report = doctor(
            trusted.environ | {"AZURE_AUTHORITY_HOST": plain.url.replace("http:", "https:")}, "--timeout", "4"
        )
    assert report.failed() == {"login-tls"}


def test_a_server_that_is_silent(trusted: Pod) -> None:
    """--timeout is how long it may be."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        report = doctor(trusted.environ | {"AZURE_AUTHORITY_HOST": url}, "--timeout", "1")
    assert "it timed out" in report.detail("login-tls")


def test_an_authority_that_is_not_trusted(trusted: Pod, tmp_path: Path) -> None:
    """TLS is intercepted, or the variable names the wrong file: who signed the certificate is shown."""
    other = tmp_path / "other.pem"
    other.write_text(make_authority(now=dt.datetime.now(dt.UTC), lifetime=dt.timedelta(days=1)).pem)
    report = doctor(trusted.environ | {"REQUESTS_CA_BUNDLE": str(other), "SSL_CERT_FILE": str(other)})
    assert report.failed() == {"login-tls", "graph-tls"}
    detail = report.detail("login-tls")
    assert "the certificate of localhost is not trusted: " in detail
    assert "; it is issued by CN=testbed.entra " in detail
    assert "decrypts TLS" in report.worst("login-tls")["causes"][0]
    assert "SSL_CERT_FILE" in report.fix("login-tls")
    assert report.status("exchange") == "skip"
    assert not trusted.entra.requests


def test_interception_that_is_trusted(tmp_path: Path) -> None:
    """A certificate for Microsoft's name that Microsoft would not have: it works, and somebody reads along."""
    with running() as entra, proxying(routes=entra.routes) as proxy:
        pod = Pod(entra, tmp_path)
        pod.federate()
        environ = pod.environ | {"HTTPS_PROXY": proxy.url}
        del environ["AZURE_AUTHORITY_HOST"], environ["M365_GRAPH_HOST"]
        report = doctor(environ)
    assert report.code == 0
    for site in ("login", "graph"):
        assert report.status(f"{site}-tls") == "warn"
        assert "issued by CN=testbed.entra " in report.detail(f"{site}-tls")
        assert "decrypts TLS" in report.detail(f"{site}-tls")


@pytest.mark.parametrize(
    ("names", "days", "says", "cause"),
    [
        (["login.example"], 1, "Hostname mismatch", "lead to another server"),
        (["localhost"], -1, "certificate has expired", "the clock of this node is wrong"),
    ],
)
def test_a_certificate_that_does_not_fit(tmp_path: Path, names: list[str], days: int, says: str, cause: str) -> None:
    """Of another name, or past its end: the reason is reported, with what it usually comes from."""
    now = dt.datetime.now(dt.UTC)
    signer = authority(organization="Contoso", common_name="Contoso CA")
    lifetime = dt.timedelta(days=1) if days > 0 else -dt.timedelta(minutes=30)
    pair = make_leaf(signer, names=names, now=now, lifetime=lifetime)
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_bytes(bundle_pem([pair.certificate, signer.certificate]))
    key.write_bytes(pair.private_pem())
    with running(listening=Listening(tls=(certificate, key))) as entra:
        pod = Pod(entra, tmp_path)
        report = doctor(pod.environ)
    assert report.failed() == {"login-tls", "graph-tls"}
    assert says.lower() in report.detail("login-tls").lower()
    assert "issued by CN=Contoso CA, O=Contoso" in report.detail("login-tls")
    assert any(cause in each for each in report.worst("login-tls")["causes"])


@pytest.mark.usefixtures("strict_tls")
def test_certificates_that_only_python_refuses(tmp_path: Path) -> None:
    """Like many proxies', they are missing what OpenSSL's strict mode wants: Terraform gets through, scripts do not."""
    signer = Authority()
    pair = signer.server(["127.0.0.1"], ["localhost"])
    files = {"ca.pem": signer.certificate, "tls.crt": pair.certificate, "tls.key": pair.key}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with running(listening=Listening(tls=(tmp_path / "tls.crt", tmp_path / "tls.key"))) as entra:
        known = Found(
            environ={},
            silence=5,
            trust=ssl.create_default_context(cafile=tmp_path / "ca.pem"),
            sites={"login": Site(entra.login)},
        )
        finding = one(links("login").tls, known)
    assert finding.status is LinkStatus.FAIL
    assert "missing authority key identifier" in finding.detail.lower()
    assert any("since 3.13" in cause for cause in finding.causes)


def test_a_file_of_authorities_that_is_not_there(trusted: Pod) -> None:
    """The variable is named, and no connection is tried without it."""
    report = doctor(trusted.environ | {"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"})
    assert report.failed() == {"authorities"}
    assert 'REQUESTS_CA_BUNDLE is "/nowhere/ca.pem", which cannot be read' in report.detail("authorities")
    assert report.detail("login-tls") == 'needs "trusted authorities"'
    assert report.status("login-tcp") == "ok"


def test_a_file_of_authorities_that_only_others_read(trusted: Pod, tmp_path: Path) -> None:
    """Go reads SSL_CERT_FILE, Python's requests REQUESTS_CA_BUNDLE: both should be good, and the same."""
    used = trusted.environ["REQUESTS_CA_BUNDLE"]
    report = doctor(trusted.environ | {"SSL_CERT_FILE": "/nowhere/ca.pem", "SSL_CERT_DIR": "/nowhere"})
    assert report.code == 0
    told = [result["detail"] for result in report.all("authorities") if result["status"] == "warn"]
    assert any(said.startswith('SSL_CERT_FILE is "/nowhere/ca.pem"') for said in told)
    assert any(said.startswith('SSL_CERT_DIR is "/nowhere"') for said in told)

    report = doctor({name: value for name, value in trusted.environ.items() if name != "SSL_CERT_FILE"})
    assert "Terraform and other programs in Go do not" in report.detail("authorities")
    assert report.fix("authorities") == f"set SSL_CERT_FILE to {used} as well"

    other = tmp_path / "other.pem"
    other.write_text(make_authority(now=dt.datetime.now(dt.UTC), lifetime=dt.timedelta(days=1)).pem)
    report = doctor(trusted.environ | {"SSL_CERT_FILE": str(other)})
    assert "name different certificates" in report.detail("authorities")

    report = doctor({name: value for name, value in trusted.environ.items() if name != "REQUESTS_CA_BUNDLE"})
    assert report.status("authorities") == "ok"
    assert "(SSL_CERT_FILE)" in report.detail("authorities")


def test_without_any_variable_the_public_authorities_are_trusted(trusted: Pod) -> None:
    """Which do not know the emulator's."""
    environ = {
        name: value for name, value in trusted.environ.items() if name not in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    }
    report = doctor(environ)
    assert report.detail("authorities") == "the public ones that come with Python's certifi"
    assert report.failed() == {"login-tls", "graph-tls"}
