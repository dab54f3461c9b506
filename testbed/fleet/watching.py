"""The history of one object: every state of it that the API server has shown."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from cryptography import x509

from testbed.cluster.api import Api
from testbed.cluster.processes import PATIENCE

__all__ = ["Change", "Watch", "bundles", "certificates", "decode"]

AWAY = (OSError, http.client.HTTPException, ValueError)


@dataclass(frozen=True)
class Change:
    """The object from `time` (Unix) on; None if it was deleted."""

    time: float
    document: dict[str, Any] | None


class Watch:
    """A context manager: watches the object `name` in the list at `path` and keeps every state of it."""

    def __init__(self, api: Api, path: str, name: str) -> None:
        self.history: list[Change] = []
        self._api = api
        self._path, self._name = path, name
        self._closing = threading.Event()
        self._socket: socket.socket | None = None
        self._listed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {name}")

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listed.wait(PATIENCE):
            self.__exit__()
            raise TimeoutError(f"{self._path} cannot be watched")
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    @property
    def now(self) -> dict[str, Any] | None:
        """The latest state."""
        return self.history[-1].document if self.history else None

    def _run(self) -> None:
        while not self._closing.is_set():
            where = urlsplit(self._api.server)
            connection = http.client.HTTPSConnection(
                where.hostname or "", where.port or 443, timeout=30, context=self._api.context
            )
            with contextlib.suppress(*AWAY):
                self._follow(connection)
            connection.close()
            self._closing.wait(0.1)

    def _follow(self, connection: http.client.HTTPSConnection) -> None:
        chosen = {"fieldSelector": f"metadata.name={self._name}"}
        connection.request("GET", f"{self._path}?{urlencode(chosen)}")
        answer = connection.getresponse()
        listed = json.loads(answer.read())
        if answer.status != 200:
            raise ValueError(listed)
        for item in listed["items"] or [None]:
            self._note(item)
        self._listed.set()
        since = {"watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"]}
        self._socket = connection.sock
        connection.sock.settimeout(None)  # silent while nothing happens; __exit__ or the server ends it
        if self._closing.is_set():
            return
        connection.request("GET", f"{self._path}?{urlencode(chosen | since)}")
        answer = connection.getresponse()
        try:
            while line := answer.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                self._note(event["object"] if event["type"] != "DELETED" else None)
        finally:
            answer.close()

    def _note(self, document: dict[str, Any] | None) -> None:
        if not self.history or self.now != document:
            self.history.append(Change(time.time(), document))


def bundles(configuration: dict[str, Any] | None) -> dict[str, bytes]:
    """The caBundle of each webhook, decoded, by its name."""
    entries = (configuration or {}).get("webhooks") or ()
    return {entry["name"]: base64.b64decode(entry["clientConfig"].get("caBundle") or "") for entry in entries}


def certificates(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a bundle; empty if it has no PEM."""
    return x509.load_pem_x509_certificates(pem) if b"BEGIN CERTIFICATE" in pem else []


def decode(secret: dict[str, Any] | None) -> dict[str, bytes]:
    """The data of a Secret."""
    return {key: base64.b64decode(value) for key, value in ((secret or {}).get("data") or {}).items()}
