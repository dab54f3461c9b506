"""The protocol of App Service's managed identities, version 2019-08-01, without the HTTP around it.

    GET $IDENTITY_ENDPOINT?api-version=2019-08-01&resource=https://graph.microsoft.com
    X-IDENTITY-HEADER: $IDENTITY_HEADER

    200 {"access_token": "…", "expires_on": "1767225600", "resource": "…", "token_type": "Bearer", "client_id": "…"}

What is refused, in this order, as `{"statusCode": …, "message": "…"}`:

    400  the request's head is malformed, so what it says is not known (`request_head`)
    403  the request was forwarded, so somebody else may be behind it
    401  X-IDENTITY-HEADER is not there, or not the right one
    400  api-version, resource or the identity asked for is missing, there twice, or not what can be had
    400  signing in failed in a way that asking again cannot change: clients go on to their next credential
    429  Entra was asked too often, and wants to be left alone for longer than the endpoint may wait; Retry-After
    503  signing in failed in a way that may heal, and the endpoint's patience is over: clients try again

Clients repeat 404 and 5xx, so nothing that stays as it is answered with these. Terraform's provider microsoft365
ends in a panic at 429 and 5xx: for it the last two are 400 as well, and it reports the message.
"""

import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from m365_identity.errors import M365IdentityError, ThrottledError

__all__ = ["API_VERSION", "RefusedError", "Wanted", "granted", "refusal", "wanted"]

API_VERSION: Final = "2019-08-01"

_DEFAULT: Final = "/.default"
_LONGEST: Final = 1000  # characters of a resource
# Each names an identity among several; here is one, known by its client id.
_SELECTORS: Final = ("object_id", "principal_id", "mi_res_id", "msi_res_id")


class RefusedError(Exception):
    """The answer is an error: status, message, further headers."""

    def __init__(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})

    @property
    def document(self) -> dict[str, object]:
        """The answer's JSON object."""
        return {"statusCode": int(self.status), "message": str(self)}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a client asks for. resource: in its own words. scope: in Entra's."""

    resource: str
    scope: str = field(repr=False)


def wanted(query: str, headers: Message, *, header: str, client_id: str) -> Wanted:
    """What is asked for with these parameters and headers. `header`: the secret of both sides. Raises RefusedError."""
    if "X-Forwarded-For" in headers or "Forwarded" in headers:
        raise RefusedError(HTTPStatus.FORBIDDEN, "the request was forwarded: this endpoint is for its own pod only")
    given = headers.get_all("X-IDENTITY-HEADER") or []
    # Of bytes, since characters beyond ASCII cannot be compared in constant time.
    if len(given) != 1 or not hmac.compare_digest(given[0].encode("latin-1", "replace"), header.encode("latin-1")):
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "X-IDENTITY-HEADER is not the value of IDENTITY_HEADER")
    try:
        parameters = parse_qs(query, max_num_fields=20, errors="strict")
    except ValueError:
        raise _bad("the parameters cannot be read") from None
    version, resource, client = (_single(parameters, name) for name in ("api-version", "resource", "client_id"))
    if version != API_VERSION:
        raise _bad(f"api-version must be {API_VERSION}")
    if client and client.lower() != client_id.lower():
        raise _bad(f"client_id is not {client_id}, the only application that signs in here")
    for selector in _SELECTORS:
        if selector in parameters:
            raise _bad(f"{selector} cannot choose an identity here: leave it out, or give client_id={client_id}")
    return Wanted(resource=resource, scope=_scope(resource))


def granted(wanted: Wanted, *, token: str, expires_on: int, client_id: str) -> dict[str, object]:
    """The JSON object with a token; its times are seconds since the epoch."""
    return {
        "access_token": token,
        "expires_on": str(expires_on),
        "resource": wanted.resource,
        "token_type": "Bearer",
        "client_id": client_id,
    }


def refusal(error: M365IdentityError, *, for_terraform: bool = False) -> RefusedError:
    """The answer for clients if signing in failed. for_terraform: whether they do not stand 429 and 5xx."""
    if for_terraform:
        return RefusedError(HTTPStatus.BAD_REQUEST, str(error))
    if isinstance(error, ThrottledError):
        wait = {"Retry-After": str(math.ceil(error.retry_after))} if error.retry_after is not None else {}
        return RefusedError(HTTPStatus.TOO_MANY_REQUESTS, str(error), wait)
    return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE if error.may_heal else HTTPStatus.BAD_REQUEST, str(error))


def _single(parameters: Mapping[str, list[str]], name: str) -> str:
    """The value of a parameter, "" where it is missing or empty."""
    values = parameters.get(name, [""])
    if len(values) > 1:
        raise _bad(f"{name} is there {len(values)} times")
    return values[0]


def _scope(resource: str) -> str:
    name = resource.removesuffix(_DEFAULT).rstrip("/")
    if not name:
        raise _bad("resource is missing, such as https://graph.microsoft.com")
    if len(resource) > _LONGEST or not resource.isascii() or not resource.isprintable() or " " in resource:
        raise _bad("resource is not the URI or id of one")
    return name + _DEFAULT


def _bad(message: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, message)
