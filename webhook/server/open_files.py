"""How many connections the limit of open files allows."""

import logging
import resource
from dataclasses import replace

from webhook.server.limits import OPERATIONS_CONNECTIONS, Limits

_OTHERS = OPERATIONS_CONNECTIONS + 128  # 128: sockets to the API server, the log, libraries that are loaded late

_log = logging.getLogger("webhook")


def within_open_files(limits: Limits) -> Limits:
    """`limits`, with no more connections than files that may be open. Raises that limit first, as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + _OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < wanted:
            _log.warning("only %d files may be open, so there will be at most %d connections", soft, soft - _OTHERS)
            return replace(limits, connections=max(soft - _OTHERS, 1))
    return limits
