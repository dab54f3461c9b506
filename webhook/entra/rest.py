"""Microsoft Graph and Azure Resource Manager: JSON over https, with retries that both ask for, and nothing shown.

    async with graph(cloud, credential) as service:
        answer = await service.request("GET", "/applications(appId='…')")
        async for application in service.pages("/applications?$top=100"):

Retried are 429, 502, 503, 504 and broken connections: after Retry-After if there is one, else after pauses that double,
while the time of the request lasts; 500 twice. A request that may not be done twice (`repeatable=False`) is retried
only if the service has certainly not done it; if that is open, the failure says so (`Failed.is_open`). No header, body
or token is ever part of a message or of a debug line.
"""

import asyncio
import email.utils
import random
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Protocol, Self
from urllib.parse import urlsplit

import aiohttp
import orjson

from webhook import __version__
from webhook.core.clouds import Cloud
from webhook.core.text import shown
from webhook.entra.failures import Failed, Refused, Unreachable
from webhook.entra.sessions import proxy_for, proxy_problem, session

_USER_AGENT: Final = f"m365-workload-identity/{__version__}"
_BUSY: Final = (429, 503)  # the service says that it did nothing
_LOST: Final = (500, 502, 504)  # it is open whether the service did it
_BROKEN: Final = 500  # may last: a bug of the service for this very request
_MOST_BROKEN: Final = 3  # attempts
_FIRST_PAUSE: Final = 0.5  # seconds
_LONGEST_PAUSE: Final = 16.0
_LONGEST_TEXT: Final = 300  # characters of a service's own words
_GRAPH_VERSION: Final = "v1.0"


class Tokens(Protocol):
    """Where access tokens come from: `webhook.entra.sign_in.Credential`."""

    async def token(self, root: str) -> str:
        """An access token for the service at `root`."""

    def forget(self, root: str) -> None:
        """The service does not accept it any more."""


@dataclass(frozen=True)
class Answer:
    """A success, or a status that the caller takes for an answer. body: {} if there is not an object."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    request_id: str = ""


@dataclass(frozen=True)
class _Try:
    """One attempt: an answer with what it says about the next one, or why it did not come."""

    answer: Answer | None
    reason: str = ""
    retry_after: float | None = None
    sent: bool = True


class Rest:
    """A service at `root`, such as https://graph.microsoft.com/v1.0, inside `async with`.

    name: for messages. seconds: of one request with all its attempts. at_once: the most requests under way. debug: is
    called with a line for each attempt. `request` and `pages` raise Failed: NotSignedIn, Refused or Unreachable.
    """

    def __init__(
        self,
        root: str,
        tokens: Tokens,
        *,
        name: str,
        seconds: float = 120.0,
        at_once: int = 8,
        debug: Callable[[str], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.root = root
        parts = urlsplit(root)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._proxy = proxy_for(root)
        self._tokens = tokens
        self._name = name
        self._seconds = seconds
        self._at_once = at_once
        self._turns = asyncio.Semaphore(at_once)
        self._debug = debug
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = session(at_once=self._at_once)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        ok: Collection[int] = (),
        repeatable: bool = True,
        awaited: float = 0.0,
        what: str = "",
    ) -> Answer:
        """One request. `path` begins with a slash, or is a URL of the same host.

        ok: statuses besides 2xx that are answers. repeatable: whether it may be done twice. awaited: for so many
        seconds a 404 means that the service does not know yet what was made a moment ago. what: the object of a
        message, instead of method and path.
        """
        end = time.monotonic() + self._seconds
        found_by = time.monotonic() + awaited
        number = 0
        renewed = False
        while True:
            async with self._turns:
                tried = await self._attempt(method, path, body, headers or {})
            answer, number = tried.answer, number + 1
            if answer and (200 <= answer.status < 300 or answer.status in ok):
                return answer
            if answer and answer.status == 401 and not renewed:
                renewed = True  # a token that was revoked, or that another clock takes for one that has ended
                self._tokens.forget(self._origin)
                continue
            pause = min(_FIRST_PAUSE * 2 ** (number - 1), _LONGEST_PAUSE) * random.uniform(0.75, 1.25)  # noqa: S311
            pause = pause if tried.retry_after is None else tried.retry_after
            limit = found_by if answer and answer.status == 404 else end
            ends = time.monotonic() + pause > limit or (_is_broken(tried) and number == _MOST_BROKEN)
            if ends or not _heals(tried, repeatable=repeatable):
                what = what or f"{method} {_without_query(path)}"
                raise self._failure(tried, what, is_open=not repeatable and _may_be_done(tried))
            await self._sleep(pause)

    async def pages(
        self, path: str, *, headers: Mapping[str, str] | None = None, what: str = ""
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Each object of a list, page by page."""
        while path:
            answer = await self.request("GET", path, headers=headers, what=what)
            for each in answer.body.get("value") or ():
                yield each
            path = str(answer.body.get("@odata.nextLink") or answer.body.get("nextLink") or "")

    async def _attempt(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> _Try:
        if self._session is None:
            raise RuntimeError("not entered")
        token = await self._tokens.token(self._origin)
        sent = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "User-Agent": _USER_AGENT,
            "client-request-id": str(uuid.uuid4()),
            **({} if body is None else {"Content-Type": "application/json"}),
            **headers,
        }
        data = None if body is None else orjson.dumps(body)
        start = time.monotonic()
        try:
            async with self._session.request(
                method, self._url(path), data=data, headers=sent, allow_redirects=False, proxy=self._proxy
            ) as response:
                tried = await _read(response)
        except (TimeoutError, aiohttp.ClientError, ssl.SSLError, OSError) as error:
            connecting = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
            tried = _Try(None, _reason(error), sent=not connecting)
        if self._debug:
            outcome = f"{tried.answer.status} {tried.answer.request_id or '-'}" if tried.answer else tried.reason
            self._debug(f"{method} {_without_query(path)} {outcome} {(time.monotonic() - start) * 1000:.0f} ms")
        return tried

    def _url(self, path: str) -> str:
        """Raises Refused for a link to another host, which must not see the token."""
        if path.startswith("/"):
            return self.root + path
        if path.startswith(f"{self._origin}/"):
            return path
        raise Refused(
            service=self._name, what="nextLink", status=200, code="", text=f"it leads to {shown(path)}", request_id=""
        )

    def _failure(self, tried: _Try, what: str, *, is_open: bool) -> Failed:
        found = self._unreachable(tried, what) if tried.answer is None else self._refused(tried.answer, what)
        found.is_open = is_open
        return found

    def _unreachable(self, tried: _Try, what: str) -> Unreachable:
        host = urlsplit(self.root).netloc
        return Unreachable(service=self._name, what=what, host=host, reason=tried.reason)

    def _refused(self, answer: Answer, what: str) -> Refused:
        error = answer.body.get("error")
        words = error if isinstance(error, Mapping) else {}
        code, text = str(words.get("code") or ""), shown(str(words.get("message") or ""), _LONGEST_TEXT)
        return Refused(
            service=self._name, what=what, status=answer.status, code=code, text=text, request_id=answer.request_id
        )


