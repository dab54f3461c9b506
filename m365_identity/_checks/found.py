"""What is known so far on the walk from the environment to Graph."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from azure.core.credentials import AccessTokenInfo

from m365_identity._network.proxies import Proxy
from m365_identity._tokens.access_token import AccessTokenClaims
from m365_identity._tokens.assertion import Assertion
from m365_identity.retry import Clock
from m365_identity.settings import Settings

__all__ = ["Found", "Site"]

_MOUNTS: Final = Path("/proc/self/mountinfo")
_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass
class Site:
    """A server on the way, and how it is reached. is_reached: whether a TLS connection to it was made."""

    url: str
    proxy: Proxy | None = None
    is_reached: bool = False

    @property
    def host(self) -> str:
        """The host's name, without a port."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port."""
        return urlsplit(self.url).port or 443


@dataclass(kw_only=True)
class Found:
    """What the walk starts with, and what its checks have found; None for what is not known.

    given: arguments of `m365_identity.settings.settings`. silence: seconds that a server may say nothing. mounts: the
    kernel's table of mounts. namespace_file: where the kubelet says in which namespace the pod is.

    settings: if all of them are good. place: settings of which only cloud, authority and Graph are certain. trust: the
    authorities that variables name. not_before: of the assertion, in seconds since the epoch. skew: how many seconds
    the login host's clock is ahead.
    """

    environ: Mapping[str, str]
    given: Mapping[str, str | None] = field(default_factory=dict)
    silence: float = 10.0
    clock: Clock = Clock()  # noqa: RUF009  # frozen
    mounts: Path = _MOUNTS
    namespace_file: Path = _NAMESPACE

    settings: Settings | None = None
    place: Settings | None = None
    token_file: Path | None = None
    assertion: Assertion | None = None
    not_before: float | None = None
    trust: ssl.SSLContext | None = field(default=None, repr=False)
    sites: dict[str, Site] = field(default_factory=dict)
    skew: float | None = None
    token: AccessTokenInfo | None = field(default=None, repr=False)
    claims: AccessTokenClaims | None = None

    @property
    def now(self) -> float:
        """Seconds since the epoch, by the login host's clock if that is known: it decides what is expired."""
        return self.clock.wall() + (self.skew or 0.0)
