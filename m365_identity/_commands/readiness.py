"""Waits until signing in works and Microsoft Graph answers: all that `preflight` does, and what `exec` does first.

Terraform's provider cannot wait: it fails on a new federated credential, ends in a panic if Entra is busy, and in some
cases takes a Graph that cannot be reached for resources that are gone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from m365_identity import _graph
from m365_identity._commands.output import tell
from m365_identity._tokens import access_token
from m365_identity.credential import WorkloadIdentityCredential
from m365_identity.errors import Advice, GraphError, M365IdentityError
from m365_identity.retry import Clock, Retry
from m365_identity.settings import Settings

__all__ = ["Readiness", "progress", "wait_until_ready"]


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What worked. expires_on: of the token, seconds since the epoch.

    roles: None if the token cannot be read. may_read_organization: False if Graph refused to say who the tenant is.
    """

    expires_on: int
    roles: tuple[str, ...] | None
    may_read_organization: bool

    @property
    def warning(self) -> str:
        """What is likely to go wrong although everything worked here; "" if nothing is."""
        if self.roles == ():
            return (
                "the token has no roles, so Microsoft Graph will refuse nearly everything: give the application "
                "application permissions, and an administrator's consent"
            )
        return ""


def wait_until_ready(
    settings: Settings,
    *,
    patience: float,
    environ: Mapping[str, str],
    on_retry: Callable[[M365IdentityError, float], object],
    clock: Clock = Clock(),  # noqa: B008  # frozen
) -> Readiness:
    """Signs in and asks Graph for the organization, within `patience` seconds for both. Raises M365IdentityError.

    Graph may refuse, if the application does not have the permission: then it has accepted the token, too.
    """
    end = clock.monotonic() + patience
    with WorkloadIdentityCredential(
        settings=settings, retry=Retry(bound=patience), on_retry=on_retry, environ=environ, clock=clock
    ) as credential:
        token = credential.get_token(settings.scope)
        try:
            _graph.get(
                _graph.ORGANIZATION,
                credential=credential,
                settings=settings,
                retry=Retry(bound=max(0.0, end - clock.monotonic())),
                on_retry=on_retry,
                environ=environ,
                clock=clock,
            )
        except GraphError as error:
            if error.http_status != HTTPStatus.FORBIDDEN or not error.code:
                raise
            may_read = False
        else:
            may_read = True
    try:
        roles: tuple[str, ...] | None = access_token.decode(token.token).roles
    except ValueError:
        roles = None
    return Readiness(expires_on=token.expires_on, roles=roles, may_read_organization=may_read)


def progress(command: str) -> Callable[[M365IdentityError, float], object]:
    """Reports each failed attempt that is made again on standard error: in full if it is not the failure before."""
    known: list[Advice | None] = []

    def report(error: M365IdentityError, pause: float) -> None:
        text = str(error) if error.advice not in known else error.summary
        known[:] = [error.advice]
        tell(command, f"{text}\nTrying again in {pause:.1f} s." if "\n" in text else f"{text}; again in {pause:.1f} s")

    return report
