"""Azure Resource Manager's errors."""

from __future__ import annotations

__all__ = ["BY_STATUS", "ArmError"]

BY_STATUS = {
    401: ("AuthenticationFailed", "Authentication failed."),
    404: ("ResourceNotFound", "The resource was not found."),
    409: ("Conflict", "The request conflicts with another one."),
    429: ("TooManyRequests", "The request is throttled. Try again later."),
    500: ("InternalServerError", "Encountered internal server error."),
    503: ("ServiceUnavailable", "The service is unavailable."),
}
"""The usual code and message, by status."""


class ArmError(Exception):
    """The request is refused."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
