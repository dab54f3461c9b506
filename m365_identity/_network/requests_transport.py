"""azure-core's transport for requests, with one limit of time for a connection: see `connections`.

It is imported with the first request, since the import of requests takes longer than that of all this library.
"""

from typing import Any, Final

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from m365_identity._network import connections

__all__ = ["transport"]


def transport(*, verify: str | bool) -> RequestsTransport:
    """A transport that trusts the authorities in the file `verify`, or the usual ones, and follows HTTPS_PROXY."""
    session = requests.Session()
    adapter = _Adapter(max_retries=Retry(total=False, redirect=False, raise_on_status=False))
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return RequestsTransport(session=session, connection_verify=verify)


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
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if isinstance(manager, ProxyManager):  # one for SOCKS has connections of its own
            manager.pool_classes_by_scheme = _POOLS
        return manager
