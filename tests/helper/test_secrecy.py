"""Neither the pod's token nor an access token is ever told: in no log, exception, cause or representation."""

import base64
import io
import logging
import pickle
import re
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from m365_identity import ExchangeError, TokenFileError, WorkloadIdentityCredential
from testbed.entra import Entra
from tests.helper.support import SCOPE, Flavour, Pod

pytestmark = pytest.mark.slow  # all together they take seconds

ECHO = object()
FAULTS: list[dict[str, Any]] = [
    {},
    {"code": 700213},
    {"code": 700016},
    {"status": 429, "retry_after": 1},
    {"status": 503},
    {"status": 500, "body": ECHO, "content_type": "text/html"},
    {"status": 400, "body": ECHO},
    {"status": 200, "body": ECHO},
    {"body": ECHO, "content_type": "text/plain"},
    {"status": 302, "body": b"", "headers": {"Location": "https://portal.example/"}},
    {"cut": "answer"},
    {"cut": "body"},
    {"cut": "reset"},
    {"cut": "handshake"},
]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that any library logs, at its most talkative, with its tracebacks."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def parts(token: str) -> list[str]:
    """What must be found nowhere: payload and signature, whole or their first half."""
    _, payload, signature = token.split(".")
    return [payload[:60], signature[:30], payload[-40:]]


def told(error: BaseException) -> str:
    """All that an exception can be made to say: text, attributes, tracebacks, causes, contexts, pickled bytes."""
    seen, waiting, said = set[int](), [error], []
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        # With the variables of each frame: what reports errors to a service sends them.
        frames = traceback.TracebackException.from_exception(each, capture_locals=True)
        said += [str(each), repr(each), repr(each.args), repr(vars(each)), *frames.format()]
        others = (each.__cause__, each.__context__, *vars(each).values())
        waiting += [other for other in others if isinstance(other, BaseException)]
    return "\n".join([*said, pickle.dumps(error).decode("latin-1")])


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault)) or "none")
def test_no_text_holds_a_token(pod: Pod, entra: Entra, kind: Flavour, log: io.StringIO, fault: dict[str, Any]) -> None:
    """Whatever happens, also where the server sends back what it was sent."""
    pod.federate()
    assertion = pod.write()
    access = f"{assertion.split('.')[0]}.{base64.urlsafe_b64encode(b'access token' * 20).decode()}.{'s' * 300}"
    echo = f'{{"access_token": "{access}", "error": "{assertion}", "error_description": "AADSTS1: {assertion}"}}'
    bodies = {200: f'{{"access_token": "{access}", "cut', 400: echo}
    if fault.get("body") is ECHO:
        fault = fault | {"body": bodies.get(fault.get("status", 200), f"<p>{assertion} {access}</p>").encode()}
    secrets = [*parts(assertion), *parts(access)]
    if not fault:
        with pod.credential(kind) as get:
            secrets += parts(get(SCOPE).token)
            said = ""
    else:
        entra.next("login", times=None, **fault)
        error = pod.fails(kind, bound=1)
        assert error.__cause__ is None
        assert error.__context__ is None
        said = told(error)
    logged = log.getvalue()
    assert "oauth2/v2.0/token" in logged  # the libraries did log
    for secret in secrets:
        assert secret not in said
        assert secret not in logged


@pytest.mark.parametrize(
    "content",
    ["{0}\n{0}", "{0}.{0}", "{0} {0}", "{0}\0", "{0}é", "x" * 65536 + "{0}", "Bearer {0}"],
    ids=["two", "five-parts", "blank", "nul", "binary", "large", "word"],
)
def test_a_token_inside_a_bad_file_stays_out_of_the_error(pod: Pod, kind: Flavour, content: str) -> None:
    """Services that collect errors also send the variables of the frames that the exception comes through."""
    assertion = pod.write()
    pod.token_file.write_text(content.format(assertion), encoding="utf-8")
    error = pod.fails(kind)
    assert isinstance(error, TokenFileError)
    said = told(error)
    for secret in parts(assertion):
        assert secret not in said


def test_an_infinite_number_in_a_claim_does_not_stop_the_sign_in(pod: Pod, kind: Flavour) -> None:
    """It is one in the token; Entra judges that, and here its end is not known."""
    pod.federate()
    pod.write(exp=10**400)
    error = pod.fails(kind)
    assert isinstance(error, ExchangeError)
    assert error.code == 50027


def test_bodies_are_not_logged_even_on_request(pod: Pod, log: io.StringIO) -> None:
    """azure-core's `logging_enable` logs bodies, and here they are tokens: it is not passed on."""
    pod.federate()
    assertion = pod.write()
    with WorkloadIdentityCredential(environ=pod.environ) as credential:
        access = credential.get_token(SCOPE, logging_enable=True).token
    for secret in (*parts(assertion), *parts(access)):
        assert secret not in log.getvalue()


def test_no_representation_has_a_token(pod: Pod, kind: Flavour) -> None:
    """Of the credential and of everything that it is made of."""
    pod.federate()
    assertion = pod.write()
    with pod.credential(kind) as get:
        access = get(SCOPE).token
        credential = get.__self__ if kind == "sync" else None  # type: ignore[attr-defined]
        said = repr(credential) + repr(pod.settings) + (repr(credential._home) if credential else "")
    for secret in (*parts(assertion), *parts(access)):
        assert secret not in said


def test_an_exception_holds_neither_request_nor_answer(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """`response` of azure-core's exceptions leads to the request, whose body is the token."""
    entra.next("login", code=700016)
    error = pod.fails(kind)
    assert error.response is None  # type: ignore[attr-defined]
    assert error.inner_exception is None  # type: ignore[attr-defined]
    assert not re.search(r"eyJ[\w-]{10,}", told(error))
