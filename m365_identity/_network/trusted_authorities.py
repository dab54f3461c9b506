"""Whose certificates are trusted: the same for requests, which reads REQUESTS_CA_BUNDLE, and for aiohttp and OpenSSL,
which read SSL_CERT_FILE.

The first of REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE that is set names a file of PEM certificates, which
replaces the usual authorities. If none is set, each library trusts its own.
"""

import os
import ssl
from collections.abc import Mapping
from typing import Final

from m365_identity._messages import message, settings
from m365_identity.errors import SettingsError

__all__ = ["VARIABLES", "authorities", "problem"]

VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def authorities(environ: Mapping[str, str] = os.environ) -> str | bool:
    """What azure-core's transports take as `connection_verify`: the file, or True. SettingsError if the file is bad."""
    for variable in VARIABLES:
        path = environ.get(variable, "")
        if path:
            wrong = problem(path)
            if wrong:
                raise SettingsError([message(settings.AUTHORITIES_WRONG, variable=variable, path=path, problem=wrong)])
            return path
    return True


def problem(path: str) -> str:
    """Why the file cannot be used, as the end of a sentence; "" if it can."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        return "holds no certificate"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""
