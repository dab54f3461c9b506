"""Compares a client assertion with an application's federated credentials, in the order that Entra seems to have.

    not a JWT, a claim missing, more than one audience      50027, another algorithm than RS* 5002738
    the application has no credential                       70025
    none with the token's issuer                            700211
    one of that issuer, but none with the subject           700213, or 7002138 where only the case differs
    issuer and subject fit, the audience does not           700212
    each of the three is in some credential, together none  70021
    the issuer's documents cannot be read                   50166, 501661
    no key of the issuer made the signature                 700027
    valid for more than 25 hours                            70023
    expired, or not valid yet                               700024

Credentials come before keys: an issuer that Entra could never reach, such as https://kubernetes.default.svc, is
reported as having no credential. All three are compared exactly. `exp` and `nbf` may be off by `leeway` seconds.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

from testbed.entra.aadsts import Refusal
from testbed.entra.directory import Application, FederatedCredential
from testbed.entra.keys import Keys

__all__ = ["Presented", "check", "claims_of", "read"]

ALGORITHMS: Final = ("RS256", "RS384", "RS512")
MOST_SECONDS: Final = 25 * 3600
_NEVER: Final = 1e12  # seconds; what Entra says of an end so far away is not known


@dataclass(frozen=True, kw_only=True)
class Presented:
    """An assertion that could be read; its signature is not checked yet."""

    issuer: str
    subject: str
    audience: str
    expires: float
    not_before: float
    issued: float
    algorithm: str
    key_id: str | None
    text: str = field(repr=False)


def claims_of(text: str) -> Mapping[str, Any]:
    """The claims of a JWT, unchecked, for the log; empty if it is not a JWT."""
    with contextlib.suppress(jwt.InvalidTokenError, ValueError):
        payload = jwt.decode_complete(text, options={"verify_signature": False})["payload"]
        return dict(payload)
    return {}


def read(text: str) -> Presented:
    """What an assertion says. Raises Refusal if it cannot be read."""
    try:
        complete = jwt.decode_complete(text, options={"verify_signature": False})
        header, claims = complete["header"], complete["payload"]
        audience = claims["aud"]
        if isinstance(audience, list):
            (audience,) = audience
        presented = Presented(
            issuer=_text(claims["iss"]),
            subject=_text(claims["sub"]),
            audience=_text(audience),
            expires=float(claims["exp"]),
            not_before=float(claims.get("nbf", 0)),
            issued=float(claims.get("iat", claims["exp"])),
            algorithm=_text(header["alg"]),
            key_id=None if header.get("kid") is None else _text(header["kid"]),
            text=text,
        )
    except (jwt.InvalidTokenError, LookupError, TypeError, ValueError, OverflowError):
        raise Refusal(50027) from None
    if presented.algorithm not in ALGORITHMS:
        raise Refusal(5002738, algorithm=presented.algorithm)
    return presented


def check(presented: Presented, application: Application, keys: Keys, *, now: float, leeway: float) -> None:
    """Raises Refusal unless one of the application's credentials fits, signature and times are right."""
    _match(presented, application)
    candidates = keys.find(presented.issuer, presented.key_id)
    if not candidates:
        raise Refusal(700027, reason="The key was not found.")
    if not any(_is_signed_by(presented, key) for key in candidates):
        raise Refusal(700027, reason="Key was found, but use of the key to verify the signature failed.")
    if MOST_SECONDS < presented.expires - presented.issued < _NEVER:
        raise Refusal(70023)
    if not presented.not_before - leeway <= now < presented.expires + leeway:
        raise Refusal(
            700024, now=_precise(now), valid_from=_precise(presented.not_before), expiry=_precise(presented.expires)
        )


def _match(presented: Presented, application: Application) -> None:
    credentials = application.visible_credentials()
    if not credentials:
        raise Refusal(70025, name=application.name)
    of_issuer = [credential for credential in credentials if credential.issuer == presented.issuer]
    if not of_issuer:
        raise Refusal(700211)
    of_subject = [credential for credential in of_issuer if credential.subject == presented.subject]
    if not of_subject:
        raise Refusal(_subject_code(presented, of_issuer, credentials))
    if not any(credential.audience == presented.audience for credential in of_subject):
        raise Refusal(700212)


def _subject_code(
    presented: Presented, of_issuer: Sequence[FederatedCredential], credentials: Sequence[FederatedCredential]
) -> int:
    if any(credential.subject.lower() == presented.subject.lower() for credential in of_issuer):
        return 7002138
    return 70021 if any(credential.subject == presented.subject for credential in credentials) else 700213


def _is_signed_by(presented: Presented, key: Mapping[str, Any]) -> bool:
    try:
        jwt.PyJWS().decode_complete(
            presented.text, jwt.PyJWK.from_dict(dict(key)).key, algorithms=[presented.algorithm]
        )
    except jwt.PyJWTError:
        return False
    return True


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _precise(seconds: float) -> str:
    """A time as the sentence of 700024 has it, with seven decimals."""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        fraction = f"{seconds % 1:.7f}"[1:]
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f"{fraction}Z"
    return "9999-12-31T23:59:59.0000000Z"
