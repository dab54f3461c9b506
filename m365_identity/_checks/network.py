"""Proxy, name, connection and TLS, of the login host and of Graph alike: no request is made."""

import base64
import queue
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

from m365_identity._checks.certificates import Certificate, from_der, is_foreign, verified
from m365_identity._checks.found import Found, Site
from m365_identity._checks.proxies import excluded, proxy_for
from m365_identity._checks.result import Finding, fail, ok, warn
from m365_identity._network.connections import connect
from m365_identity._text import listed, printable

__all__ = ["Links", "links"]

_LARGEST_HEAD: Final = 16 * 1024  # bytes of a proxy's answer
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
_EXPIRED, _NOT_YET, _NAME = 10, 9, (62, 64)  # X509_V_ERR_* of OpenSSL
_STRICT: Final = range(80, 95)  # those of its strict mode, which Python uses since 3.13
_STATE_LOSS: Final = (
    "; the login host can be reached, and Terraform's provider may take a Graph that cannot for resources that are "
    "gone, and drop them from its state"
)


class Links(NamedTuple):
    """The checks of one server, in their order."""

    proxy: Callable[[Found], Iterator[Finding]]
    name: Callable[[Found], Iterator[Finding]]
    connection: Callable[[Found], Iterator[Finding]]
    tls: Callable[[Found], Iterator[Finding]]


def links(site: str) -> Links:
    """The checks of "login" or "graph"."""
    return Links(*(partial(check, name=site) for check in (_proxy, _name, _connection, _tls)))


class _ProxyError(OSError):
    """The proxy did not open a tunnel; `status` is its answer, 0 where that is no HTTP."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the proxy answered {status}")
        self.status = status


def _proxy(found: Found, *, name: str) -> Iterator[Finding]:
    site = found.sites[name]
    try:
        site.proxy = proxy_for(site.url, found.environ)
    except ValueError as error:
        yield fail(str(error), fix="correct the variable, or unset it")
        return
    without = excluded(site.url, found.environ)
    if site.proxy is None:
        yield ok(f"none, since {without} has {site.host}" if without else "none is set")
        return
    said = f"{site.proxy} ({site.proxy.variable})"
    if site.proxy.scheme == "http":
        yield ok(said)
    else:
        yield warn(
            f"{said}: the connection to a proxy of this kind is not looked at here",
            fix="try an http:// proxy: not every program knows others",
        )


def _name(found: Found, *, name: str) -> Iterator[Finding]:
    site = found.sites[name]
    host, port = (site.proxy.host, site.proxy.port) if site.proxy else (site.host, site.port)
    try:
        addresses = _within(found.silence, lambda: _resolve(host, port))
    except TimeoutError:
        problem = "the name server does not answer"
    except OSError as error:  # socket.gaierror
        problem = printable(error.strerror or error)
    except UnicodeError:
        problem = "it is no name of a host"
    else:
        known = "an address" if addresses == [host] else listed(addresses, most=4)
        yield ok(f"{host} is {known}{'; the proxy resolves the rest' if site.proxy else ''}")
        return
    yield fail(
        f"{host} cannot be resolved: {problem}{_consequence(found, name)}",
        "a NetworkPolicy does not let the pod out to the cluster's DNS (port 53, UDP and TCP)",
        "the name is misspelt" if site.proxy else "only a proxy knows the name, and HTTPS_PROXY is not set",
        "the cluster's DNS does not forward to the outside",
        fix=f"from the pod: python -c \"import socket; print(socket.getaddrinfo('{host}', {port}))\"",
    )


def _connection(found: Found, *, name: str) -> Iterator[Finding]:
    site = found.sites[name]
    if site.proxy and site.proxy.scheme != "http":
        yield ok("not looked at through a proxy of this kind")
        return
    try:
        _connect(site, found.silence).close()
    except _ProxyError as error:
        yield _refused_by_proxy(site, error.status, _consequence(found, name))
    except OSError as error:
        if site.proxy:
            where, cause = f"the proxy {site.proxy}", "the proxy is down, or its address is wrong"
        else:
            where, cause = f"{site.host}:{site.port}", "a proxy is needed, and HTTPS_PROXY is not set"
        yield fail(
            f"no connection to {where}: {_reason(error)}{_consequence(found, name)}",
            f"a NetworkPolicy or firewall does not let the pod out to {where}",
            cause,
            fix=f"allow egress to {where}, or {'correct' if site.proxy else 'set'} HTTPS_PROXY",
        )
    else:
        yield ok(f"{site.host}:{site.port} {'through the proxy' if site.proxy else 'is open'}")


def _tls(found: Found, *, name: str) -> Iterator[Finding]:
    site = found.sites[name]
    if site.proxy and site.proxy.scheme != "http":
        yield ok("not looked at through a proxy of this kind")
        return
    try:
        version, certificate = _handshake(found, site)
    except ssl.SSLCertVerificationError as error:
        yield _untrusted(site, error, _unverified(site, found.silence), _consequence(found, name))
    except OSError as error:  # ssl.SSLError is one
        yield fail(
            f"{site.host} does not complete the TLS handshake: {_reason(error)}{_consequence(found, name)}",
            "a firewall that looks at names lets the connection begin and not go on",
            "what answers on this port does not speak TLS",
            fix=f"have {site.host} allowed by name; from the pod's network: curl -v {site.url}",
        )
    else:
        site.is_reached = True
        said = f"{version}, certificate issued by {certificate.issuer}"
        if is_foreign(site.url, certificate):
            yield warn(
                f"{said}: not one that Microsoft uses, so something on the way decrypts TLS, and sees tokens",
                fix=f"have {site.host} left out of the inspection; if it is meant, leave it",
            )
        else:
            yield ok(said)


def _connect(site: Site, silence: float) -> socket.socket:
    """A TCP connection to the server, through the proxy if there is one. Raises OSError."""
    proxy = site.proxy
    host, port = (proxy.host, proxy.port) if proxy else (site.host, site.port)
    connection = connect(host, port, silence)
    try:
        if proxy:
            host = f"[{site.host}]" if ":" in site.host else site.host
            head = f"CONNECT {host}:{site.port} HTTP/1.1\r\nHost: {host}:{site.port}\r\n"
            if proxy.user or proxy.password:
                pair = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
                head += f"Proxy-Authorization: Basic {pair}\r\n"
            connection.sendall(f"{head}\r\n".encode())
            status = _answer(connection)
            if not 200 <= status < 300:
                raise _ProxyError(status)
    except BaseException:
        connection.close()
        raise
    return connection


def _answer(connection: socket.socket) -> int:
    """The status of a proxy's answer, 0 for what is none. The server says nothing before the client has, so no byte
    that follows the head is lost."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _LARGEST_HEAD:
        chunk = connection.recv(4096)
        if not chunk:
            break
        head += chunk
    match = _STATUS.match(head)
    return int(match[1]) if match else 0


