"""What every exception has: a line of what happened and what it means, then causes and fix; and whether it may heal."""

from collections.abc import Callable

import pytest

from m365_identity import (
    ExchangeError,
    GraphError,
    M365IdentityError,
    NoAnswerError,
    NotConfiguredError,
    SettingsError,
    ThrottledError,
    TokenFileError,
    UnreachableError,
)
from m365_identity.retry import Retry
from m365_identity.settings import settings
from tests.helper.support import Pod
from tests.helper.test_graph import fails as graph_fails


def not_configured(pod: Pod) -> M365IdentityError:
    """Nothing is set."""
    return pod.fails("sync", environ={})


def wrong_settings(pod: Pod) -> M365IdentityError:
    """Two make no sense."""
    with pytest.raises(SettingsError) as caught:
        settings(environ=pod.environ | {"M365_CLIENT_ID": "?", "M365_CLOUD": "nebula"})
    return caught.value


def no_file(pod: Pod) -> M365IdentityError:
    """The token is not mounted."""
    pod.token_file.unlink()
    return pod.fails("sync")


def refused(pod: Pod) -> M365IdentityError:
    """Entra does not trust the ServiceAccount yet."""
    return pod.fails("sync")


def throttled(pod: Pod) -> M365IdentityError:
    """Entra is asked too often."""
    pod.entra.next("login", status=429)
    return pod.fails("sync")


def unreachable(pod: Pod) -> M365IdentityError:
    """No server listens there."""
    return pod.fails("sync", environ=pod.environ | {"AZURE_AUTHORITY_HOST": "https://127.0.0.1:1/"})


def silent(pod: Pod) -> M365IdentityError:
    """The connection ends before an answer."""
    pod.entra.next("login", cut="answer")
    return pod.fails("sync", retry=Retry(bound=0))


def forbidden(pod: Pod) -> M365IdentityError:
    """Signed in, without any role."""
    pod.federate()
    pod.application.roles = ()
    return graph_fails(pod)


@pytest.mark.parametrize(
    ("provoke", "kind", "words"),
    [
        (not_configured, NotConfiguredError, ["M365_CLIENT_ID"]),
        (wrong_settings, SettingsError, ["nebula", '"?"']),
        (no_file, TokenFileError, ["token file ", ": "]),
        (refused, ExchangeError, ["AADSTS70025 (invalid_client, HTTP 401): "]),
        (throttled, ThrottledError, ["HTTP 429", ": "]),
        (unreachable, UnreachableError, ["no connection to https://127.0.0.1:1", "): "]),
        (silent, NoAnswerError, ["no answer from ", "): "]),
        (forbidden, GraphError, ["HTTP 403 (Authorization_RequestDenied): the token is good"]),
    ],
)
def test_the_first_line_says_what_happened_and_what_it_means(
    pod: Pod, provoke: Callable[[Pod], M365IdentityError], kind: type[M365IdentityError], words: list[str]
) -> None:
    """In one line of its own, `summary`, which the whole text begins with; then causes and the fix, each once."""
    error = provoke(pod)
    assert type(error) is kind
    assert "\n" not in error.summary
    assert all(word in error.summary for word in words)
    text = str(error)
    if isinstance(error, SettingsError):
        assert error.advice is None
        assert list(error.problems) == error.summary.split("; ")
        assert text.splitlines() == [f"{each} [{code}]" for each, code in zip(error.problems, error.codes, strict=True)]
        return
    assert error.advice is not None
    assert error.summary.endswith(error.advice.meaning)
    assert error.codes == (error.advice.code,)
    assert text.startswith(f"{error.summary} [{error.advice.code}]\nLikely causes:\n  1. ")
    assert text.count(error.advice.meaning) == text.count("\nFix: ") == 1
