"""A TCP connection within a time, whatever the number of the host's addresses. For requests only.

Python and urllib3 spend the time on each address in turn: a login host with eight addresses, behind a firewall that
drops packets, takes eight times as long. Here the addresses are tried in parallel, each a quarter of a second after the
one before, as in RFC 8305; connections that come too late are closed. aiohttp does so itself.
"""

import errno
import os
import selectors
import socket
import time
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

__all__ = ["Options", "connect"]

Options: TypeAlias = Sequence[tuple[Any, ...]]
"""Arguments of `socket.setsockopt`."""

_HEAD_START: Final = 0.25  # seconds
_UNDER_WAY: Final = (0, errno.EINPROGRESS)


def connect(host: str, port: int, seconds: float, *, options: Options = ()) -> socket.socket:
    """A connection to `host`, which then waits as long for each byte. Raises OSError: TimeoutError, or the last one.

    `seconds` does not limit the look-up of the name, which is the system resolver's.
    """
    waiting = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    deadline = time.monotonic() + seconds
    problem = OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
    with selectors.DefaultSelector() as racing:
        try:
            while waiting or racing.get_map():
                if waiting:
                    try:
                        begun = _begun(waiting.pop(0), options)
                        racing.register(begun, selectors.EVENT_WRITE, data=begun)
                    except OSError as error:
                        problem = error
                        continue
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
                for key, _ in racing.select(min(left, _HEAD_START) if waiting else left):
                    connection: socket.socket = racing.unregister(key.fileobj).data
                    code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not code:
                        connection.settimeout(seconds)
                        return connection
                    connection.close()
                    problem = OSError(code, os.strerror(code))
        finally:
            for key in list(racing.get_map().values()):
                racing.unregister(key.fileobj).data.close()
    raise problem


def _begun(address: tuple[Any, ...], options: Options) -> socket.socket:
    """A connection that is being made to one of getaddrinfo's entries. Raises OSError."""
    family, kind, protocol, _, where = address
    connection = socket.socket(family, kind, protocol)
    try:
        for option in options:
            connection.setsockopt(*option)
        connection.setblocking(False)
        code = connection.connect_ex(where)
        if code not in _UNDER_WAY:
            raise OSError(code, os.strerror(code))
    except BaseException:
        connection.close()
        raise
    return connection
