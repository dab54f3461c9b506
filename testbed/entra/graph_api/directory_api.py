"""The directory's part of Graph: finds the function for a request, and calls one at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from testbed.entra.clock import Clock
from testbed.entra.directory import Directory
from testbed.entra.graph_api import applications, consent, federated_credentials, service_principals, users
from testbed.entra.graph_api.context import Caller, Context, Handler, Settings
from testbed.entra.graph_api.errors import GraphError
from testbed.entra.graph_api.paths import parse
from testbed.entra.messages import Request, Response

__all__ = ["DirectoryApi"]

_ROUTES: Final[Mapping[tuple[str, str], Handler]] = {
    **applications.ROUTES,
    **federated_credentials.ROUTES,
    **service_principals.ROUTES,
    **consent.ROUTES,
    **users.ROUTES,
}
_PATTERNS: Final = frozenset(pattern for _, pattern in _ROUTES)


class DirectoryApi:
    """Answers for the paths of `_ROUTES`, one request after the other."""

    def __init__(self, directory: Directory, settings: Settings, clock: Clock) -> None:
        self._directory = directory
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()

    @staticmethod
    def has(path: str) -> bool:
        """Whether it answers for a path, which has no version."""
        return parse(path)[0] in _PATTERNS

    def answer(
        self, request: Request, claims: Mapping[str, Any], *, version: str, path: str, headers: Mapping[str, str]
    ) -> Response:
        """The answer to `request` for `path` of a version; `headers` are added. Raises GraphError."""
        pattern, keys = parse(path)
        method = "GET" if request.method == "HEAD" else request.method
        handler = _ROUTES.get((method, pattern))
        if handler is None:
            raise GraphError(405)
        context = Context(
            request=request,
            caller=self._caller(claims),
            directory=self._directory,
            settings=self._settings,
            base=f"https://{request.host}/{version}",
            path=path,
            now=self._clock(),
            headers=headers,
        )
        with self._lock:
            return handler(context, keys)

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        is_user = claims.get("idtyp") == "user"
        user = next((each for each in self._directory.users if each.id == claims["oid"]), None)
        return Caller(
            tenant_id=claims["tid"],
            object_id=claims["oid"],
            permissions=frozenset(claims.get("scp", "").split() if is_user else claims.get("roles", ())),
            directory_roles=user.roles if is_user and user else frozenset(),
            is_user=is_user,
        )
