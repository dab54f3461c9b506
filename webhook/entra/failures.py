"""What goes wrong between us and Entra, Microsoft Graph or Azure Resource Manager."""

from typing import Final

from webhook.core.messages import Message, Place, message
from webhook.core.messages import sign_in as kinds

_FORBIDDEN: Final = (401, 403)


class Failed(Exception):
    """A request that did not succeed. problem: for the user, in one line. Neither has a token or an assertion.

    is_open: whether it may have been done all the same, and was not repeated, because it may not be done twice.
    """

    def __init__(self, problem: Message) -> None:
        self.problem = problem
        self.is_open = False
        super().__init__(str(problem))


class NotSignedIn(Failed):
    """An access token could not be had."""


class Unreachable(Failed):
    """No answer, after several attempts."""

    def __init__(self, *, service: str, what: str, host: str, reason: str) -> None:
        super().__init__(message(kinds.UNREACHABLE, Place(what), service=service, host=host, reason=reason))


class Refused(Failed):
    """An answer that is not a success. code and text: the service's own words. request_id: for its support."""

    def __init__(self, *, service: str, what: str, status: int, code: str, text: str, request_id: str) -> None:
        self.status = status
        self.code = code
        self.text = text
        self.request_id = request_id
        kind = kinds.FORBIDDEN if status in _FORBIDDEN else kinds.REFUSED
        words = {"error": code or "without a code", "reason": text or "no reason given", "request": request_id or "?"}
        super().__init__(message(kind, Place(what), service=service, status=status, **words))
