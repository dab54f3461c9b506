"""Connections, each in its own thread: the base of the TLS servers and the proxy."""

from __future__ import annotations

import contextlib
import itertools
import selectors
import socket
import threading
from collections.abc import Callable

__all__ = ["Acceptor"]


class Acceptor:
    """Listens on `host` and `port` (0: any), and gives each connection to `serve` until it is stopped.

    `serve` gets the socket and the connection's number from 1 on. It may raise OSError: connections end that
    way. `stop` raises anything else that `serve` raised, so that the emulator's own faults are noticed.
    """

    def __init__(self, serve: Callable[[socket.socket, int], None], *, host: str, port: int, name: str) -> None:
        self._serve = serve
        self._listener = socket.create_server((host, port), backlog=128)
        self._wake, self._waker = socket.socketpair()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._numbers = itertools.count(1)
        self._errors: list[BaseException] = []
        self._stopping = False
        self.accepted = 0
        self.name = name
        self.host, self.port = self._listener.getsockname()[:2]
        self._accepting = threading.Thread(target=self._accept, name=f"{name}:{self.port}", daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while not self._stopping:
                if any(key.fileobj is self._listener for key, _ in selector.select()):
                    with contextlib.suppress(OSError):  # the client may have gone already
                        self._begin(self._listener.accept()[0])

    def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = next(self._numbers)
        thread = threading.Thread(
            target=self._run, args=(connection, number), name=f"{self.name}:{self.port}/{number}", daemon=True
        )
        with self._lock:
            self.accepted += 1
            self._threads.add(thread)
        self.track(connection)
        thread.start()

    def _run(self, connection: socket.socket, number: int) -> None:
        try:
            self._serve(connection, number)
        except OSError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by stop
            self._errors.append(error)
        finally:
            self.untrack(connection)
            connection.close()
            with self._lock:
                self._threads.discard(threading.current_thread())

    def track(self, connection: socket.socket) -> None:
        """Notes a socket, which `stop` shuts down."""
        with self._lock:
            self._open.add(connection)
            stopping = self._stopping
        if stopping:
            _shut_down(connection)

    def untrack(self, connection: socket.socket) -> None:
        """Forgets a socket; the caller closes it."""
        with self._lock:
            self._open.discard(connection)

    def disconnect(self) -> None:
        """Ends all open connections; new ones are accepted."""
        with self._lock:
            for connection in self._open:
                _shut_down(connection)

    def stop(self) -> None:
        """Ends all connections and waits for their threads. Raises the first error that happened in one."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
        self._waker.send(b"x")
        self._accepting.join()
        self.disconnect()
        while True:
            with self._lock:
                threads = list(self._threads)
            if not threads:
                break
            for thread in threads:
                thread.join()
        for ours in (self._listener, self._wake, self._waker):
            ours.close()
        if self._errors:
            raise self._errors[0]


def _shut_down(connection: socket.socket) -> None:
    # Not SSLSocket.shutdown, which takes the TLS state from a thread that still uses it.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
