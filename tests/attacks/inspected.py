"""The webhook, with one more page on its operations port: /held, what the worker holds.

Run as `python inspected.py ARGUMENT…`, the arguments of `python -m webhook`.
"""

import asyncio
import gc
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from webhook.commands import main
from webhook.server import process
from webhook.server.asgi import Receive, Scope, Send
from webhook.server.worker_parts import WorkerParts


def held() -> dict[str, int]:
    """Tasks and connections that there are now, the one that asks included."""
    from webhook.server.connection import Connection

    gc.collect()
    return {
        "tasks": len(asyncio.all_tasks()),
        "connections": sum(isinstance(each, Connection) for each in gc.get_objects()),
    }


def inspected(parts: WorkerParts) -> WorkerParts:
    """`parts`, with the page."""

    async def operations(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/held":
            await parts.operations(scope, receive, send)
            return
        content = json.dumps(held()).encode()
        headers = [(b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return replace(parts, operations=operations)


if __name__ == "__main__":
    run = process.run

    def run_inspected(make_parts: Callable[[], WorkerParts], **options: Any) -> None:
        """What `serve` calls."""
        run(lambda: inspected(make_parts()), **options)

    vars(process)["run"] = run_inspected
    sys.exit(main(sys.argv[1:]))
