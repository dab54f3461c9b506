"""Whose certificates are trusted: one answer for requests, which reads REQUESTS_CA_BUNDLE, and for aiohttp and OpenSSL,
which read SSL_CERT_FILE.

The first that is set of REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE names a file of PEM certificates, which takes
the place of the usual authorities. Where none is set, each library's own are trusted.
"""

import os
import ssl
from collections.abc import Mapping
from typing import Final

from m365_identity.errors import SettingsError

__all__ = ["VARIABLES", "authorities"]

VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def authorities(environ: Mapping[str, str] = os.environ) -> str | bool:
    """What azure-core's transports take as `connection_verify`: the file, or True. SettingsError for a bad one."""
    for variable in VARIABLES:
        path = environ.get(variable, "")
        if path:
            problem = _problem(path)
            if problem:
                raise SettingsError([f'{variable} is "{path}", which {problem}: expected a file of PEM certificates'])
            return path
    return True


def _problem(path: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        return "holds no certificate"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""
