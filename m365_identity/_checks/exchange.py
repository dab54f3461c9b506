"""The exchange itself: one attempt, with the credential that programs use."""

from collections.abc import Iterator

from m365_identity._checks.found import Found
from m365_identity._checks.result import Finding, advised, ok, skip
from m365_identity._text import duration
from m365_identity.credential import WorkloadIdentityCredential
from m365_identity.errors import ExchangeError, M365IdentityError
from m365_identity.retry import Retry

__all__ = ["exchange"]


def exchange(found: Found) -> Iterator[Finding]:
    """Entra gives an access token for the token in the file."""
    settings = found.settings
    if settings is None:
        yield skip("the settings are not complete")
        return
    retry = Retry(bound=0, silence=found.silence)
    with WorkloadIdentityCredential(
        settings=settings, retry=retry, environ=found.environ, clock=found.clock
    ) as credential:
        try:
            found.token = credential.get_token_info(settings.scope)
        except M365IdentityError as error:
            identifier = error.correlation_id if isinstance(error, ExchangeError) else ""
            yield advised(
                f"{error.summary} (correlation id {identifier})" if identifier else error.summary, error.advice
            )
            return
    left = found.token.expires_on - found.clock.wall()
    yield ok(f"Entra gave an access token for {settings.scope}, for {duration(left)}")
