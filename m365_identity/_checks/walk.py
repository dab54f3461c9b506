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
from m365_identity._checks.result import Finding, Result, Status, fail, skip

__all__ = ["CHECKS", "Check", "walk"]


@dataclass(frozen=True)
class Check:
    """One link. needs: the ids of those that must hold for this one to be looked at."""

    id: str
    title: str
    run: Callable[[Found], Iterable[Finding]]
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


def walk(found: Found) -> Iterator[Result]:
    """The results of all checks, each as soon as it is known."""
    titles = {check.id: check.title for check in CHECKS}
    broken: set[str] = set()
    for check in CHECKS:
        missing = next((need for need in check.needs if need in broken), None)
        findings = [skip(f'needs "{titles[missing]}"')] if missing else _guarded(check, found)
        for finding in findings:
            if finding.status in (Status.FAIL, Status.SKIP):
                broken.add(check.id)
            yield Result(id=check.id, title=check.title, **asdict(finding))


def _guarded(check: Check, found: Found) -> Iterator[Finding]:
    """The findings of a check, whatever happens in it: a mistake of this program in one link hides no other."""
    try:
        yield from check.run(found)
    except Exception as error:  # noqa: BLE001  # whose text may hold anything, so that only its place is told
        place = traceback.extract_tb(error.__traceback__)[-1]
        yield fail(
            f"this check ended in {type(error).__name__} ({Path(place.filename).name}, line {place.lineno}), which is "
            "a mistake of m365-identity and says nothing of the link",
            fix="report it, with this line and the output of `m365-identity --version`",
        )
