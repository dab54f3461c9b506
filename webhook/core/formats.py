"""What a client id, a tenant and an audience look like.

The helper knows the same tenants (`m365_identity.settings`): tests/cases/tenants.json is tested over both.
"""

import re
from typing import Final

_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# A domain has a dot: `common` and `organizations` stand for all tenants, and Entra signs no workload in to all of them.
_LABEL: Final = "[0-9a-zA-Z]([0-9a-zA-Z-]{0,61}[0-9a-zA-Z])?"
_DOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})+")
_AUDIENCE: Final = re.compile(r"[!-~]{1,600}")


def is_guid(text: str) -> bool:
    """Whether `text` is a GUID with hyphens and nothing else."""
    return _GUID.fullmatch(text) is not None


def is_tenant(text: str) -> bool:
    """Whether `text` can be a tenant: a GUID or the name of a domain. It becomes a part of the login URL's path."""
    return is_guid(text) or _DOMAIN.fullmatch(text) is not None


def is_audience(text: str) -> bool:
    """Whether `text` can be an audience: printable ASCII without spaces, at most the 600 characters Entra takes."""
    return _AUDIENCE.fullmatch(text) is not None
