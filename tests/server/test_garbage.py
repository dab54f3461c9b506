"""A connection that has ended is gone at once, with its 300 KB of TLS, and not when Python collects garbage.

Python counts what is made and not what it holds: with 8 connections opened anew by each 20,000 reviews, memory rose by
1 MB each time, for 100,000 reviews and more.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop

from bench import pods
from tests.server.client import Client, post
from webhook.accounts.cache import CachedAccounts
from webhook.accounts.source import account_from
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.logs import Log
from webhook.metrics import Metrics
from webhook.reviewer import Reviewer
from webhook.server.application import Application
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.listener import Listener

TIMES = 3


class Source:
    """Knows the usual ServiceAccount, after a turn of the loop."""

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        await asyncio.sleep(0)
        return account_from(pods.service_account())


def reviews(client: Client) -> None:
    """One that is looked up, and one that is not. The client closes, as kube-apiserver does."""
    for _ in range(2):
        assert client.ask(pods.review()).status == 200


def refused(client: Client) -> None:
    """The server closes after its answer."""
    assert client.ask(pods.review(), path="/").closes


def malformed(client: Client) -> None:
    """Not HTTP."""
    client.send(b"\0\r\n\r\n")
    assert client.response().status == 400


def slow(client: Client) -> None:
    """A body that does not arrive: the connection's own time limit is over."""
    client.send(post(pods.review())[:-1])
    assert client.response().status == 408


def unfinished(client: Client) -> None:
    """The client goes in the middle of a body."""
    client.send(post(pods.review())[:-1])


def silent(client: Client) -> None:
    """The client goes without a word."""


def unread(client: Client) -> None:
    """The client goes while answers wait for it."""
    client.send(post(pods.review()) * 18)


@contextmanager
def uncollected() -> Iterator[list[str]]:
    """The types of what has been in cycles when the block ends."""
    found: list[str] = []
    gc.freeze()  # what pytest holds takes long to visit
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += [type(each).__name__ for each in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()


async def left_of(talk: Callable[[Client], None], certificates: Path) -> list[str]:
    """What is in cycles after `talk` on connections of their own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "pair-first.pem")
    trusting = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    trusting.check_hostname = False
    metrics, lifecycle = Metrics(version="1"), Lifecycle(started=True)
    reviewer = Reviewer(CachedAccounts(Source(), counter=metrics.lookup), Policy())
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        listener = Listener(
            sock,
            loop=asyncio.get_running_loop(),
            application=Application(reviewer.review, metrics=metrics, log=Log(write=len), lifecycle=lifecycle),
            lifecycle=lifecycle,
            metrics=metrics,
            limits=Limits(request=0.1),
            context=context,
        )
        listener.start()

        def connect() -> None:
            with Client(sock.getsockname()[1], trusting) as client:
                talk(client)

        with uncollected() as found:
            for _ in range(TIMES):
                await asyncio.to_thread(connect)
            async with asyncio.timeout(60):
                await all_ended(listener)
        listener.stop()
    return found


async def all_ended(listener: Listener) -> None:
    """No connection is open any more, and their tasks have ended."""
    while any(state.since for state in listener.connections.states) or len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("talk", [reviews, refused, malformed, slow, unfinished, silent, unread])
def test_a_connection_leaves_nothing_to_the_garbage_collector(
    talk: Callable[[Client], None], certificates: Path
) -> None:
    """Neither itself nor its TLS, however it ended."""
    left = uvloop.run(left_of(talk, certificates))
    assert [name for name in left if name in ("Connection", "Exchange", "RequestParser", "SSLProtocol")] == []