def _heals(tried: _Try, *, repeatable: bool) -> bool:
    """Whether another attempt may succeed, and does no harm."""
    if tried.answer is None:
        return repeatable or not tried.sent
    return tried.answer.status in (*_BUSY, 404) or (repeatable and tried.answer.status in _LOST)


def _may_be_done(tried: _Try) -> bool:
    """Whether the service may have done what it was asked for."""
    return tried.sent if tried.answer is None else tried.answer.status in _LOST


def _is_broken(tried: _Try) -> bool:
    return tried.answer is not None and tried.answer.status == _BROKEN


def graph_root(cloud: Cloud) -> str:
    """The address below which the paths of Microsoft Graph begin."""
    return f"{cloud.graph}/{_GRAPH_VERSION}"


def graph(cloud: Cloud, tokens: Tokens, *, debug: Callable[[str], None] | None = None) -> Rest:
    """Microsoft Graph of `cloud`."""
    return Rest(graph_root(cloud), tokens, name="Microsoft Graph", debug=debug)


def resource_manager(cloud: Cloud, tokens: Tokens, *, debug: Callable[[str], None] | None = None) -> Rest:
    """Azure Resource Manager of `cloud`."""
    return Rest(cloud.resource_manager, tokens, name="Azure Resource Manager", debug=debug)


async def _read(response: aiohttp.ClientResponse) -> _Try:
    try:
        body = orjson.loads(await response.read())
    except orjson.JSONDecodeError:
        body = {}
    request_id = response.headers.get("request-id") or response.headers.get("x-ms-request-id") or ""
    answer = Answer(response.status, body if isinstance(body, dict) else {}, request_id)
    return _Try(answer, retry_after=_seconds(response.headers.get("Retry-After", "")))


def _seconds(text: str) -> float | None:
    """What Retry-After says: seconds or a date. None without it."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _without_query(path: str) -> str:
    return path.partition("?")[0]


def _reason(error: Exception) -> str:
    """Why an answer did not come, in one line. aiohttp's own words for these two have its objects in them."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection ended before the answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection ended in the middle of the answer"
    return proxy_problem(error) or shown(" ".join(str(error).split()) or type(error).__name__, _LONGEST_TEXT)
