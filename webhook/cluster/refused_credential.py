"""Why the API server may have refused a credential: what can be read off it. It is not verified, and not shown."""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509


def ended(user: Mapping[str, Any], now: datetime) -> str:
    """What has ended of a user of a kubeconfig, as the end of a sentence; "" if nothing has, as far as one can see."""
    for what, end in (("token", _of_token(user)), ("client certificate", _of_certificate(user))):
        if end and end <= now:
            return f": its {what} ended on {end:%Y-%m-%d %H:%M} UTC"
    return ""


def _of_token(user: Mapping[str, Any]) -> datetime | None:
    token = str(user.get("token") or "")
    try:
        if user.get("tokenFile"):
            token = Path(str(user["tokenFile"])).read_text(encoding="utf-8")
        claims = token.split(".")[1]
        seconds = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
        return datetime.fromtimestamp(float(seconds), UTC)
    except (OSError, ValueError, LookupError, TypeError, OverflowError, binascii.Error):
        return None


def _of_certificate(user: Mapping[str, Any]) -> datetime | None:
    data, file = user.get("client-certificate-data"), user.get("client-certificate")
    try:
        pem = base64.b64decode(str(data)) if data else Path(str(file or "")).read_bytes()
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except (OSError, ValueError):
        return None
