"""How connections are accepted."""

import socket

from webhook.server.connection import Shared
from webhook.server.listener import Listener


async def test_a_connection_is_accepted_with_a_small_buffer(shared: Shared) -> None:
    """It is inherited from the listening socket, and bounds what the kernel and uvloop hold for a client."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        listener = Listener(
            sock,
            loop=shared.loop,
            application=shared.application,
            lifecycle=shared.lifecycle,
            metrics=shared.metrics,
            limits=shared.limits,
            context=None,
        )
        listener.start()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * 32 * 1024
        listener.stop()
