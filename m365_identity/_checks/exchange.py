"""The exchange itself: one attempt, with the credential that programs use."""

from collections.abc import Iterator

from m365_identity._checks.found import Found
from m365_identity._checks.result import LinkFinding, failed, finding
from m365_identity._messages import graph as messages
from m365_identity._text import duration
from m365_identity.credential import WorkloadIdentityCredential
from m365_identity.errors import ExchangeError, M365IdentityError
from m365_identity.retry import Retry

__all__ = ["exchange"]


def exchange(found: Found) -> Iterator[LinkFinding]:
    """Entra gives an access token for the token in the file."""
    settings = found.settings
    if settings is None:
        yield finding(messages.NO_SETTINGS)
        return
    retry = Retry(bound=0, silence=found.silence)
    with WorkloadIdentityCredential(
        settings=settings, retry=retry, environ=found.environ, clock=found.clock
    ) as credential:
        try:
            found.token = credential.get_token_info(settings.scope)
        except M365IdentityError as error:
            identifier = error.correlation_id if isinstance(error, ExchangeError) else ""
            yield failed(error, f"{error.summary} (correlation id {identifier})" if identifier else "")
            return
    left = found.token.expires_on - found.clock.wall()
    yield finding(messages.EXCHANGED, scope=settings.scope, left=duration(left))
