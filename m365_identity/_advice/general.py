"""Advice for failures without a code that is known: by HTTP status, and by the way in which the attempt failed.

Text in braces is filled in as in `m365_identity._advice.codes`.
"""

from typing import Final

from m365_identity._advice.codes import ROWS, Row
from m365_identity._failures import Failure, FailureKind

__all__ = ["GENERAL", "STATUSES", "general"]

_BARRED: Final = (403, 407)

STATUSES: Final[dict[int, Row]] = {
    429: Row(*ROWS[50196]),
    **dict.fromkeys((408, 500, 502, 503, 504), Row(*ROWS[90033])),
    **dict.fromkeys(
        _BARRED,
        Row(
            "somebody before Entra refused the request, HTTP {status}",
            ("a proxy or firewall does not let {login} pass", "HTTPS_PROXY names the wrong proxy, or lacks a password"),
            "let {login} pass, or correct HTTPS_PROXY",
        ),
    ),
}
"""Where an answer has no code that is known."""

GENERAL: Final[dict[FailureKind, Row]] = {
    FailureKind.REFUSED: Row(
        "Entra refused: {failure}",
        ("its code is not in this version's table",),
        "https://login.microsoftonline.com/error explains codes; `m365-identity doctor` shows every link",
        about_the_token=True,
    ),
    FailureKind.STRANGE: Row(
        "what answered at {login} is not Entra, or was changed on the way",
        ("a proxy, firewall or captive portal answers in its place", "AZURE_AUTHORITY_HOST names another server"),
        "let {login} pass unchanged; unset AZURE_AUTHORITY_HOST if nobody meant it",
    ),
    FailureKind.UNREACHABLE: Row(
        "there is no way from here to the login host",
        (
            "a NetworkPolicy or firewall does not let the pod out to port 443",
            "the cluster has no DNS for the name",
            "a proxy is needed, and HTTPS_PROXY is not set or wrong; or NO_PROXY has this host",
        ),
        "from the pod's network: curl -v {login}",
    ),
    FailureKind.PROXY: Row(
        "the proxy makes no connection to the login host, HTTP {status}",
        ("the proxy cannot reach {login} itself", "HTTPS_PROXY names the wrong proxy, or something that is none"),
        "see that the proxy reaches {login}, or correct HTTPS_PROXY and NO_PROXY",
    ),
    FailureKind.UNTRUSTED: Row(
        "what answers as {login} cannot show that it is Entra, so no token was sent",
        (
            "a proxy or firewall decrypts TLS, and its certificate authority is not known here",
            "SSL_CERT_FILE or REQUESTS_CA_BUNDLE names a file without the authority that is needed",
            "the image has no certificate authorities, or old ones",
            "such a proxy's certificates have no key identifiers or key usage, which Python wants since 3.13",
        ),
        "put the authority's PEM into a file that also has the public ones, and name it in SSL_CERT_FILE",
    ),
    FailureKind.NO_ANSWER: Row(
        "the login host was reached, and no whole answer came back",
        ("a proxy or firewall cuts or delays the connection", "Entra had a passing problem"),
        "try again later; from the pod's network: curl -v {login}",
    ),
}
"""Where there is neither code nor status that is known."""


def general(failure: Failure) -> Row:
    """What is said of a failure without a code that is known."""
    # Other statuses than these are the proxy's own troubles, and not Entra's.
    if failure.kind is FailureKind.PROXY and failure.http_status not in _BARRED:
        return GENERAL[FailureKind.PROXY]
    return STATUSES.get(failure.http_status) or GENERAL[failure.kind]
