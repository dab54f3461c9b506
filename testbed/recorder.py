"""An asyncio transport without a network, for a connection of the webhook's server that lives in this process."""

from typing import Any


class Recorder:
    """It records what the connection asks it to do. Its client reads everything at once."""

    def __init__(self, *, tls: bool = False) -> None:
        self.sent = bytearray()
        self.reading = True
        self._tls = tls

    def get_extra_info(self, name: str) -> Any:
        """Addresses of loopback; with TLS a truth value for the object of the handshake."""
        return self._tls or None if name == "ssl_object" else ("127.0.0.1", 1)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is held here: what is written is sent."""

    def write(self, data: bytes) -> None:
        """Sent at once."""
        self.sent += data

    def pause_reading(self) -> None:
        """The connection wants no bytes."""
        self.reading = False

    def resume_reading(self) -> None:
        """The connection wants bytes again."""
        self.reading = True

    def can_write_eof(self) -> bool:
        """As over TLS."""
        return False

    def close(self) -> None:
        """The end of it is the end of the test."""

    def abort(self) -> None:
        """As `close`."""
