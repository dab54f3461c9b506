"""Entra's errors: each number with its `error`, HTTP status and sentence; and the body of an error.

If there is a report of an error, its status and `error` are those of the report. For the others they follow from the
kind: a wrong proof of identity is 401 invalid_client, a wrong request is 400.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from testbed.entra.messages import Response, json_response
from testbed.entra.rare_errors import RARE_ERRORS

__all__ = ["CODES", "Code", "Refusal", "refusal_response", "stamp"]

_FEDERATION: Final = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
_COMPARE: Final = (
    "Check your federated identity credential Subject, Audience and Issuer against the presented assertion. "
    f"{_FEDERATION}"
)
_NO_RECORD: Final = "No matching federated identity record found for presented assertion"
_WRONG_TENANT: Final = (
    "This can happen if the application has not been installed by the administrator of the tenant or consented to by "
    "any user in the tenant. You may have sent your authentication request to the wrong tenant."
)
_EXTERNAL: Final = "Request to External OIDC endpoint failed."
_TRANSIENT: Final = "A transient error has occurred. Please try again."


class Code(NamedTuple):
    """One AADSTS code; `text` has the placeholders {issuer}, {tenant} and so on."""

    number: int
    error: str
    status: int
    text: str


def _codes(error: str, status: int, texts: Mapping[int, str]) -> dict[int, Code]:
    return {number: Code(number, error, status, text) for number, text in texts.items()}


CODES: Final[Mapping[int, Code]] = {
    **_codes(
        "invalid_client",
        401,
        {
            70021: f"{_NO_RECORD}. Assertion Issuer: '{{issuer}}'. Assertion Subject: '{{subject}}'. "
            f"Assertion Audience: '{{audience}}'. {_FEDERATION}",
            700211: f"{_NO_RECORD} issuer '{{issuer}}'. {_COMPARE}",
            700212: f"{_NO_RECORD} audience '{{audience}}'. {_COMPARE}",
            700213: f"{_NO_RECORD} subject '{{subject}}'. {_COMPARE}",
            7002137: f"{_NO_RECORD} subject '{{subject}}'. Please make sure the federated identity credential Subject "
            "is '/eid1/c/pub/t/{tenant}/a/...'.",
            7002138: f"{_NO_RECORD} subject '{{subject}}'. The subject matches with case-insensitive comparison, but "
            f"not with case-sensitive comparison. {_COMPARE}",
            70025: "The client '{client_id}'({name}) has no configured federated identity credentials.",
            50006: "Signature verification failed because of an invalid signature.",
            50012: "Authentication failed.",
            50013: "Assertion is invalid because of various reasons.",
            500133: "Assertion is not within its valid time range.",
            700022: "Invalid multiple resources scope.",
            700023: "Invalid resourceless scope.",
            700024: "Client assertion is not within its valid time range. Current time: {now}, assertion valid from "
            "{valid_from}, expiry time of assertion {expiry}. Review the documentation at "
            "https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
            700025: "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
            700027: "The certificate with identifier used to sign the client assertion is not registered on "
            "application. [Reason - {reason}]",
            70052: "The identity must be a managed identity, single tenant app, or service account.",
            700222: "AAD-issued tokens may not be used for federated identity flows.",
            700223: "Federated identity credentials are constrained by the tenant's policy.",
            700229: "Only app-only tokens can be used as Federated Identity Credentials for AAD issuer.",
            700238: "Federated identity credentials from issuer '{issuer}' are not allowed by the tenant's policy.",
            70002: "Error validating credentials.",
            7000215: "Invalid client secret provided.",
            7000216: "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' "
            "grant type.",
            7000218: "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            7000222: "The provided client secret keys for app '{client_id}' are expired.",
            7000229: "The client application {client_id} is missing service principal in the tenant {tenant}.",
            700021: "Client assertion application identifier doesn't match 'client_id' parameter.",
            700026: "Client application has no configured keys.",
            700030: "Invalid certificate - subject name in certificate is not authorized.",
            700226: "Only MSI tokens may be used as Federated Identity Credentials for AAD issuer.",
            700231: "Token obtained using a federated identity credential may not be used as a federated identity "
            "credential.",
            700236: "Entra ID tokens issued by issuer '{issuer}' may not be used for federated identity credential "
            "flows for applications or managed identities registered in this tenant.",
            700263: "More than one federated identity record matches the presented assertion.",
            7002381: "A claim that the tenant's policy demands is missing in the presented assertion.",
            50017: "Validation of given certificate for certificate based authentication failed.",
            50048: "Subject mismatches Issuer claim in the client assertion.",
            50192: "No credential was included in the sign-in request.",
            900384: "JWT token failed signature validation.",
        },
    ),
    **_codes(
        "unauthorized_client",
        400,
        {
            70001: "Application with identifier '{client_id}' was not found in the directory '{tenant}'.",
            700011: "Application with identifier '{client_id}' was not found in the directory.",
            700016: "Application with identifier '{client_id}' was not found in the directory '{tenant}'. "
            + _WRONG_TENANT,
            7000112: "Application '{client_id}'({name}) is disabled.",
            1000031: "Application {name} cannot be accessed at this time. Contact your administrator.",
            65002: "Consent between first party application '{client_id}' and first party resource must be configured "
            "via preauthorization.",
        },
    ),
    **_codes(
        "invalid_request",
        400,
        {
            70023: "External OIDC token lifetime exceeds the maximum allowed, which is 1.01:00:00.",
            50027: "JWT token is invalid or malformed.",
            5002723: "Invalid JWT token. No certificate SHA-1 thumbprint, certificate SHA-256 thumbprint, nor keyId "
            "specified in token header.",
            50032: "The RSA key is too weak.",
            50050: "The request is malformed.",
            50099: "The JWT signature is invalid.",
            50120: "Issue with JWT header.",
            51000: "The feature is disabled.",
            50059: "No tenant-identifying information found in either the request or implied by any provided "
            "credentials.",
            50166: _EXTERNAL,
            501661: _EXTERNAL,
            90061: _EXTERNAL,
            5002738: "Invalid JWT token. '{algorithm}' is not a supported signature algorithm. Supported signing "
            "algorithms are: 'RS256, RS384, RS512'.",
            90002: "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing "
            "into the correct cloud. Check with your subscription administrator, this may happen if "
            "there are no active subscriptions for the tenant.",  # wording: quoted
            900023: "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain.",
            90014: "The required field '{field}' is missing from the credential. Ensure that you have all the "
            "necessary parameters for the login request.",
            900144: "The request body must contain the following parameter: '{field}'.",
            90038: "Tenant '{tenant}' belongs to the national cloud '{cloud}'. The current cloud instance does not "
            "federate with it.",
            900382: "Confidential Client is not supported in Cross Cloud request.",
            900432: "Confidential Client is not supported in Cross Cloud request.",
            900439: "US Government clients are not supported on the public endpoint.",
            900561: "The endpoint only accepts POST, OPTIONS requests. Received a {method} request.",
            9002313: "Invalid request. Request is malformed or invalid.",
            100007: "Regional endpoints are not allowed for this client.",
        },
    ),
    **_codes(
        "invalid_scope",
        400,
        {
            28002: "Provided value for the input parameter scope '{scope}' is not valid when requesting an access "
            "token.",
            28003: "Provided value for the input parameter scope cannot be empty when requesting an access token.",
            70011: "The provided request must include a 'scope' input parameter. The provided value for the input "
            "parameter 'scope' is not valid. The scope {scope} is not valid.",
            1002012: "The provided value for scope {scope} is not valid. Client credential flows must have a scope "
            "value with /.default suffixed to the resource identifier (application ID URI).",
        },
    ),
    **_codes("invalid_instance", 400, {50049: "Unknown or invalid instance."}),
    **_codes("unsupported_grant_type", 400, {70003: "The app requested an unsupported grant type '{grant_type}'."}),
    **_codes(
        "invalid_resource",
        400,
        {
            500011: "The resource principal named {resource} was not found in the tenant named {tenant}. "
            + _WRONG_TENANT.replace("may", "might"),
        },
    ),
    **_codes(
        "invalid_grant",
        400,
        {
            50196: "The server terminated an operation because it encountered a client request loop.",
            65001: "The user or administrator has not consented to use the application with ID '{client_id}' named "
            "'{name}'.",
            53003: "Access has been blocked by Conditional Access policies. The access policy does not allow token "
            "issuance.",
            530032: "Blocked by security policy.",
        },
    ),
    **_codes(
        "temporarily_unavailable",
        503,
        {
            50033: _TRANSIENT,
            90006: "An external server error occurred. Please try again.",
            90012: "The request has timed out.",
            90024: _TRANSIENT,
            90033: _TRANSIENT,
        },
    ),
    **_codes("temporarily_unavailable", 429, {90055: "There are too many incoming requests. Please try again later."}),
    **{
        number: code
        for (error, status), texts in RARE_ERRORS.items()
        for number, code in _codes(error, status, texts).items()
    },
}
"""Every code that a client with a federated token can meet, by number."""

_OF_USERS: Final = {
    **_codes("authorization_pending", 400, {70016: "OAuth 2.0 device flow error. Authorization is pending."}),
    **_codes("bad_verification_code", 400, {70018: "Invalid verification code."}),
    **_codes("expired_token", 400, {70020: "The device code has expired."}),
    **_codes("invalid_grant", 400, {70000: "Provided grant is invalid or malformed."}),
}
"""What only clients of users meet, by number."""

_WITHOUT_URI: Final = frozenset({70025, 700211, 700212, 700213, 7002138, 50166, 501661, 90061, 900382, 900432, 7000218})
"""Reported without `error_uri`, so a client must not depend on it."""


class Refusal(Exception):
    """The request is refused with an AADSTS code; `values` fill the placeholders of its sentence."""

    def __init__(self, number: int, *, error: str = "", status: int = 0, **values: str) -> None:
        unknown = Code(number, "invalid_request", 400, "An error of the emulator's choice.")
        code = CODES.get(number) or _OF_USERS.get(number, unknown)
        super().__init__(f"AADSTS{number}")
        self.number = number
        self.error = error or code.error
        self.status = status or code.status
        self.text = code.text
        self.values = values


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def stamp(now: float) -> str:
    """A time as Entra writes it: 2026-01-31 23:59:59Z."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(now))


def refusal_response(
    refusal: Refusal,
    *,
    now: float,
    host: str,
    trace_id: str,
    correlation_id: str,
    values: Mapping[str, str],
) -> Response:
    """The JSON body of an error, with ids and time. `values` from the request fill the placeholders."""
    sentence = f"AADSTS{refusal.number}: {refusal.text.format_map(_Known({**values, **refusal.values}))}"
    ids = f"Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {stamp(now)}"
    document: dict[str, Any] = {
        "error": refusal.error,
        "error_description": f"{sentence} {ids}",
        "error_codes": [refusal.number],
        "timestamp": stamp(now),
        "trace_id": trace_id,
        "correlation_id": correlation_id,
    }
    if refusal.number not in _WITHOUT_URI:
        document["error_uri"] = f"https://{host}/error?code={refusal.number}"
    return json_response(refusal.status, document)
