"""The API server: the only module that imports `kubernetes`. Raw JSON in and out, no typed models."""

import asyncio
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
from urllib.parse import quote, urlencode

import orjson

from certs.clock import SystemClock
from webhook import __version__
from webhook.cluster import kubeconfig, proxies
from webhook.cluster.credential_plugin import run_plugin
from webhook.cluster.kubeconfig import CURRENT, BadKubeconfig, Choice, Kubeconfig
from webhook.core.messages import Kind, Message, Place, checks, kubeconfigs, message
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
    from multidict import CIMultiDict

    from webhook.cluster.troubles import trouble

# kube-apiserver takes the part before the slash as the field manager of what is written.
_USER_AGENT: Final = f"m365-workload-identity/{__version__}"
_PAGE: Final = 500  # objects in one answer, as kubectl asks for them
_LONGEST_REASON: Final = 300  # characters: it becomes a part of a longer line
_TIMES_THROTTLED: Final = 5  # a request is made again, as client-go does ten times
_LONGEST_PAUSE: Final = 10  # seconds between them
_TOKEN_SECONDS: Final = 60.0  # between two readings; the kubelet renews the token minutes before its end


class Unavailable(Exception):
    """The API server could not be reached, or did not answer in time. One line that names the cause.

    kind: of the message that a person is told, with its fix.
    """

    def __init__(self, reason: str, kind: Kind = checks.API_SERVER_UNREACHABLE) -> None:
        self.kind = kind
        super().__init__(reason)

    def told(self) -> Message:
        """What a person is told."""
        return message(self.kind, reason=str(self))


@dataclass(frozen=True)
class Reply:
    """An answer of the API server: its HTTP status, its body as it came, and its headers `Date` and `Retry-After`."""

    status: int
    body: bytes
    date: str = ""
    retry_after: str = ""

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

    def __init__(
        self,
        path: Path | None = None,
        choice: Choice = CURRENT,
        *,
        request_seconds: float = 0.0,
        by_person: bool = False,
    ) -> None:
        """request_seconds: the limit of each request instead of that of the caller; 0 for the caller's.

        by_person: a person waits for the answer: a request that is throttled is made again, and one for which the
        API server does not take the credential raises BadKubeconfig.
        """
        self.requests = 0  # so many were made
        self._path = path
        self._choice = choice
        self._request_seconds = request_seconds
        self._by_person = by_person
        self._kubeconfig: Kubeconfig | None = None
        self._client: RESTClientObject | None = None
        self._ticks = SystemClock().ticks
        self._read_again = 0.0
        self._plugin_again: datetime | None = None
        self._impersonated: list[tuple[str, str]] = []

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
            if isinstance(error, ssl.SSLError) and self._kubeconfig and "exec" in self._kubeconfig.user:
                reason = f"what the credential plugin printed is not a certificate and its key (PEM): {reason}"
            raise BadKubeconfig([message(kubeconfigs.KUBECONFIG_REFUSED, Place(str(self)), reason=reason)]) from None
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

        fields: more of its header. If a person waits, it is made again as long as the API server throttles.
        """
        reply = await self._request(method, path, seconds, body, kind, accept, fields)
        if not self._by_person:
            return reply
        for _ in range(_TIMES_THROTTLED):
            if reply.status != 429 or not reply.retry_after.isdecimal():
                break
            await asyncio.sleep(min(int(reply.retry_after), _LONGEST_PAUSE))
            reply = await self._request(method, path, seconds, body, kind, accept, fields)
        return self._understood(reply)

    async def _request(
        self,
        method: str,
        path: str,
        seconds: float,
        body: Any,
        kind: str,
        accept: str,
        fields: Mapping[str, str] | None,
    ) -> Reply:
        """One request, made once. Raises Unavailable."""
        client = self._client
        if client is None:
            raise Unavailable(f"{method} {path}: not connected")
        try:
            token = await self._token(client.configuration)
        except (ConfigException, OSError, BadKubeconfig) as error:
            raise Unavailable(f"{method} {path}: the token cannot be read: {error}") from None
        self.requests += 1
        headers = CIMultiDict({"Accept": accept, "Content-Type": f"application/{kind}", "User-Agent": _USER_AGENT})
        headers.extend(fields or {})
        headers.extend(self._impersonated)
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
            fields_of = response.headers
            return Reply(
                response.status, await response.read(), fields_of.get("Date", ""), fields_of.get("Retry-After", "")
            )
        except (TimeoutError, aiohttp.ClientError, ssl.SSLError, OSError) as error:
            proxy, limit = str(client.proxy or ""), self._request_seconds or seconds
            row, reason = trouble(error, server=self.server, proxy=proxy, seconds=limit)
            raise Unavailable(f"{method} {path}: {reason}", row) from None

    async def _token(self, configuration: Configuration) -> str | None:
        """The token for the next request, read again if it may have changed: the kubelet renews it, or it ends."""
        if not self._path and self._ticks() >= self._read_again:
            self._read_pod(configuration)
        if self._kubeconfig and self._plugin_again and datetime.now(UTC) >= self._plugin_again:
            await self._sign_in(self._kubeconfig, configuration)
        token: str | None = await configuration.get_api_key_with_prefix("BearerToken")
        return token

    def _understood(self, reply: Reply) -> Reply:
        """The answer, if it is one of an API server that knows who asks. Raises BadKubeconfig or Unavailable."""
        if reply.status == 401:
            from webhook.cluster.refused_credential import ended

            user = self._kubeconfig.user if self._kubeconfig else {}
            name = f'user "{self._kubeconfig.user_name}"' if self._kubeconfig else "this pod's ServiceAccount"
            why = ended(user, datetime.now(UTC)) or (": its credential plugin printed it" if "exec" in user else "")
            raise BadKubeconfig([message(kubeconfigs.SIGN_IN_REFUSED, Place(str(self)), user=name, why=why)])
        if reply.status == 400 and b"HTTP request to an HTTPS server" in reply.body:
            raise Unavailable(self.server, checks.API_SERVER_SPEAKS_TLS)
        return reply

    async def _sign_in(self, source: Kubeconfig, configuration: Configuration) -> None:
        """Fills `configuration`. A plugin's credential is asked for again when it ends."""
        cluster, user = source.cluster, source.user
        if plugin := user.get("exec"):
            found = await run_plugin(plugin, cluster, seconds=self._request_seconds)
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
        # The client would ask the proxy of the environment for an address of loopback, too, and knows no networks.
        configuration.proxy = configuration.proxy or proxies.proxy_for(configuration.host, os.environ) or None
        configuration.client_session_kwargs = {"trust_env": False}
        self._impersonated = [*_impersonated(source.user)]

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


def _impersonated(user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The header fields of a user of a kubeconfig who asks as another one (`as`)."""
    for member, name in (("as", "Impersonate-User"), ("as-uid", "Impersonate-Uid")):
        if user.get(member):
            yield name, str(user[member])
    groups, extra = user.get("as-groups"), user.get("as-user-extra")
    for group in groups if isinstance(groups, list) else ():
        yield "Impersonate-Group", str(group)
    for key, values in extra.items() if isinstance(extra, dict) else ():
        for value in values if isinstance(values, list) else ():
            yield f"Impersonate-Extra-{quote(str(key), safe='')}", str(value)


def _more(reply: Reply) -> str:
    """The token for the next page of a list, "" after the last. Raises Unavailable."""
    return str((reply.json().get("metadata") or {}).get("continue") or "")
