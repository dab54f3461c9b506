"""The table of checks, in order, and the walk along it."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from m365_identity._checks import (
    access_token,
    assertion,
    authorities,
    exchange,
    file,
    graph,
    lifetime,
    login,
    network,
    provider,
    settings,
    variables,
)
from m365_identity._checks.found import Found
from m365_identity._checks.result import LinkFinding, LinkResult, LinkStatus, finding
from m365_identity._messages import graph as messages

__all__ = ["CHECKS", "Check", "walk"]


@dataclass(frozen=True)
class Check:
    """One link. needs: the ids of the checks that must not fail for this one to run."""

    id: str
    title: str
    run: Callable[[Found], Iterable[LinkFinding]]
    needs: tuple[str, ...] = ()


def _site(site: str, title: str) -> Iterator[Check]:
    links = network.links(site)
    proxy, name, tcp, tls = (f"{site}-{link}" for link in ("proxy", "dns", "tcp", "tls"))
    yield Check(proxy, f"{title}: proxy", links.proxy, ("cloud",))
    yield Check(name, f"{title}: DNS", links.name, (proxy,))
    yield Check(tcp, f"{title}: TCP", links.connection, (name,))
    yield Check(tls, f"{title}: TLS", links.tls, (tcp, "authorities"))


CHECKS: Final = (
    Check("application", "application", settings.application),
    Check("cloud", "cloud", settings.cloud),
    Check("contradictions", "contradictions", variables.contradictions),
    Check("other-credentials", "other credentials", variables.others),
    Check("provider", "Terraform provider", provider.provider),
    Check("file", "token file", file.file),
    Check("renewal", "renewal of the file", file.renewable, ("file",)),
    Check("issuer", "token: issuer", assertion.issuer, ("file",)),
    Check("subject", "token: subject", assertion.subject, ("file",)),
    Check("audience", "token: audience", assertion.audience, ("file",)),
    Check("authorities", "trusted authorities", authorities.authorities),
    *_site("login", "login host"),
    Check("discovery", "tenant", login.discovery, ("application", "cloud", "login-tls")),
    Check("clock", "clock", login.clock, ("login-tls",)),
    Check("lifetime", "token: lifetime", lifetime.lifetime, ("file",)),
    Check("exchange", "exchange", exchange.exchange, ("application", "cloud", "file", "login-tls")),
    Check("access-token", "access token", access_token.access_token, ("exchange",)),
    Check("roles", "roles", access_token.roles, ("exchange",)),
    *_site("graph", "Graph"),
    Check("graph", "Graph: call", graph.graph, ("exchange", "graph-tls")),
)


def walk(found: Found) -> Iterator[LinkResult]:
    """The results of all checks, each as soon as it is known."""
    titles = {check.id: check.title for check in CHECKS}
    broken: set[str] = set()
    for check in CHECKS:
        missing = next((need for need in check.needs if need in broken), None)
        findings = [finding(messages.NEEDS, title=titles[missing])] if missing else _guarded(check, found)
        for each in findings:
            if each.status in (LinkStatus.FAIL, LinkStatus.SKIP):
                broken.add(check.id)
            yield LinkResult(id=check.id, title=check.title, **asdict(each))


def _guarded(check: Check, found: Found) -> Iterator[LinkFinding]:
    """The findings of a check, whatever happens in it: a mistake of this program in one check hides no other."""
    try:
        yield from check.run(found)
    except Exception as error:  # noqa: BLE001  # its text may hold anything, so only its place is shown
        place = traceback.extract_tb(error.__traceback__)[-1]
        file = Path(place.filename).name
        yield finding(messages.MISTAKE, error=type(error).__name__, file=file, line=place.lineno)
