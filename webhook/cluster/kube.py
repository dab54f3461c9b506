"""The API server: the only module that imports `kubernetes`. Raw JSON in and out, no typed models."""

import importlib.util
import os
import ssl
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from certs.clock import SystemClock
from webhook import __version__
from webhook.cluster import kubeconfig
from webhook.cluster.credential_plugin import run_plugin
from webhook.cluster.kubeconfig import CURRENT, BadKubeconfig, Choice, Kubeconfig
from webhook.core.messages import Place, message, settings
from webhook.core.text import shown

# Packages whose __init__ is not run, because it would load far more than is used here. `kubernetes`: the synchronous
# client, with requests, OAuth and websockets. The others: pydantic, the typed models, the dynamic client, the loader of
# kubeconfigs. Together they take 18 MB of memory and half a second.
_PACKAGES: Final = ("kubernetes", "kubernetes.aio", "kubernetes.aio.config", "kubernetes.aio.utils")
_WHILE_IMPORTING: Final = {
    # aiohttp makes a TLS context of the system's authorities, 2 MB. Here every connection has a context of its own.
    "SSL_CERT_FILE": os.devnull,
    # Its compiled lists are in C++, and need a library of 1 MB that nothing else needs. There are three such lists.
    "FROZENLIST_NO_EXTENSIONS": "1",
}


@contextmanager
def _only_what_is_used() -> Iterator[None]:
    """Imports in the block load no more than is used here."""
    before = {name: os.environ.get(name) for name in _WHILE_IMPORTING}
    os.environ.update(_WHILE_IMPORTING)
    for name in _PACKAGES:
        if name not in sys.modules and (found := importlib.util.find_spec(name)):
            module = sys.modules[name] = importlib.util.module_from_spec(found)
            parent, _, own = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], own, module)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


with _only_what_is_used():
    import aiohttp
    from kubernetes.aio.client.configuration import Configuration
    from kubernetes.aio.client.rest import RESTClientObject
    from kubernetes.aio.config.config_exception import ConfigException
    from kubernetes.aio.config.incluster_config import load_incluster_config

# kube-apiserver takes the part before the slash as the field manager of what is written.
_USER_AGENT: Final = f"m365-workload-identity/{__version__}"
_PAGE: Final = 500  # objects in one answer, as kubectl asks for them
_LONGEST_REASON: Final = 300  # characters: it becomes a part of a longer line
_TOKEN_SECONDS: Final = 60.0  # between two readings; the kubelet renews the token minutes before its end


class Unavailable(Exception):
    """The API server could not be reached, or did not answer in time. One line that names the cause."""


@dataclass(frozen=True)
class Reply:
    """An answer of the API server: its HTTP status, its body as it came, and its header `Date`."""

    status: int
    body: bytes
    date: str = ""

    def json(self) -> Any:
        """The body as JSON. Raises Unavailable for any other body: an API server does not send one."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise Unavailable(f"the API server's answer is not JSON: {error}") from None

    def reason(self) -> str:
        """The status of an unsuccessful answer and the server's own words, in one line."""
        try:
            words = orjson.loads(self.body).get("message")
        except (orjson.JSONDecodeError, AttributeError):
            words = None
        return f"HTTP {self.status}" + (f": {shown(words, _LONGEST_REASON)}" if isinstance(words, str) else "")


