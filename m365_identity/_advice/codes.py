"""Which message explains which of Entra's codes.

The codes also decide which failures can heal (`m365_identity._attempts`). Microsoft may change them, so a code that is
not here is not an error.
"""

from typing import Final

from m365_identity._messages import Kind, entra, uncoded

__all__ = ["ABOUT_THE_TOKEN", "BY_CODE"]

_CODES: Final[dict[Kind, tuple[int, ...]]] = {
    entra.NO_MATCH: (70021,),
    entra.NO_ISSUER: (700211,),
    entra.NO_AUDIENCE: (700212,),
    entra.NO_SUBJECT: (700213,),
    entra.SUBJECT_OF_ENTRA: (7002137,),
    entra.SUBJECT_CASE: (7002138,),
    entra.NO_CREDENTIAL: (70025,),
    entra.NO_APPLICATION: (
        700016,
        700011,
        70001,
    ),
    entra.APPLICATION_DISABLED: (7000112,),
    entra.PUBLIC_CLIENT: (700025,),
    entra.ISSUER_NOT_ALLOWED: (70052,),
    entra.NO_TENANT: (
        90002,
        900023,
    ),
    entra.TENANT_OF_ANOTHER_CLOUD: (90038,),
    entra.CROSS_CLOUD: (
        900382,
        900432,
    ),
    entra.US_AT_PUBLIC: (900439,),
    entra.LOGIN_UNKNOWN: (50049,),
    entra.REGIONAL: (100007,),
    entra.NOT_A_JWT: (50027,),
    entra.SIGNATURE: (
        50013,
        50006,
        50012,
        700027,
    ),
    entra.ALGORITHM: (5002738,),
    entra.OUT_OF_TIME: (
        700024,
        500133,
    ),
    entra.TOKEN_OF_ENTRA: (
        700222,
        700229,
    ),
    entra.FEDERATION_POLICY: (
        700223,
        700238,
    ),
    entra.KEYS_UNREADABLE: (
        90061,
        50166,
        501661,
    ),
    entra.NO_RESOURCE: (500011,),
    entra.SCOPE_REFUSED: (
        70011,
        28002,
        28003,
        700022,
        700023,
        1002012,
    ),
    entra.NO_PROOF: (
        7000218,
        7000216,
    ),
    entra.SECRET_REFUSED: (
        7000215,
        7000222,
        70002,
    ),
    entra.PART_MISSING: (
        90014,
        900144,
    ),
    entra.REQUEST_CHANGED: (9002313,),
    entra.BLOCKED: (
        53003,
        530032,
    ),
    entra.NO_CONSENT: (65001,),
    entra.THROTTLED: (
        50196,
        90055,
    ),
    entra.PASSING: (
        90033,
        90006,
        90024,
        90012,
        50033,
    ),
}

BY_CODE: Final[dict[int, Kind]] = {code: kind for kind, codes in _CODES.items() for code in codes}
"""By the number after AADSTS."""

ABOUT_THE_TOKEN: Final = frozenset(
    {
        entra.NO_MATCH,
        entra.NO_ISSUER,
        entra.NO_AUDIENCE,
        entra.NO_SUBJECT,
        entra.SUBJECT_OF_ENTRA,
        entra.SUBJECT_CASE,
        entra.NO_CREDENTIAL,
        entra.NOT_A_JWT,
        entra.SIGNATURE,
        entra.ALGORITHM,
        entra.OUT_OF_TIME,
        entra.TOKEN_OF_ENTRA,
        entra.KEYS_UNREADABLE,
        uncoded.REFUSED,
    }
)
"""Messages whose causes begin with what can be seen to be odd in the token itself."""
