"""The settings of helper containers: a closed list, so that what meets Pod Security `restricted` goes on to meet it.

Each function reads the text of a setting and raises ValueError; its message is what was expected.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from webhook.core.helper_authorities import AUTHORITIES
from webhook.core.helper_proxies import PROXIES
from webhook.core.names import NAMESPACE_NAME, OBJECT_NAME
from webhook.core.quantities import quantity

_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")
_EXCEPTIONS: Final = ("NO_PROXY", "no_proxy")
_LONGEST: Final = 4096  # characters of a variable
_HIGHEST_ID: Final = 2**31 - 1
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")


def resources(text: str) -> dict[str, dict[str, str]]:
    """Requests and limits, as in a container."""
    expected = f'requests and limits of {", ".join(_RESOURCES)}, such as {{"limits": {{"memory": "128Mi"}}}}'
    found: dict[str, dict[str, str]] = {}
    for kind, amounts in _object(text, expected).items():
        if kind not in ("requests", "limits") or not isinstance(amounts, dict):
            raise ValueError(expected)
        if any(name not in _RESOURCES or quantity(amount) is None for name, amount in amounts.items()):
            raise ValueError(expected)
        found[kind] = {name: str(amount) for name, amount in amounts.items()}
    for name, limit in found.get("limits", {}).items():
        if (quantity(found.get("requests", {}).get(name)) or 0) > (quantity(limit) or 0):
            raise ValueError(f"requests that are not above their limits, unlike {name}")
    return {kind: amounts for kind, amounts in found.items() if amounts}


def security_context(text: str) -> dict[str, int]:
    """The user and the group. Root is not among them."""
    expected = 'runAsUser and runAsGroup, or one or none of them, such as {"runAsUser": 65532}; the user is not 0'
    found = {}
    for key, value in _object(text, expected).items():
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        if key not in ("runAsUser", "runAsGroup") or isinstance(number, bool) or not isinstance(number, int):
            raise ValueError(expected)
        if not (key == "runAsUser") <= number <= _HIGHEST_ID:
            raise ValueError(expected)
        found[key] = number
    return found


def environment(text: str) -> dict[str, str]:
    """Proxies and authorities. Nothing of it is secret: pods show it, and so does the log."""
    known = (*PROXIES, *AUTHORITIES)
    found = _object(text, f"an object of variables: {', '.join(known)}")
    for name, value in found.items():
        if name not in known:
            raise ValueError(f"variables out of {', '.join(known)}")
        if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
            raise ValueError(f"one line of text as {name}")
        if name in PROXIES and name not in _EXCEPTIONS:
            _check_proxy(name, value)
        if name in AUTHORITIES and not value.startswith("/"):
            raise ValueError(f"a path in the helper's image as {name}")
    return dict(found)


def _check_proxy(name: str, value: str) -> None:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        good = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or any(each in value for each in " #"):
        raise ValueError(f"the address of a proxy as {name}, such as http://proxy.example.com:3128")
    if "@" in value:
        raise ValueError(f"no password in {name}: a pod takes one from a Secret, by a variable of its own container")


def config_map(text: str) -> str:
    """A ConfigMap and its key."""
    name, _, key = text.partition("/")
    if not OBJECT_NAME.fullmatch(name) or not _KEY.fullmatch(key) or key.startswith(".."):
        raise ValueError("the name of a ConfigMap and a key of it, such as corporate-authorities/ca.crt")
    return text


def container_names(text: str) -> tuple[str, ...]:
    """Names of containers."""
    names = tuple(part.strip() for part in text.split(","))
    if not all(NAMESPACE_NAME.fullmatch(name) for name in names):  # both are DNS labels
        raise ValueError("names of containers, separated by commas")
    return names


def _object(text: str, expected: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"JSON: {expected}") from None
    if not isinstance(found, dict):
        raise ValueError(f"JSON: {expected}")
    return found
