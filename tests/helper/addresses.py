"""Hosts with several addresses, of which some swallow packets: a connection to them is neither made nor refused."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

__all__ = ["named", "swallowing"]

BEFORE = 3
"""Connections that wait to be accepted, of which the kernel takes one or two where a program wants none."""


@contextlib.contextmanager
def swallowing(count: int, *, port: int = 0) -> Iterator[tuple[Sequence[str], int]]:
    """Addresses on one port at which no server accepts, and where the kernel has no room for a further connection."""
    with contextlib.ExitStack() as stack:
        addresses = [f"127.0.9.{number}" for number in range(1, count + 1)]
        for address in addresses:
            listener = stack.enter_context(socket.socket())
            listener.bind((address, port))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(BEFORE):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((address, port))
        yield addresses, port


@contextlib.contextmanager
def named(host: str, addresses: Sequence[str]) -> Iterator[None]:
    """`host` has these addresses, in this order, for every caller."""
    real: Callable[..., Any] = socket.getaddrinfo

    def lookup(name: str, port: int, *arguments: Any, **options: Any) -> Any:
        if name != host:
            return real(name, port, *arguments, **options)
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kind, (address, port)) for address in addresses]

    with mock.patch("socket.getaddrinfo", lookup):
        yield
