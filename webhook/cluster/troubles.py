"""Why a request to the API server got no answer, in a person's words, by what the client raises."""

import ssl
from typing import Final

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
    ClientSSLError,
)

from webhook.core.messages import Kind, checks

_CERTIFICATE_EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL
_NOT_YET_VALID: Final = 9
_OTHER_NAME: Final = (62, 64)  # of a host, of an address


def trouble(error: BaseException, *, server: str, proxy: str, seconds: float) -> tuple[Kind, str]:
    """The row of the table, and its reason. proxy: "" without one. seconds: the limit of the request."""
    if isinstance(error, TimeoutError):
        return checks.API_SERVER_UNREACHABLE, f"{server} did not answer within {seconds:g} s"
    if isinstance(error, ClientConnectorCertificateError):
        return _of_certificate(error.certificate_error, server)
    if isinstance(error, ClientProxyConnectionError | ClientHttpProxyError):
        refused = f"it answers HTTP {error.status}" if isinstance(error, ClientHttpProxyError) else _words(error)
        return checks.PROXY_UNREACHABLE, f"{proxy or 'the proxy'} for {server}: {refused}"
    if isinstance(error, ClientSSLError):
        return checks.API_SERVER_UNREACHABLE, f"{server}: TLS fails: {_words(error)}"
    if isinstance(error, ClientConnectorError):
        return checks.API_SERVER_UNREACHABLE, f"{server}: {_words(error)}"
    return checks.API_SERVER_UNREACHABLE, f"{server}: {error or type(error).__name__}"


def _of_certificate(error: BaseException, server: str) -> tuple[Kind, str]:
    """What is wrong with the certificate of the API server."""
    number = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else None
    words = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else str(error)
    reason = f"{server}: {words}"
    if number in _OTHER_NAME:
        return checks.API_SERVER_OF_OTHER_NAME, reason
    if number in (_CERTIFICATE_EXPIRED, _NOT_YET_VALID):
        return checks.API_SERVER_EXPIRED, reason
    return checks.API_SERVER_NOT_TRUSTED, reason


def _words(error: ClientConnectorError) -> str:
    """The reason of the operating system."""
    return str(error.os_error.strerror or error.os_error) if isinstance(error, ClientConnectorError) else str(error)
