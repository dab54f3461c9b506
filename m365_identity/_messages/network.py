"""WIH4xx: proxies, names, connections and certificates, of the login host and of Graph."""

from typing import Final

from m365_identity._messages.message import Kind, Severity

STATE_LOSS: Final = (
    "; the login host can be reached, and Terraform's provider may take a Graph that cannot for resources that are "
    "gone, and drop them from its state"
)
_THIS_KIND: Final = "not looked at through a proxy of this kind"


# The proxy.
def _bad_proxy(code: str, problem: str, fix: str) -> Kind:
    """A variable whose value is not shown, since it can hold a password."""
    text = f"{{variable}} is not the address of a proxy, such as http://proxy.example:3128: {problem}"
    return Kind(code, Severity.ERROR, text, fix=fix, help="The value is not shown, since it can hold a password.")


PROXY_WRONG: Final = _bad_proxy("WIH401", "its scheme is not http or https", "correct {variable}, or unset it")
PROXY_WHITE_SPACE: Final = _bad_proxy(
    "WIH406",
    "it has white space, a line break or a control character in it",
    "write it without; in a user or password, a space is %20",
)
PROXY_UNQUOTED: Final = _bad_proxy(
    "WIH407",
    'it has a "#", "?" or "/" before the end of the host',
    'in a user or password, write "#" as %23, "?" as %3F, "/" as %2F',
)
PROXY_PORT: Final = _bad_proxy(
    "WIH408",
    "its port is not a number from 1 to 65535",
    'correct the port of {variable}; in a user or password, write "#" as %23, "/" as %2F, ":" as %3A, "@" as %40',
)
PROXY_HOST: Final = _bad_proxy("WIH409", "it names no host that can be looked up", "correct {variable}, or unset it")
PROXY_SOCKS: Final = Kind(
    "WIH414",
    Severity.ERROR,
    "{variable} names a SOCKS proxy: the credential for asyncio does not know them, the other one only with PySocks",
    fix='set {variable} to an http:// proxy; or pip install "requests[socks]", and do not use m365_identity.aio',
)
NO_PROXY: Final = Kind("WIH402", Severity.OK, "none is set")
PROXY_LEFT_OUT: Final = Kind("WIH403", Severity.OK, "none, since {variable} has {host}")
PROXY: Final = Kind("WIH404", Severity.OK, "{proxy} ({variable})")
PROXY_OTHER: Final = Kind(
    "WIH405",
    Severity.WARNING,
    "{proxy} ({variable}): not every program knows a proxy of this kind",
    fix="try http:// in {variable}: what stands there is how the proxy itself is spoken to",
)

# The name.
NAME: Final = Kind("WIH410", Severity.OK, "{host} is {addresses}")
NAME_OF_PROXY: Final = Kind("WIH411", Severity.OK, "{host} is {addresses}; the proxy resolves the rest")
NO_NAME: Final = Kind(
    "WIH412",
    Severity.ERROR,
    "{host} cannot be resolved: {problem}{consequence}",
    (
        "a NetworkPolicy does not let the pod out to the cluster's DNS (port 53, UDP and TCP)",
        "only a proxy knows the name, and HTTPS_PROXY is not set",
        "the cluster's DNS does not forward to the outside",
    ),
    fix="from the pod: python -c \"import socket; print(socket.getaddrinfo('{host}', {port}))\"",
)
NO_NAME_OF_PROXY: Final = Kind(
    "WIH413",
    Severity.ERROR,
    "{host}, the proxy of {variable}, cannot be resolved: {problem}{consequence}",
    (
        "the name is misspelt, or a word that means no proxy: then {variable} must not be set",
        NO_NAME.causes[0],
        NO_NAME.causes[2],
    ),
    fix="correct {variable}, or unset it; " + NO_NAME.fix,
)

