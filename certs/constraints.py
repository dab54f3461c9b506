"""Name constraints: for which names an authority may sign, so that its key is worth no more than these.

Go (kube-apiserver), OpenSSL and `cryptography` refuse a leaf certificate if one of its names is not permitted, whatever
the others are. No authority is made without constraints. One without, such as one that a person has put into the
Secret, permits every name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

from cryptography import x509

__all__ = ["NO_NAMES", "constrained_to", "general_name", "permits", "permitted_names", "widened"]

NO_NAMES: Final = ("invalid",)
"""A name that no server has (RFC 2606). An empty list would constrain nothing."""

_EVERY_ADDRESS = ("0.0.0.0/0", "::/0")


def constrained_to(names: Iterable[str]) -> x509.NameConstraints:
    """The extension that permits these DNS names, with the names below them, and these addresses; no other address."""
    permitted: list[x509.GeneralName] = []
    for name in map(general_name, tuple(names) or NO_NAMES):
        if isinstance(name, x509.IPAddress):
            permitted.append(x509.IPAddress(ipaddress.ip_network(name.value)))
        else:
            permitted.append(name)
    excluded = None
    if not any(isinstance(each, x509.IPAddress) for each in permitted):  # a kind that is not named is not constrained
        excluded = [x509.IPAddress(ipaddress.ip_network(each)) for each in _EVERY_ADDRESS]
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=excluded)


def permits(authority: x509.Certificate, name: str) -> bool:
    """Whether a leaf certificate of `authority` may be for `name`, a DNS name or an address."""
    found = _constraints(authority)
    if found is None:
        return True
    wanted = general_name(name)
    permitted = [each for each in found.permitted_subtrees or () if isinstance(each, type(wanted))]
    if permitted and not any(_within(wanted, each) for each in permitted):
        return False
    return not any(_within(wanted, each) for each in found.excluded_subtrees or () if isinstance(each, type(wanted)))


def widened(names: Sequence[str], authorities: Iterable[x509.Certificate]) -> tuple[str, ...]:
    """`names`, and those of each authority that does not permit all of them: the names of its successor.

    Two replicas with different settings would otherwise replace each other's authority again and again.
    """
    found = dict.fromkeys(names)
    for authority in authorities:
        if not all(permits(authority, name) for name in names):
            found |= dict.fromkeys(permitted_names(authority))
    return tuple(found)


def permitted_names(authority: x509.Certificate) -> tuple[str, ...]:
    """The names that its constraints permit: DNS names and single addresses; empty if it has none."""
    found = _constraints(authority)
    names = []
    for each in (found.permitted_subtrees or ()) if found else ():
        if isinstance(each, x509.DNSName):
            names.append(each.value)
        elif isinstance(each, x509.IPAddress):
            address, _, prefix = str(each.value).partition("/")
            names += [address] if prefix in ("32", "128") else []
    return tuple(names)


def general_name(name: str) -> x509.DNSName | x509.IPAddress:
    """A DNS name or an address as certificates have it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _constraints(authority: x509.Certificate) -> x509.NameConstraints | None:
    try:
        return authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None


def _within(name: x509.GeneralName, subtree: x509.GeneralName) -> bool:
    if isinstance(name, x509.IPAddress):
        return name.value in subtree.value
    value, base = str(name.value).lower(), str(subtree.value).lower()
    return not base or value == base or value.endswith("." + base.removeprefix("."))
