"""Reads the bodies of requests, and bounds what all of them hold in memory together."""

from typing import Final

from webhook.server.asgi import Receive

MAX_BODY: Final = 7 * 1024 * 1024  # kube-apiserver takes 3 MiB from its clients, and JSON wraps it
BUDGET: Final = 32 * 1024 * 1024  # four bodies of MAX_BODY; parsed, each takes several times its size

_MAX_PIECES: Final = 20_000  # of a body; an honest one of 7 MiB comes in 5 000, a packet each
_FREE: Final = 64 * 1024  # of each body outside the budget, so that usual pods never wait for it


class TooBig(Exception):
    """A body of more than MAX_BODY bytes, or in more pieces than an honest client sends."""


class NoRoom(Exception):
    """A body that does not fit into what all bodies together may hold."""


class Bodies:
    """Reads bodies. budget: bytes that all of them may hold together, without the first 64 KiB of each."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._left = budget

    async def read(self, receive: Receive) -> tuple[bytes | bytearray | None, int]:
        """The body, or None if the client has gone, and what it holds of the budget. Raises TooBig and NoRoom.

        What it holds is given back by `release`; a body that was not read holds nothing.
        """
        message = await receive()
        if message["type"] == "http.request" and not message["more_body"] and len(message["body"]) <= _FREE:
            return message["body"], 0
        body, pieces, held, whole = bytearray(), 0, 0, False
        try:
            while message["type"] == "http.request":
                body += message["body"]
                pieces += 1
                if len(body) > MAX_BODY or pieces > _MAX_PIECES:
                    raise TooBig
                more = max(len(body) - _FREE, 0) - held
                if more > self._left:
                    raise NoRoom
                self._left -= more
                held += more
                if not message["more_body"]:
                    whole = True
                    return body, held
                message = await receive()
            return None, 0
        finally:
            if not whole:
                self._left += held

    def release(self, held: int) -> None:
        """Give back what a body held."""
        self._left += held