# The connection.
CONNECTION: Final = Kind("WIH420", Severity.OK, "{host}:{port} is open")
CONNECTION_BY_PROXY: Final = Kind("WIH421", Severity.OK, "{host}:{port} through the proxy")
CONNECTION_UNKNOWN: Final = Kind("WIH422", Severity.SKIPPED, _THIS_KIND)
NO_CONNECTION: Final = Kind(
    "WIH423",
    Severity.ERROR,
    "no connection to {where}: {problem}{consequence}",
    (
        "a NetworkPolicy or firewall does not let the pod out to {where}",
        "a proxy is needed, and HTTPS_PROXY is not set",
    ),
    fix="allow egress to {where}, or set HTTPS_PROXY",
)
NO_CONNECTION_TO_PROXY: Final = Kind(
    "WIH424",
    Severity.ERROR,
    "no connection to the proxy {proxy} of {variable}: {problem}{consequence}",
    (
        "a NetworkPolicy or firewall does not let the pod out to the proxy",
        "the proxy is down, or its address or port is wrong",
    ),
    fix="allow egress to {address}, or correct {variable}",
)
_TO_TLS_PROXY: Final = (
    "the proxy is not spoken to by TLS, so its address begins with http://, although it is for https:// servers"
)
NO_CONNECTION_TO_TLS_PROXY: Final = Kind(
    "WIH439",
    Severity.ERROR,
    NO_CONNECTION_TO_PROXY.text,
    (*NO_CONNECTION_TO_PROXY.causes, _TO_TLS_PROXY),
    fix="allow egress to {address}, or correct {variable}: http://{address}",
)
NO_HANDSHAKE_WITH_PROXY: Final = Kind(
    "WIH440",
    Severity.ERROR,
    "the proxy {proxy} of {variable} does not complete the TLS handshake: {problem}{consequence}",
    (_TO_TLS_PROXY, "a firewall cuts the connection to the proxy"),
    fix="set {variable} to http://{address}",
)
PROXY_POLICY: Final = Kind(
    "WIH425",
    Severity.ERROR,
    "the proxy {proxy} answered {status} to CONNECT {host}:{port}{consequence}",
    ("its policy does not let this host pass",),
    fix="have {host}:{port} allowed there, or correct {variable} and NO_PROXY",
)
PROXY_PASSWORD: Final = Kind(
    "WIH426",
    Severity.ERROR,
    PROXY_POLICY.text,
    ("it wants a user and a password",),
    fix="name user and password in {variable}: http://USER:PASSWORD@{address}",
)
PROXY_PASSWORD_WRONG: Final = Kind(
    "WIH438",
    Severity.ERROR,
    PROXY_POLICY.text,
    (
        "it does not take the user and password in {variable}",
        "it wants another way of signing in than Basic, such as NTLM or Kerberos",
    ),
    fix='correct user and password in {variable}; write "#" as %23, "/" as %2F, ":" as %3A, "@" as %40, "%" as %25',
)
PROXY_CANNOT: Final = Kind(
    "WIH427",
    Severity.ERROR,
    PROXY_POLICY.text,
    ("it cannot reach the host itself",),
    fix=PROXY_POLICY.fix,
)
NOT_A_PROXY: Final = Kind(
    "WIH428", Severity.ERROR, PROXY_POLICY.text, ("it is not a proxy for HTTPS",), fix=PROXY_POLICY.fix
)
PROXY_SILENT: Final = Kind(
    "WIH429",
    Severity.ERROR,
    "the proxy {proxy} did not answer as a proxy does to CONNECT {host}:{port}{consequence}",
    NOT_A_PROXY.causes,
    fix=PROXY_POLICY.fix,
)

# TLS.
TLS: Final = Kind("WIH430", Severity.OK, "{version}, certificate issued by {issuer}")
TLS_UNKNOWN: Final = Kind("WIH431", Severity.SKIPPED, _THIS_KIND)
TLS_FOREIGN: Final = Kind(
    "WIH432",
    Severity.WARNING,
    "{version}, certificate issued by {issuer}: not one that Microsoft uses, so something on the way decrypts TLS, and "
    "sees tokens",
    fix="have {host} left out of the inspection; if it is intended, leave it",
)
NO_HANDSHAKE: Final = Kind(
    "WIH433",
    Severity.ERROR,
    "{host} does not complete the TLS handshake: {problem}{consequence}",
    (
        "a firewall that looks at names lets the connection begin and not go on",
        "what answers on this port does not speak TLS",
    ),
    fix="have {host} allowed by name; from the pod's network: curl -v {url}",
)
UNTRUSTED: Final = Kind(
    "WIH434",
    Severity.ERROR,
    "the certificate of {host} is not trusted: {problem}{issuer}{consequence}",
    (
        "a proxy or firewall decrypts TLS, and its certificate authority is not known here",
        "SSL_CERT_FILE or REQUESTS_CA_BUNDLE names a file without the authority that is needed",
    ),
    fix="put the PEM of that authority into a file that also has the public ones, and name the file in both "
    "SSL_CERT_FILE and REQUESTS_CA_BUNDLE",
)
OUT_OF_TIME: Final = Kind(
    "WIH435",
    Severity.ERROR,
    UNTRUSTED.text,
    ("the clock of this node is wrong", "a proxy that decrypts TLS has let its certificate expire"),
    fix="compare `date -u` with the right time",
)
OTHER_NAME: Final = Kind(
    "WIH436",
    Severity.ERROR,
    UNTRUSTED.text,
    ("DNS, a proxy or hostAliases lead to another server",),
    fix="see where {host} leads to; from the pod's network: curl -v {url}",
)
NOT_STRICT: Final = Kind(
    "WIH437",
    Severity.ERROR,
    UNTRUSTED.text,
    (
        "a proxy or firewall that decrypts TLS has certificates without key identifiers or key usage, which Python "
        "refuses since 3.13 and Go does not",
    ),
    fix="have its certificate authority made again, with them; until then use an image with Python 3.12",
)
