"""`/startupz`: the page of the startup probe, which answers when the replica is ready for the first time.

Until then it waits. The kubelet reports each probe that fails as a `Warning Unhealthy`, and a replica that needs ten
seconds for its first certificate has done nothing wrong. After HELD_SECONDS it answers in any case: the readiness probe
then says what is missing, and the kubelet does not start the container again for it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from webhook.server.asgi import ASGIApplication, Receive, Scope, Send

PATH: Final = "/startupz"
HELD_SECONDS: Final = 30.0  # a first installation takes 7 to 16 s; the chart's probe waits for 10 s more than this
_LOOK_SECONDS: Final = 0.1  # between two looks


def held(application: ASGIApplication, ready: Callable[[], bool], *, seconds: float = HELD_SECONDS) -> ASGIApplication:
    """`application`, in which PATH waits until `ready`, or until `seconds` have passed since the first request."""
    started, end = False, 0.0

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal started, end
        if scope.get("path") == PATH and not started:
            time = asyncio.get_running_loop().time
            end = end or time() + seconds
            while not started and time() < end and not ready():  # noqa: ASYNC110 - checks are asked, they do not report
                await asyncio.sleep(_LOOK_SECONDS)
            started = True
        await application(scope, receive, send)

    return call
