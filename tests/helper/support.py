"""A pod as the webhook leaves it, both kinds of credential with one interface, and a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import pytest
from azure.core.credentials import AccessTokenInfo, TokenRequestOptions

from m365_identity import M365IdentityError, Retry, WorkloadIdentityCredential, aio
from m365_identity.retry import Clock
from m365_identity.settings import Settings, settings
from testbed.entra import Application, Entra
from tests.helper import elsewhere

SUBJECT = "system:serviceaccount:shop:terraform"
SCOPE = "https://graph.microsoft.com/.default"

T = TypeVar("T")

Flavour = Literal["sync", "async"]
FLAVOURS: tuple[Flavour, ...] = ("sync", "async")


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, and no connection outlives it."""

    async def whole() -> T:
        try:
            return await main
        finally:
            await _wait_for_closed_connections()

    return asyncio.run(whole())


async def _wait_for_closed_connections() -> None:
    """Waits for connections that were given up: TLS says goodbye first, and the loop would be closed before.

    One file stays with the selector, by which the loop wakes itself.
    """
    async with asyncio.timeout(60):
        while len(asyncio.get_running_loop()._selector.get_map()) > 1:  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    # A socket leaves the selector first, and is closed in one of the loop's next turns.
    for _ in range(5):
        await asyncio.sleep(0)


class Time:
    """Seconds that pass by sleeping only, here and in the emulator. pauses: the sleeps. before_sleep: called first."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra
        self.now = 0.0
        self.pauses: list[float] = []
        self.before_sleep: Callable[[], object] = lambda: None

    def clock(self, kind: Flavour) -> Clock:
        """With a chance that gives the longest pauses."""
        sleep: Callable[[float], Any] = self._sleep if kind == "sync" else self._sleep_async
        return Clock(wall=self._entra.clock, monotonic=lambda: self.now, sleep=sleep, chance=lambda: 1.0)

    def _sleep(self, seconds: float) -> None:
        self.before_sleep()
        self.pauses.append(seconds)
        self.now += seconds
        self._entra.clock.advance(seconds)

    async def _sleep_async(self, seconds: float) -> None:
        self._sleep(seconds)


class Get(Protocol):
    """A call for a token."""

    def __call__(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo: ...


class Pod:
    """A pod of ServiceAccount shop/terraform with a token in its file, and its application in Entra.

    python: another interpreter in which its credentials are made, with real time; None for this one.
    """

    def __init__(self, entra: Entra, folder: Path) -> None:
        self.entra = entra
        self.application: Application = entra.application(roles=["Organization.Read.All"])
        self.token_file = folder / "azure-identity-token"
        self.environ = entra.environment(self.application, token_file=self.token_file)
        self.environ["M365_GRAPH_HOST"] = entra.graph
        self.time = Time(entra)
        self.python: Path | None = None
        self.write()

    @property
    def settings(self) -> Settings:
        """As the environment has them."""
        return settings(environ=self.environ)

    def write(self, **claims: Any) -> str:
        """Puts a new token into the file."""
        token = self.entra.issuer.token(subject=SUBJECT, **claims)
        self.token_file.write_text(token)
        return token

    def federate(self, *, delay: float = 0.0) -> None:
        """Makes the federated credential that fits."""
        self.application.federate(issuer=self.entra.issuer.url, subject=SUBJECT, delay=delay)

    @contextlib.contextmanager
    def credential(self, kind: Flavour, *, bound: float = 0.0, **options: Any) -> Iterator[Get]:
        """`get_token_info` of a credential of that kind, which is closed afterwards. bound: see Retry, in seconds."""
        options = {"environ": self.environ, "retry": Retry(bound=bound), **options}
        if self.python is not None:
            with elsewhere.credential(self.python, kind, options) as get_elsewhere:
                yield get_elsewhere
            return
        options = {"clock": self.time.clock(kind), **options}
        if kind == "sync":
            with WorkloadIdentityCredential(**options) as credential:
                yield credential.get_token_info
            return
        waiting = aio.WorkloadIdentityCredential(**options)
        with asyncio.Runner() as runner:

            def get(*scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
                return runner.run(waiting.get_token_info(*scopes, options=options))

            try:
                yield get
            finally:
                self.entra.clear()
                runner.run(waiting.close())
                runner.run(_wait_for_closed_connections())

    def fails(self, kind: Flavour, **options: Any) -> M365IdentityError:
        """What a new credential's first call raises."""
        with self.credential(kind, **options) as get, pytest.raises(M365IdentityError) as caught:
            get(SCOPE)
        return caught.value
