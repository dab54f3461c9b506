"""Graph's errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

__all__ = ["BY_STATUS", "GraphError", "already_there", "bad_request", "denied", "invalid_value", "not_found"]

BY_STATUS: Final = {
    400: ("BadRequest", "Bad request."),
    401: ("InvalidAuthenticationToken", "Access token validation failure."),
    403: ("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
    404: (
        "Request_ResourceNotFound",
        "Resource does not exist or one of its queried reference-property objects are not present.",
    ),
    405: ("Request_BadRequest", "Specified HTTP method is not allowed for the request target."),
    409: (
        "Request_MultipleObjectsWithSameKeyValue",
        "Another object with the same value for property id already exists.",
    ),
    429: ("TooManyRequests", "Too many requests"),
    500: ("InternalServerError", "Internal server error."),
    502: ("BadGateway", "Bad gateway."),
    503: ("ServiceUnavailable", "Service unavailable."),
    504: ("GatewayTimeout", "Gateway timeout."),
}
"""The usual code and message, by status."""


class GraphError(Exception):
    """Graph refuses the request. details: as in the answer, each with code, message and target."""

    def __init__(
        self, status: int, code: str = "", message: str = "", *, details: Sequence[dict[str, Any]] = ()
    ) -> None:
        usual_code, usual_message = BY_STATUS.get(status, ("UnknownError", ""))
        self.status = status
        self.code = code or usual_code
        self.message = message or usual_message
        self.details = list(details)
        super().__init__(f"{status} {self.code}: {self.message}")


def not_found(key: str) -> GraphError:
    """No object has this key."""
    message = f"Resource '{key}' does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, message=message)


def denied() -> GraphError:
    """The caller may not do this."""
    return GraphError(403)


def bad_request(message: str, *, code: str = "Request_BadRequest", detail: str = "", target: str = "") -> GraphError:
    """The request is wrong; `detail` is the code of the entry in `details`, if Graph has one."""
    details = [{"code": detail, "message": message, "target": target}] if detail else []
    return GraphError(400, code, message, details=details)


def invalid_value(field: str, resource: str) -> GraphError:
    """A property has a value that it cannot have."""
    message = f"Invalid value specified for property '{field}' of resource '{resource}'."
    return bad_request(message, detail="InvalidValue", target=field)


def already_there(message: str) -> GraphError:
    """Another object has this key."""
    return GraphError(409, message=message)
