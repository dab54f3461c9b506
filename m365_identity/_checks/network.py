"""Proxy, name, connection and TLS, of the login host and of Graph alike: no request is made."""

import queue
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

from m365_identity._advice import network
from m365_identity._checks.certificates import Certificate, from_der, is_foreign, verified
from m365_identity._checks.found import Found, Site
from m365_identity._checks.result import LinkFinding, finding, from_message
from m365_identity._messages import network as messages
from m365_identity._network.connections import connect
from m365_identity._network.proxies import BadProxyError, Proxy, excluded, usable
from m365_identity._text import listed, shown

__all__ = ["Links", "links"]

_LARGEST_HEAD: Final = 16 * 1024  # bytes of a proxy's answer
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")


class Links(NamedTuple):
    """The checks of one server, in their order."""

    proxy: Callable[[Found], Iterator[LinkFinding]]
    name: Callable[[Found], Iterator[LinkFinding]]
    connection: Callable[[Found], Iterator[LinkFinding]]
    tls: Callable[[Found], Iterator[LinkFinding]]


def links(site: str) -> Links:
    """The checks of "login" or "graph"."""
    return Links(*(partial(check, name=site) for check in (_proxy, _name, _connection, _tls)))


class _TunnelRefusedError(OSError):
    """The proxy did not open a tunnel; `status` is its answer, 0 if the answer is not HTTP."""

    def __init__(self, proxy: Proxy, status: int) -> None:
        super().__init__(f"the proxy answered {status}")
        self.proxy = proxy
        self.status = status


class _NoTLSError(OSError):
    """A proxy that is to be spoken to by TLS does not answer so."""


def _proxy(found: Found, *, name: str) -> Iterator[LinkFinding]:
    site = found.sites[name]
    try:
        site.proxy = usable(site.url, found.environ, socks=True)
    except BadProxyError as error:
        yield from_message(error.message_found)
        return
    without = excluded(site.url, found.environ)
    if site.proxy is not None:
        kind = messages.PROXY if site.proxy.scheme == "http" else messages.PROXY_OTHER
        yield finding(kind, proxy=site.proxy, variable=site.proxy.variable)
    elif without:
        yield finding(messages.PROXY_LEFT_OUT, variable=without, host=site.host)
    else:
        yield finding(messages.NO_PROXY)


def _name(found: Found, *, name: str) -> Iterator[LinkFinding]:
    site = found.sites[name]
    host, port = (site.proxy.host, site.proxy.port) if site.proxy else (site.host, site.port)
    try:
        addresses = _within(found.silence, lambda: _resolve(host, port))
    except TimeoutError:
        problem = "the name server does not answer"
    except OSError as error:  # socket.gaierror
        problem = shown(error.strerror or error)
    except UnicodeError:
        problem = "it is not the name of a host"
    else:
        known = "an address" if addresses == [host] else listed(addresses, most=4)
        yield finding(messages.NAME_OF_PROXY if site.proxy else messages.NAME, host=host, addresses=known)
        return
    yield from_message(network.name(_way(found, name), problem))


def _connection(found: Found, *, name: str) -> Iterator[LinkFinding]:
    site = found.sites[name]
    if site.proxy and site.proxy.is_socks:
        yield finding(messages.CONNECTION_UNKNOWN)
        return
    try:
        _connect(site, found.silence, found.trust).close()
    except _TunnelRefusedError as error:
        yield from_message(network.proxy_refusal(_way(found, name), error.proxy, error.status))
    except _NoTLSError as error:
        yield from_message(network.handshake(_way(found, name), str(error)))
    except OSError as error:
        yield from_message(network.connection(_way(found, name), _reason(error)))
    else:
        kind = messages.CONNECTION_BY_PROXY if site.proxy else messages.CONNECTION
        yield finding(kind, host=site.host, port=site.port)