def _handshake(found: Found, site: Site) -> tuple[str, Certificate]:
    """The TLS version and the server's certificate. Raises OSError, SSLCertVerificationError among them."""
    cafile = found.verify
    if isinstance(cafile, bool):
        from requests.utils import DEFAULT_CA_BUNDLE_PATH  # what azure-core's transport trusts

        cafile = DEFAULT_CA_BUNDLE_PATH
    context = ssl.create_default_context(cafile=cafile)
    with _connect(site, found.silence) as connection, context.wrap_socket(connection, server_hostname=site.host) as tls:
        return tls.version() or "TLS", verified(tls.getpeercert() or {})


def _unverified(site: Site, silence: float) -> Certificate | None:
    """Who the server says it is, believed by nobody; None if that cannot be had."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _connect(site, silence) as connection, context.wrap_socket(connection, server_hostname=site.host) as tls:
            return from_der(tls.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return None


def _untrusted(
    site: Site, error: ssl.SSLCertVerificationError, certificate: Certificate | None, consequence: str
) -> Finding:
    who = f"; it is issued by {certificate.issuer}, for {certificate.subject}" if certificate else ""
    detail = f"the certificate of {site.host} is not trusted: {printable(error.verify_message)}{who}{consequence}"
    if error.verify_code in (_EXPIRED, _NOT_YET):
        return fail(
            detail,
            "the clock of this node is wrong",
            "a proxy that decrypts TLS has let its certificate expire",
            fix="compare `date -u` with the right time",
        )
    if error.verify_code in _NAME:
        return fail(
            detail,
            "DNS, a proxy or hostAliases lead to another server",
            fix=f"see where {site.host} leads to; from the pod's network: curl -v {site.url}",
        )
    if error.verify_code in _STRICT:
        return fail(
            detail,
            "a proxy or firewall that decrypts TLS has certificates without key identifiers or key usage, which Python "
            "refuses since 3.13 and Go does not",
            fix="have its certificate authority made anew, with them; until then use an image with Python 3.12",
        )
    return fail(
        detail,
        "a proxy or firewall decrypts TLS, and its certificate authority is not known here",
        "SSL_CERT_FILE or REQUESTS_CA_BUNDLE names a file without the authority that is needed",
        fix="put the PEM of that authority into a file that also has the public ones, and name the file in both "
        "SSL_CERT_FILE and REQUESTS_CA_BUNDLE",
    )


def _refused_by_proxy(site: Site, status: int, consequence: str) -> Finding:
    proxy = site.proxy
    said = f"answered {status}" if status else "did not answer as a proxy does"
    causes = {
        403: "its policy does not let this host pass",
        407: "it wants a user and a password",
        502: "it cannot reach the host itself",
        503: "it cannot reach the host itself",
        504: "it cannot reach the host itself",
    }
    variable = proxy.variable if proxy else "HTTPS_PROXY"
    return fail(
        f"the proxy {proxy} {said} to CONNECT {site.host}:{site.port}{consequence}",
        causes.get(status, "it is no proxy for HTTPS"),
        fix=f"name user and password in {variable}: http://USER:PASSWORD@{proxy.address}"
        if status == 407 and proxy
        else f"have {site.host}:{site.port} allowed there, or correct {variable} and NO_PROXY",
    )


def _consequence(found: Found, name: str) -> str:
    return _STATE_LOSS if name == "graph" and found.sites["login"].is_reached else ""


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it timed out"
    if isinstance(error, ssl.SSLEOFError | ConnectionResetError | ssl.SSLZeroReturnError):
        return "the connection was cut"
    if isinstance(error, ssl.SSLError):
        return printable((error.reason or "TLS failed").replace("_", " ").lower())
    return printable(error.strerror or error)


def _resolve(host: str, port: int) -> list[str]:
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def _within(seconds: float, work: Callable[[], list[str]]) -> list[str]:
    """What `work` returns or raises, TimeoutError if that takes too long: a resolver cannot be told how long to try."""
    done: queue.SimpleQueue[list[str] | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(work())
        except (OSError, UnicodeError) as error:
            done.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        result = done.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(result, BaseException):
        raise result
    return result