class Kube:
    """A connection to an API server, open inside `async with`; outside it each request raises Unavailable.

    It uses a kubeconfig or, without one, what is mounted into this pod. Entering raises BadKubeconfig if that is wrong.
    """

    def __init__(self, path: Path | None = None, choice: Choice = CURRENT, *, request_seconds: float = 0.0) -> None:
        """request_seconds: the limit of each request instead of that of the caller; 0 for the caller's."""
        self.requests = 0  # so many were made
        self._path = path
        self._choice = choice
        self._request_seconds = request_seconds
        self._kubeconfig: Kubeconfig | None = None
        self._client: RESTClientObject | None = None
        self._ticks = SystemClock().ticks
        self._read_again = 0.0
        self._plugin_again: datetime | None = None

    async def __aenter__(self) -> "Kube":
        configuration = Configuration()
        # OpenSSL's strict mode, the default since Python 3.13, asks for key usage and key identifiers. The authorities
        # of many clusters have neither, those of EKS for example. Go's clients, and so kubectl, accept them.
        configuration.disable_strict_ssl_verification = True
        try:
            if self._path:
                self._kubeconfig = kubeconfig.read(self._path, self._choice)
                await self._sign_in(self._kubeconfig, configuration)
            else:
                self._read_pod(configuration)
            self._client = RESTClientObject(configuration)
        except BadKubeconfig:
            raise
        except (ConfigException, OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise BadKubeconfig([message(settings.KUBECONFIG_REFUSED, Place(str(self)), reason=reason)]) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    def __str__(self) -> str:
        return str(self._path or "in-cluster configuration")

    @property
    def server(self) -> str:
        """The API server's URL; "" outside `async with`."""
        return str(self._client.configuration.host) if self._client is not None else ""

    async def request(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        body: Any = None,
        kind: str = "json",
        accept: str = "application/json",
        fields: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request with a body of application/`kind`. Raises Unavailable, after `seconds` at the latest.

        fields: more of its header.
        """
        client = self._client
        if client is None:
            raise Unavailable(f"{method} {path}: not connected")
        try:
            # The token is read for each request, because the kubelet renews it.
            if not self._path and self._ticks() >= self._read_again:
                self._read_pod(client.configuration)
            if self._kubeconfig and self._plugin_again and datetime.now(UTC) >= self._plugin_again:
                await self._sign_in(self._kubeconfig, client.configuration)
            token = await client.configuration.get_api_key_with_prefix("BearerToken")
        except (ConfigException, OSError, BadKubeconfig) as error:
            raise Unavailable(f"{method} {path}: the token cannot be read: {error}") from None
        self.requests += 1
        headers = {"Accept": accept, "Content-Type": f"application/{kind}", "User-Agent": _USER_AGENT}
        if fields:
            headers |= fields
        if token:
            headers["Authorization"] = token
        try:
            response = await client.request(
                method,
                client.configuration.host + path,
                headers=headers,
                body=body,
                _request_timeout=aiohttp.ClientTimeout(self._request_seconds or seconds),
            )
            return Reply(response.status, await response.read(), response.headers.get("Date", ""))
        except (TimeoutError, aiohttp.ClientError, ssl.SSLError, OSError) as error:
            raise Unavailable(f"{method} {path}: {str(error) or type(error).__name__}") from None

    async def _sign_in(self, source: Kubeconfig, configuration: Configuration) -> None:
        """Fills `configuration`. A plugin's credential is asked for again when it ends."""
        cluster, user = source.cluster, source.user
        if plugin := user.get("exec"):
            found = await run_plugin(plugin, cluster)
            self._plugin_again = found.expires
            user = {"token": found.token} if found.token else {}
            if found.certificate:
                pair = {"client-certificate-data": found.certificate, "client-key-data": found.key}
                user |= {name: b64encode(text.encode()).decode() for name, text in pair.items()}
        document = {
            "current-context": "chosen",
            "contexts": [{"name": "chosen", "context": {"cluster": "chosen", "user": "chosen"}}],
            "clusters": [{"name": "chosen", "cluster": dict(cluster)}],
            "users": [{"name": "chosen", "user": dict(user)}],
        }
        # Not before, because a pod has no kubeconfig: with it come pydantic, the typed client and YAML, 11 MB.
        from kubernetes.aio.config.kube_config import load_kube_config_from_dict

        await load_kube_config_from_dict(document, client_configuration=configuration)

    def _read_pod(self, configuration: Configuration) -> None:
        """Reads what is mounted into this pod. The client's own refresh stops if the wall clock is set back."""
        load_incluster_config(configuration, try_refresh_token=False)
        self._read_again = self._ticks() + _TOKEN_SECONDS

    async def items(self, path: str, *, seconds: float, query: Mapping[str, str] | None = None) -> Reply | list[Any]:
        """All objects of a list, page by page, or the first unsuccessful answer. Raises Unavailable."""
        found: list[Any] = []
        async for page in self.pages(path, seconds=seconds, query=query):
            if isinstance(page, Reply):
                return page
            found += page
        return found

    async def pages(
        self, path: str, *, seconds: float, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Reply | list[Any]]:
        """The objects of a list, a page at a time; an unsuccessful answer is the last. Raises Unavailable."""
        options = {**(query or {}), "limit": str(_PAGE)}
        while True:
            reply = await self.request("GET", f"{path}?{urlencode(options)}", seconds=seconds)
            # etcd forgets old revisions after some minutes: the answer is 410, with a token for the rest as it is now.
            more = _more(reply) if reply.status in (200, 410) else ""
            if reply.status == 200:
                yield reply.json().get("items") or []
            elif not more:
                yield reply
            if not more:
                return
            options["continue"] = more


def _more(reply: Reply) -> str:
    """The token for the next page of a list, "" after the last. Raises Unavailable."""
    return str((reply.json().get("metadata") or {}).get("continue") or "")
