"""What the text of a setting means. Each function raises ValueError; its message is what was expected."""

import errno
import ipaddress
import json
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from webhook.core.formats import is_audience, is_tenant
from webhook.core.names import NAMESPACE_NAME, OBJECT_NAME


@dataclass(frozen=True)
class Address:
    """An address to listen on. With port 0 the system chooses one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """An address of this machine."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port[:6]) > 65535:
        raise ValueError("ADDRESS:PORT with a port of at most 65535, such as 0.0.0.0:9443")
    found = Address(host.strip("[]") or "0.0.0.0", int(port))
    obstacle = _obstacle(found)
    if obstacle:
        raise ValueError(f"an address of this machine to listen on ({obstacle})")
    return found


def _obstacle(address: Address) -> str:
    """Why the address cannot be used, or "". An address in use is accepted: the server waits until it is free."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
    except OSError as error:
        return "" if error.errno == errno.EADDRINUSE else f"{error.strerror}"
    except UnicodeError as error:  # not a host name
        return f"{error}"
    return ""


def plain(value: object) -> str:
    """A setting's value as text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    return "" if value is None else str(value)


def boolean(text: str) -> bool:
    """One of two words, as in an annotation."""
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def duration(text: str) -> timedelta:
    """A duration as Kubernetes and Go write it, and days: 14d, 2h30m, 90s, 250ms."""
    parts = re.findall(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(ms|d|h|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("a duration such as 14d, 2h30m or 90s")
    units = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return timedelta(seconds=sum(float(number) * units[unit] for number, unit in parts))


def hosts(text: str) -> tuple[str, ...]:
    """DNS names and IP addresses."""
    parts = tuple(part.strip() for part in text.split(","))
    if not all(map(_is_host, parts)):
        raise ValueError("DNS names or IP addresses, separated by commas")
    return parts


def _is_host(text: str) -> bool:
    # Go refuses every certificate of an authority whose name constraints have a DNS name with an empty label.
    if re.fullmatch(r"(?=.{1,253}$)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*", text):
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def client_names(text: str) -> tuple[str, ...]:
    """Names of clients, as their certificates have them."""
    parts = tuple(part.strip() for part in text.split(","))
    if not all(part.isprintable() and 0 < len(part) <= 253 for part in parts):
        raise ValueError("common names, DNS names or URIs of client certificates, separated by commas")
    return parts


def authorities(text: str) -> Path:
    """A file with the certificates of authorities."""
    # Not above: gunicorn's parent process does without the code for certificates, unless it is needed here.
    from certs.clients import read_authorities
    from certs.errors import UnreadableAuthorities

    found = Path(text)
    try:
        read_authorities(found)
    except UnreadableAuthorities as error:
        raise ValueError(f"a PEM file with certificates of authorities ({error})") from None
    return found


def path(text: str) -> Path:
    """A file or a folder."""
    found = Path(text)
    if not found.exists():
        raise ValueError("a path that exists")
    return found


def matching(check: Callable[[str], bool], expected: str) -> Callable[[str], str]:
    """Text that passes `check`."""

    def parse(text: str) -> str:
        if not check(text):
            raise ValueError(expected)
        return text

    return parse


def one_of(allowed: Iterable[str]) -> Callable[[str], str]:
    """One of these words."""
    choices = tuple(allowed)
    return matching(choices.__contains__, "one of " + ", ".join(choices))


tenant = matching(is_tenant, "the tenant's GUID or domain")
audience = matching(is_audience, "an audience of at most 600 characters without spaces")
# As container runtimes accept it: [HOST[:PORT]/]PATH[:TAG][@DIGEST].
image = matching(
    lambda text: re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,400}(@sha256:[0-9a-f]{64})?", text) is not None,
    "an image such as registry.example.com/m365-workload-identity:1.2.3",
)
namespace = matching(lambda text: NAMESPACE_NAME.fullmatch(text) is not None, "a namespace's name")
object_name = matching(lambda text: OBJECT_NAME.fullmatch(text) is not None, "an object's name")
