"""What the token says: its issuer, subject and audience. Entra compares all three to the letter."""

import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from m365_identity._checks.found import Found
from m365_identity._checks.result import LinkFinding, finding
from m365_identity._messages import token_file as messages
from m365_identity._text import listed, shown
from m365_identity._tokens.assertion import Assertion
from m365_identity.clouds import CLOUDS

__all__ = ["audience", "issuer", "subject"]

_PRIVATE: Final = (".local", ".svc", ".internal", ".localhost", ".lan", ".home.arpa", ".test", ".invalid")


def issuer(found: Found) -> Iterator[LinkFinding]:
    """Entra can fetch the issuer's keys."""
    address = _assertion(found).issuer
    issuer = shown(address)
    if not address:
        yield finding(messages.NO_ISSUER)
    elif address != address.strip() or not address.startswith("https://"):
        yield finding(messages.ISSUER_NOT_HTTPS, issuer=issuer)
    elif _host(address).startswith("kubernetes.default"):
        yield finding(messages.ISSUER_OF_CLUSTER, issuer=issuer)
    elif _is_private(_host(address)):
        yield finding(messages.ISSUER_PRIVATE, issuer=issuer)
    else:
        yield finding(messages.ISSUER_WITH_SLASH if address.endswith("/") else messages.ISSUER, issuer=issuer)


def subject(found: Found) -> Iterator[LinkFinding]:
    """The token is that of a ServiceAccount, and of this pod's namespace."""
    token = _assertion(found)
    if token.account is None:
        yield finding(messages.NOT_AN_ACCOUNT, subject=shown(token.subject))
        return
    namespace, name = token.account
    yield finding(messages.ACCOUNT, subject=shown(token.subject), name=shown(name), namespace=shown(namespace))
    try:
        here = found.namespace_file.read_text(errors="replace").strip()
    except OSError:
        return  # automountServiceAccountToken: false
    if here and here != namespace:
        yield finding(messages.OTHER_NAMESPACE, namespace=shown(namespace), here=shown(here))


def audience(found: Found) -> Iterator[LinkFinding]:
    """The audience is the one that the cloud's federated credentials have."""
    token = _assertion(found)
    audiences = listed([shown(each) for each in token.audiences])
    if not token.audiences:
        yield finding(messages.NO_AUDIENCE)
        return
    expected = (found.place.cloud if found.place else CLOUDS["public"]).audience
    if not token.suits_entra:
        yield finding(messages.FOR_API_SERVER, audiences=audiences, expected=expected)
        return
    if len(token.audiences) > 1:
        yield finding(messages.SEVERAL_AUDIENCES, audiences=audiences)
    if found.place is None:
        yield finding(messages.AUDIENCE_OF_SOME_CLOUD, audiences=audiences)
        return
    cloud = found.place.cloud
    if cloud.audience in token.audiences:
        if len(token.audiences) == 1:
            yield finding(messages.AUDIENCE, audiences=audiences, cloud=cloud.name)
        return
    others = [other.name for other in CLOUDS.values() if other.audience in token.audiences]
    whose = f"which is that of the cloud {' and '.join(others)}" if others else "which is not one of the usual ones"
    yield finding(messages.OTHER_AUDIENCE, audiences=audiences, whose=whose, cloud=cloud.name, expected=cloud.audience)


def _assertion(found: Found) -> Assertion:
    if found.assertion is None:
        raise ValueError("this check needs the token file")
    return found.assertion


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE)
