"""The one call to Graph that the commands make."""

import json
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from m365_identity import GraphError, NetworkError, NoAnswerError, Retry, UnreachableError, WorkloadIdentityCredential
from m365_identity._graph import ORGANIZATION, get
from m365_identity.errors import M365IdentityError
from testbed.entra import Entra
from tests.helper.support import Pod


def call(pod: Pod, path: str = ORGANIZATION, *, bound: float = 0.0, **options: Any) -> dict[str, Any]:
    """The answer."""
    clock = pod.time.clock("sync")
    with WorkloadIdentityCredential(environ=pod.environ, clock=clock) as credential:
        return get(
            path,
            credential=credential,
            settings=pod.settings,
            retry=Retry(bound=bound, silence=0.5),
            environ=pod.environ,
            clock=clock,
            **options,
        )


def fails(pod: Pod, **options: Any) -> M365IdentityError:
    """What it raises."""
    with pytest.raises(M365IdentityError) as caught:
        call(pod, **options)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


def test_graph_answers(pod: Pod) -> None:
    """With the tenant's name."""
    pod.federate()
    assert call(pod)["value"][0]["displayName"] == "Contoso"


def test_a_missing_role_is_reported_with_the_fix(pod: Pod) -> None:
    """403: the token is good, and does not have a permission; waiting does not help."""
    pod.federate()
    pod.application.roles = ()
    error = fails(pod, bound=30)
    assert isinstance(error, GraphError)
    assert isinstance(error, HttpResponseError)
    assert (error.http_status, error.status_code, error.code) == (403, 403, "Authorization_RequestDenied")
    assert error.request_id
    assert f"az ad app permission admin-consent --id {pod.application.client_id}" in str(error)
    assert pod.time.pauses == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 401, "code": "InvalidAuthenticationToken"}, ": Graph does not take the token [WIH533]\n"),
        ({"status": 404, "code": "ResourceNotFound"}, "is not Graph, or was asked"),
        ({"status": 403, "body": b"<html>", "content_type": "text/html"}, "captive portal"),
        ({"status": 200, "body": b"<html>", "content_type": "text/html"}, "a body that is not a JSON object"),
        ({"status": 200, "body": b"[]"}, "a body that is not a JSON object"),
        ({"status": 400, "body": json.dumps({"error": "text"}).encode()}, "not one of Graph's errors"),
    ],
)
def test_what_does_not_pass_fails_at_once(pod: Pod, entra: Entra, fault: dict[str, Any], words: str) -> None:
    """In words for each."""
    pod.federate()
    entra.next("graph", times=None, **fault)
    error = fails(pod, bound=30)
    assert isinstance(error, GraphError)
    assert words in str(error)
    assert pod.time.pauses == []
    assert not error.may_heal


@pytest.mark.parametrize("fault", [{"status": 429, "retry_after": 3}, {"status": 503}, {"cut": "answer"}])
def test_a_failure_of_graph_that_passes_is_tried_again(pod: Pod, entra: Entra, fault: dict[str, Any]) -> None:
    """Throttling, 5xx, the network; on_retry is called for each."""
    pod.federate()
    entra.next("graph", times=2, **fault)
    told: list[M365IdentityError] = []
    assert call(pod, bound=30, on_retry=lambda error, pause: told.append(error))["value"]
    assert pod.time.pauses == ([3, 3] if "retry_after" in fault else [1, 2])
    assert [error.may_heal for error in told] == [True, True]


def test_a_failure_that_lasts_is_raised_after_the_bound(pod: Pod, entra: Entra) -> None:
    """With Graph's own words."""
    pod.federate()
    entra.next("graph", status=503, times=None)
    error = fails(pod, bound=30)
    assert isinstance(error, GraphError)
    assert error.http_status == 503
    assert "\nGraph: " in str(error)
    assert pod.time.now == 30


def test_the_error_for_an_unreachable_graph_warns_of_terraforms_state(pod: Pod) -> None:
    """Login works and Graph does not: the provider can take that for resources that are gone."""
    pod.federate()
    pod.environ["M365_GRAPH_HOST"] = "https://127.0.0.1:1"
    error = fails(pod)
    assert isinstance(error, UnreachableError)
    assert error.host == "https://127.0.0.1:1"
    assert "drop them from its state" in str(error)


@pytest.mark.parametrize("fault", [{"hang": True}, {"cut": "body"}, {"cut": "reset"}])
def test_a_graph_that_does_not_answer_is_an_error(pod: Pod, entra: Entra, fault: dict[str, Any]) -> None:
    """A NetworkPolicy that drops packets looks like it."""
    pod.federate()
    entra.next("graph", times=None, **fault)
    assert isinstance(fails(pod), NoAnswerError)


def test_an_unknown_authority_is_an_error(pod: Pod) -> None:
    """The login host may be let through where Graph is decrypted."""
    pod.federate()
    with WorkloadIdentityCredential(environ=pod.environ) as credential:
        with pytest.raises(NetworkError, match="decrypts TLS"):
            get(ORGANIZATION, credential=credential, settings=pod.settings, retry=Retry(bound=0), environ={})


def test_what_the_credential_raises_comes_through(pod: Pod) -> None:
    """Nothing of it is tried again here."""
    error = fails(pod, bound=30)
    assert str(error).startswith("AADSTS70025")


def test_the_token_stays_out_of_what_is_raised(pod: Pod, entra: Entra) -> None:
    """Although the server sends it back."""
    pod.federate()
    with WorkloadIdentityCredential(environ=pod.environ) as credential:
        token = credential.get_token(pod.settings.scope).token
        body = json.dumps({"error": {"code": token, "message": f"Bearer {token}"}}).encode()
        entra.next("graph", status=400, body=body)
        with pytest.raises(GraphError) as caught:
            get(
                ORGANIZATION,
                credential=credential,
                settings=pod.settings,
                retry=Retry(bound=0),
                environ=pod.environ,
            )
    assert token.split(".")[1][:40] not in str(caught.value)
    assert caught.value.response is None
