"""WIH3xx: why Entra gave no token, if its answer has no known code."""

from typing import Final

from m365_identity._messages.message import Kind, Severity

REFUSED_BEFORE_ENTRA: Final = Kind(
    "WIH350",
    Severity.ERROR,
    "a proxy or firewall before Entra refused the request, HTTP {status}",
    (
        "a proxy that reads along, or a firewall, does not let {login} pass",
        "HTTPS_PROXY names the wrong proxy, or has no password",
    ),
    fix="let {login} pass, or correct HTTPS_PROXY",
)
REFUSED: Final = Kind(
    "WIH351",
    Severity.ERROR,
    "Entra refused: {failure}",
    ("its code is not in this version's table",),
    fix="https://login.microsoftonline.com/error explains codes; `m365-identity doctor` shows every link",
)
NOT_ENTRA: Final = Kind(
    "WIH352",
    Severity.ERROR,
    "what answered at {login} is not Entra, or was changed on the way",
    ("a proxy, firewall or captive portal answers in its place", "AZURE_AUTHORITY_HOST names another server"),
    fix="let {login} pass unchanged; unset AZURE_AUTHORITY_HOST if it is not intended",
)
PROXY_REFUSED: Final = Kind(
    "WIH354",
    Severity.ERROR,
    "the proxy makes no connection to the login host, HTTP {status}",
    ("the proxy cannot reach {login} itself", "HTTPS_PROXY names the wrong proxy, or something else than a proxy"),
    fix="see that the proxy reaches {login}, or correct HTTPS_PROXY and NO_PROXY",
)
NO_ANSWER: Final = Kind(
    "WIH356",
    Severity.ERROR,
    "the login host was reached, and no whole answer came back",
    ("a proxy or firewall cuts or delays the connection", "Entra had a passing problem"),
    fix="try again later; from the pod's network: curl -v {login}",
)
