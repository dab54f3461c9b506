"""Requests and responses of the emulator's servers, without a socket; and the log of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Asked", "Log", "Note", "Request", "Response", "json_response"]

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Request:
    """One HTTP request: `headers` by lower-case name, `query` with each name's last value, `host` with port."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def host(self) -> str:
        """The Host header, which may have a port."""
        return self.headers.get("host", "localhost")


@dataclass(frozen=True)
class Response:
    """One HTTP response; the server adds Date, Content-Length and Connection."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


def json_response(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A response with a JSON body."""
    return Response(status, json.dumps(document).encode(), {"Content-Type": JSON_TYPE} | dict(headers or {}))


@dataclass
class Note:
    """What is found out while a request is answered."""

    tenant: str = ""
    client_id: str = ""
    scope: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    code: int | str | None = None
    is_cae: bool = False


@dataclass(frozen=True)
class Asked:
    """One request that was answered, or cut off (`status` 0).

    on: "login", "graph", "issuer", "arm" or "api". claims: those of the assertion (at login) or of the access token,
    the signature unchecked; tokens themselves are not kept. code: the AADSTS number, Graph's or ARM's code, or None for
    success. is_cae: whether the client declared CP1. is_bearer, is_basic: whether it sent a token, or
    a name and a password, in Authorization. connection: counts the server's connections from 1.
    """

    on: str
    method: str
    path: str
    status: int
    code: int | str | None = None
    tenant: str = ""
    client_id: str = ""
    scope: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    is_cae: bool = False
    correlation_id: str = ""
    user_agent: str = ""
    is_bearer: bool = False
    is_basic: bool = False
    connection: int = 0


class Log:
    """The requests to the emulator, in the order of the answers."""

    def __init__(self, report: Callable[[Asked], None] | None = None) -> None:
        self._entries: list[Asked] = []
        self._changed = threading.Condition()
        self._report = report

    def add(self, asked: Asked) -> None:
        """Adds an entry, wakes those who wait for it, and reports it."""
        with self._changed:
            self._entries.append(asked)
            self._changed.notify_all()
            if self._report:
                self._report(asked)

    def entries(self) -> Sequence[Asked]:
        """All entries, oldest first."""
        with self._changed:
            return tuple(self._entries)

    def clear(self) -> None:
        """Removes all entries."""
        with self._changed:
            self._entries.clear()

    def wait_for(self, enough: Callable[[Sequence[Asked]], bool], *, timeout: float) -> Sequence[Asked]:
        """Waits until `enough` is true of the entries and returns them. Raises TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: enough(tuple(self._entries)), timeout):
                raise TimeoutError(f"not asked for it within {timeout} s, but: {self._entries}")
            return tuple(self._entries)
