"""Which message explains which of Entra's codes.

The codes also decide which failures can heal (`m365_identity._attempts`). Microsoft may change them, so a code that is
not here is not an error.
"""

from typing import Final

from m365_identity._messages import Kind, entra, tenant, uncoded

__all__ = ["ABOUT_THE_ISSUER", "ABOUT_THE_TOKEN", "BY_CODE", "SEEN"]

_CODES: Final[dict[Kind, tuple[int, ...]]] = {
    entra.NO_MATCH: (70021,),
    entra.NO_ISSUER: (700211,),
    entra.NO_AUDIENCE: (700212,),
    entra.NO_SUBJECT: (700213,),
    entra.SUBJECT_OF_ENTRA: (7002137,),
    entra.SUBJECT_CASE: (7002138,),
    entra.NO_CREDENTIAL: (70025,),
    tenant.NO_APPLICATION: (
        700016,
        700011,
        70001,
    ),
    tenant.APPLICATION_DISABLED: (
        7000112,
        1000031,
    ),
    tenant.PUBLIC_CLIENT: (700025,),
    tenant.ISSUER_NOT_ALLOWED: (70052,),
    tenant.NO_TENANT: (
        90002,
        900023,
        50029,
    ),
    tenant.TENANT_OF_ANOTHER_CLOUD: (90038,),
    tenant.CROSS_CLOUD: (
        900382,
        900432,
        1000104,
    ),
    tenant.US_AT_PUBLIC: (900439,),
    tenant.LOGIN_UNKNOWN: (
        50049,
        50050,
        90051,
    ),
    tenant.REGIONAL: (100007,),
    entra.NOT_A_JWT: (
        50027,
        5002723,
        90016,
        50120,
        240002,
    ),
    entra.SIGNATURE: (
        50013,
        50006,
        50012,
        700027,
        900384,
        50099,
    ),
    entra.ALGORITHM: (
        5002738,
        50032,
    ),
    entra.OUT_OF_TIME: (
        700024,
        500133,
    ),
    entra.TOKEN_OF_ENTRA: (
        700222,
        700229,
        700226,
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
    entra.NO_RESOURCE: (
        500011,
        50001,
        650054,
    ),
    entra.SCOPE_REFUSED: (
        70011,
        28002,
        28003,
        700022,
        700023,
        1002012,
        90009,
        901002,
    ),
    entra.NO_PROOF: (
        7000218,
        7000216,
        50192,
    ),
    entra.SECRET_REFUSED: (
        7000215,
        7000222,
        70002,
    ),
    entra.PART_MISSING: (
        90014,
        900144,
        90100,
        90102,
        90117,
        90121,
    ),
    entra.REQUEST_CHANGED: (
        9002313,
        70003,
        90004,
        90013,
        90015,
        90023,
        90056,
        90107,
        165900,
        900561,
    ),
    tenant.BLOCKED: (
        53003,
        530032,
        50053,
        53004,
        53011,
        530034,
        530035,
    ),
    tenant.NO_CONSENT: (
        65001,
        65005,
        650056,
        650057,
        90008,
        90093,
        90094,
        90095,
        90099,
    ),
    tenant.NO_SERVICE_PRINCIPAL: (7000229,),
    tenant.NOT_ASSIGNED: (
        50105,
        501051,
    ),
    tenant.DEVICE_POLICY: (
        50005,
        50072,
        50074,
        50076,
        50078,
        50079,
        50097,
        50129,
        50131,
        50158,
        53000,
        53001,
        53002,
    ),
    tenant.TENANT_RESTRICTED: (
        50002,
        500021,
        500022,
        500212,
        500213,
    ),
    tenant.FIRST_PARTY: (65002,),
    tenant.SHARED_TENANT: (
        50059,
        50128,
        50194,
        90019,
        90027,
        90124,
        90130,
        9001023,
        9002332,
    ),
    tenant.RESOURCE_MISCONFIGURED: (
        50003,
        50007,
        50010,
        50042,
        50043,
        50124,
        50146,
        501241,
        501461,
    ),
    tenant.RESOURCE_DISABLED: (
        500014,
        650052,
    ),
    tenant.NOT_AVAILABLE: (
        51000,
        90010,
        90043,
        90082,
    ),
    tenant.SUPPORT: (
        50000,
        90036,
        90092,
    ),
    tenant.ANOTHER_KEY: (
        50048,
        700021,
        700026,
        700030,
        50017,
    ),
    tenant.CHAINED_TOKEN: (700231,),
    tenant.OTHER_TENANT_TOKEN: (700236,),
    tenant.TOKEN_TOO_LONG: (70023,),
    tenant.SEVERAL_MATCH: (700263,),
    tenant.CLAIM_POLICY: (7002381,),
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
        90090,
        90091,
        501621,
    ),
}

BY_CODE: Final[dict[int, Kind]] = {code: kind for kind, codes in _CODES.items() for code in codes}
"""By the number after AADSTS."""

ABOUT_THE_TOKEN: Final = frozenset(
    {
        entra.NO_MATCH,
        entra.NO_ISSUER,
        entra.NO_AUDIENCE,
        entra.NO_AUDIENCE_OF_API_SERVER,
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

ABOUT_THE_ISSUER: Final = frozenset({entra.NO_MATCH, entra.NO_ISSUER, uncoded.REFUSED})
"""Those of them that may mean that the credential has another issuer than the token."""

SEEN: Final = frozenset(
    {entra.EXPIRED, entra.NOT_YET_VALID, entra.OUT_OF_TIME_BY_CLOCK, entra.NO_AUDIENCE_OF_API_SERVER},
)
"""Messages in place of that of a code, if more can be seen here than Entra says."""
