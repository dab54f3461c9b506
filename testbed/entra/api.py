"""An API beside Graph: it answers with the documents that it was given, for a token of its audience."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from testbed.entra import assertion
from testbed.entra.access_token import AccessTokens, InvalidToken
from testbed.entra.faults import Fault
from testbed.entra.messages import Note, Request, Response, json_response

__all__ = ["Api", "ApiService"]


@dataclass(frozen=True, kw_only=True)
class Api:
    """An API of Microsoft at `host`. Its tokens are for one of `audiences`, and `documents` has its answers by path."""

    host: str
    audiences: tuple[str, ...]
    documents: Mapping[str, Any] = field(default_factory=dict)


class ApiService:
    """Serves an Api."""

    def __init__(self, api: Api, tokens: AccessTokens) -> None:
        self._documents = {path.lower(): document for path, document in api.documents.items()}
        self._audiences = frozenset(f"{audience}{slash}" for audience in api.audiences for slash in ("", "/"))
        self._tokens = tokens

    def answer(self, request: Request, note: Note) -> Response:
        """The document of the path; 401 without a token, and 404 for a path that has none."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        note.claims = assertion.claims_of(token)
        note.tenant, note.client_id = str(note.claims.get("tid", "")), str(note.claims.get("appid", ""))
        try:
            if scheme.lower() != "bearer":
                raise InvalidToken("Authentication failed. The 'Authorization' header is missing.")
            self._tokens.check(token, audiences=self._audiences)
        except InvalidToken as error:
            return self._error(note, 401, "AuthenticationFailed", str(error))
        document = self._documents.get(request.path.rstrip("/").lower())
        if document is None:
            return self._error(note, 404, "NotFound", f"Nothing is at {request.path}.")
        return json_response(200, document)

    def fail(self, request: Request, note: Note, fault: Fault) -> Response:
        """An error with the status and code of `fault`."""
        return self._error(note, fault.status or 500, str(fault.code or "Failed"), "A fault was asked for.")

    def _error(self, note: Note, status: int, code: str, message: str) -> Response:
        note.code = code
        return json_response(status, {"error": {"code": code, "message": message}})