def _tls(found: Found, *, name: str) -> Iterator[LinkFinding]:
    site = found.sites[name]
    if site.proxy and site.proxy.scheme != "http":  # TLS inside of TLS is not looked at
        yield finding(messages.TLS_UNKNOWN)
        return
    try:
        version, certificate = _handshake(found, site)
    except ssl.SSLCertVerificationError as error:
        seen = _unverified(site, found.silence)
        issuer = f"; it is issued by {seen.issuer}, for {seen.subject}" if seen else ""
        problem = shown(error.verify_message)
        yield from_message(network.untrusted(_way(found, name), error.verify_code, problem, issuer=issuer))
    except OSError as error:  # ssl.SSLError is one
        yield from_message(network.handshake(_way(found, name), _reason(error)))
    else:
        site.is_reached = True
        kind = messages.TLS_FOREIGN if is_foreign(site.url, certificate) else messages.TLS
        yield finding(kind, version=version, issuer=certificate.issuer, host=site.host)


def _connect(site: Site, silence: float, trust: ssl.SSLContext | None = None) -> socket.socket:
    """A connection to the server, through the proxy if there is one. Raises OSError.

    trust: the authorities for a proxy that is spoken to by TLS; None for the usual ones.
    """
    proxy = site.proxy
    host, port = (proxy.host, proxy.port) if proxy else (site.host, site.port)
    connection = connect(host, port, silence)
    try:
        if proxy and proxy.is_by_tls:
            connection = _by_tls(connection, proxy, trust or _usual_trust())
        if proxy:
            host = f"[{site.host}]" if ":" in site.host else site.host
            head = f"CONNECT {host}:{site.port} HTTP/1.1\r\nHost: {host}:{site.port}\r\n"
            head += "".join(f"{header}: {value}\r\n" for header, value in proxy.headers.items())
            connection.sendall(f"{head}\r\n".encode())
            status = _answer(connection)
            if not 200 <= status < 300:
                raise _TunnelRefusedError(proxy, status)
    except BaseException:
        connection.close()
        raise
    return connection


def _by_tls(connection: socket.socket, proxy: Proxy, trust: ssl.SSLContext) -> ssl.SSLSocket:
    """The same connection to the proxy, by TLS. Raises _NoTLSError."""
    try:
        return trust.wrap_socket(connection, server_hostname=proxy.host)
    except ssl.SSLCertVerificationError as error:
        raise _NoTLSError(f"its certificate is not trusted: {shown(error.verify_message)}") from None
    except OSError as error:
        raise _NoTLSError(_reason(error)) from None


def _usual_trust() -> ssl.SSLContext:
    from requests.utils import DEFAULT_CA_BUNDLE_PATH  # what azure-core's transport trusts

    return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)


def _answer(connection: socket.socket) -> int:
    """The status of a proxy's answer, 0 if it is not HTTP.

    The server is silent until the client has sent something, so no byte after the head is lost.
    """
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
    context = found.trust or _usual_trust()
    with _connect(site, found.silence) as connection, context.wrap_socket(connection, server_hostname=site.host) as tls:
        return tls.version() or "TLS", verified(tls.getpeercert() or {})


def _unverified(site: Site, silence: float) -> Certificate | None:
    """Who the server says it is, not verified; None if it does not say."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _connect(site, silence) as connection, context.wrap_socket(connection, server_hostname=site.host) as tls:
            return from_der(tls.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return None


def _way(found: Found, name: str) -> network.Way:
    site = found.sites[name]
    is_graph_alone = name == "graph" and found.sites["login"].is_reached
    return network.Way(url=site.url, proxy=site.proxy, consequence=messages.STATE_LOSS if is_graph_alone else "")


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it timed out"
    if isinstance(error, ssl.SSLEOFError | ConnectionResetError | ssl.SSLZeroReturnError):
        return "the connection was cut"
    if isinstance(error, ssl.SSLError):
        return shown((error.reason or "TLS failed").replace("_", " ").lower())
    return shown(error.strerror or error)


def _resolve(host: str, port: int) -> list[str]:
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def _within(seconds: float, work: Callable[[], list[str]]) -> list[str]:
    """What `work` returns or raises; TimeoutError if that takes too long: a resolver takes no limit of time."""
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
