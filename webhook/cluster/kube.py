"""The API server: the only module that imports `kubernetes`. Raw JSON in and out, no typed models."""

import importlib.util
import logging
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import orjson
import yaml

from certs.clock import SystemClock
from webhook.cluster import kubeconfig

# The package's own __init__ loads the synchronous client too, with requests, OAuth and websockets: 7 MB and a third of
# a second that nobody here uses. `kubernetes` is therefore entered as the folder that it is, and not executed.
if "kubernetes" not in sys.modules and (_found := importlib.util.find_spec("kubernetes")):
    sys.modules["kubernetes"] = importlib.util.module_from_spec(_found)

from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

_log = logging.getLogger("webhook")


class Unavailable(Exception):
    """The API server could not be reached, or did not answer in time. One line that names the cause."""


@dataclass(frozen=True)
class Reply:
    """An answer of the API server: its HTTP status, its body as it came, and its header `Date`."""

    status: int
    body: bytes
    date: str = ""

    def json(self) -> Any:
        """The body as JSON. Raises Unavailable: whoever sends something else is no API server."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise Unavailable(f"the API server's answer is no JSON: {error}") from None

    def reason(self) -> str:
        """What an unsuccessful answer says, in one line."""
        try:
            message = orjson.loads(self.body).get("message")
        except (orjson.JSONDecodeError, AttributeError):
            message = None
        return f"HTTP {self.status}" + (f": {ascii(message)[1:-1][:300]}" if isinstance(message, str) else "")


class Kube:
    """A connection to an API server, for the length of `async with`; outside it every request is Unavailable.

    By a kubeconfig, or, without one, by what is mounted into this pod. Entering raises ValueError when that is no good.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._kubeconfig = path
        self._client: ApiClient | None = None
        self._ticks = SystemClock().ticks
        self._read_again = 0.0

    async def __aenter__(self) -> "Kube":
        configuration = Configuration()
        # The authority is the cluster's own, and many lack what OpenSSL's strict mode asks for, the default since
        # Python 3.13: EKS makes them without key usage and key identifiers. Go's clients, and so kubectl, take them.
        configuration.disable_strict_ssl_verification = True
        mistakes = kubeconfig.problems(self._kubeconfig) if self._kubeconfig else []
        if mistakes:
            raise ValueError("; ".join(mistakes))
        try:
            if self._kubeconfig:
                await config.load_kube_config(
                    str(self._kubeconfig), client_configuration=configuration, persist_config=False
                )
            else:
                self._read_pod(configuration)
            self._client = ApiClient(configuration)
        except (config.ConfigException, OSError, yaml.YAMLError, ValueError) as error:
            raise ValueError(f"{self}: {' '.join(str(error).split())}") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.rest_client.close()

    def __str__(self) -> str:
        return str(self._kubeconfig or "in-cluster configuration")

    async def request(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        body: Any = None,
        kind: str = "json",
        accept: str = "application/json",
    ) -> Reply:
        """One request, its body of media type application/`kind`. Raises Unavailable, after `seconds` at the latest."""
        client = self._client
        if client is None:
            raise Unavailable(f"{method} {path}: not connected")
        try:
            # Asked for each request: the token is renewed behind our back.
            if not self._kubeconfig and self._ticks() >= self._read_again:
                self._read_pod(client.configuration)
            token = await client.configuration.get_api_key_with_prefix("BearerToken")
        except (config.ConfigException, OSError) as error:
            raise Unavailable(f"{method} {path}: the token cannot be read: {error}") from None
        headers = {"Accept": accept, "Content-Type": f"application/{kind}"}
        if token:
            headers["Authorization"] = token
        try:
            response = await client.rest_client.request(
                method,
                client.configuration.host + path,
                headers=headers,
                body=body,
                _request_timeout=aiohttp.ClientTimeout(seconds),
            )
            return Reply(response.status, await response.read(), response.headers.get("Date", ""))
        except (TimeoutError, aiohttp.ClientError, ssl.SSLError, OSError) as error:
            raise Unavailable(f"{method} {path}: {str(error) or type(error).__name__}") from None

    def _read_pod(self, configuration: Configuration) -> None:
        """Reads what is mounted into this pod. The client does so by the wall clock, so not where that was set back."""
        config.load_incluster_config(configuration, try_refresh_token=False)
        self._read_again = self._ticks() + _TOKEN_SECONDS

    async def items(self, path: str, *, seconds: float, query: Mapping[str, str] | None = None) -> Reply | list[Any]:
        """All objects of a list, page by page, or the first answer that is none. Raises Unavailable."""
        found: list[Any] = []
        options = {**(query or {}), "limit": str(_PAGE)}
        while True:
            reply = await self.request("GET", f"{path}?{urlencode(options)}", seconds=seconds)
            if reply.status != 200:
                return reply
            page = reply.json()
            found += page.get("items") or []
            more = (page.get("metadata") or {}).get("continue")
            if not more:
                return found
            options["continue"] = more


_PAGE: Final = 500  # objects
_TOKEN_SECONDS: Final = 60.0  # the kubelet renews it long before its end
