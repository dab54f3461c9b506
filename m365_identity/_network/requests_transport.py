"""azure-core's transport for requests, with one limit of time for a connection (see `connections`), and with the proxy
and the authorities that count for aiohttp, too: nothing here reads the environment.

It is imported with the first request, since the import of requests takes longer than that of all this library.
"""

import ssl
from typing import Any, Final

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from m365_identity._network import connections
from m365_identity._network.proxies import Proxy

__all__ = ["transport"]


def transport(*, trust: ssl.SSLContext | None, proxy: Proxy | None) -> RequestsTransport:
    """A transport through `proxy` that trusts the authorities of `trust`, or those of requests."""
    session = requests.Session()
    session.trust_env = False
    if proxy is not None:
        session.proxies = {"https": proxy.url if proxy.is_socks else str(proxy)}
    adapter = _Adapter(trust, proxy)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return RequestsTransport(session=session, use_env_settings=False)


class _Racing(HTTPConnection):
    """As urllib3's, which asks this method for its socket, to a server or to a proxy."""

    def _new_conn(self) -> Any:
        seconds = self.timeout
        if not isinstance(seconds, int | float):
            return super()._new_conn()
        try:
            return connections.connect(self.host, self.port, seconds, options=self.socket_options or ())
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection in {seconds} s") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error


class _RacingTLS(_Racing, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Racing


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _RacingTLS


_POOLS: Final[dict[str, Any]] = {"http": _Pool, "https": _PoolTLS}


class _Adapter(HTTPAdapter):
    def __init__(self, trust: ssl.SSLContext | None, proxy: Proxy | None) -> None:
        self._context: dict[str, Any] = {} if trust is None else {"ssl_context": trust}
        self._proxy = proxy
        super().__init__(max_retries=Retry(total=False, redirect=False, raise_on_status=False))

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **(options | self._context))
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **(options | self._context))
        if isinstance(manager, ProxyManager):  # one for SOCKS has connections of its own
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def proxy_headers(self, proxy: Any) -> dict[str, str]:
        # requests encodes a password in Latin-1, which not every password is.
        return dict(self._proxy.headers) if self._proxy else {}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)
        if self._context:  # requests adds its own authorities otherwise
            conn.ca_certs = None
