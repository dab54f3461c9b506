"""The process: one gunicorn worker that serves reviews over TLS and, on another port, the operations application.

gunicorn's parent process opens the two sockets and starts the worker. It starts another when the worker dies (SIGKILL,
out of memory) or when its event loop has stood still for 15 s, and it passes SIGTERM on. In a container it is PID 1 and
reaps orphaned processes. There is one worker, because one process has one cache, one certificate and one set of
metrics; for more throughput there are replicas.

What gunicorn does is changed in `webhook.server.gunicorn_overrides`, what happens in the worker from start to end is in
`webhook.server.worker_life`.
"""

from collections.abc import Callable

from webhook.server.gunicorn_overrides import Gunicorn
from webhook.server.limits import Limits
from webhook.server.open_files import within_open_files
from webhook.server.worker_parts import Drain, WorkerParts, freeze


def run(
    make_parts: Callable[[], WorkerParts],
    *,
    listen: str,
    ops_listen: str,
    limits: Limits | None = None,
    drain: Drain | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. Ends with SystemExit, with 0 after either.

    listen, ops_listen: ADDRESS:PORT, IPv6 in brackets, port 0 for any; the addresses are logged. Logging must be set up
    before (`webhook.logs.configure`).
    """
    limits = within_open_files(limits or Limits())
    freeze()  # what the collector does not visit stays shared between parent and worker
    Gunicorn(make_parts, (listen, ops_listen), limits, drain or Drain()).run()
