"""Graph's directory: the emulator, and with `--graph real` Microsoft's own, in a tenant for tests.

The real one takes minutes, because what is made is not known everywhere at once: what is not found is asked for again.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import requests

from testbed.entra import running
from tests.contracts.graph_cases import Case, cases, contains, filled

CASES = list(cases())
NEEDED = ("Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All")
UNKNOWN = "99999999-9999-4999-8999-999999999999"
PATIENCE = 60.0  # seconds


class Site:
    """One Graph, with a caller who has the roles in NEEDED. patience: seconds until what was made is known."""

    def __init__(self, root: str, session: requests.Session, token: str, patience: float) -> None:
        self._root = root
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"}
        self._patience = patience

    def ask(self, step: Mapping[str, Any], values: Mapping[str, Any]) -> requests.Response:
        """The answer to a step; a 404 that is not expected is asked for again for a while."""
        method, _, path = str(filled(step["ask"], values)).partition(" ")
        url = path if path.startswith("https:") else self._root + path
        body = filled(step["body"], values) if "body" in step else None
        if "changes" in step:
            body = {**(body or {}), **filled(step["changes"], values)}
        ends = time.monotonic() + self._patience
        while True:
            kind = {"Content-Type": "application/json"} if "text" in step else {}
            headers = {**self._headers, **kind, **step.get("headers", {})}
            answer = self._session.request(method, url, json=body, data=step.get("text"), headers=headers, timeout=30)
            is_early = answer.status_code in (404, 429, 503) and step["status"] != answer.status_code
            if not is_early or time.monotonic() > ends:
                return answer
            time.sleep(float(answer.headers.get("Retry-After", 2)))


def emulator() -> Iterator[Site]:
    with running() as entra, requests.Session() as session:
        session.trust_env = False
        session.verify = str(entra.ca_file)
        caller = entra.application(name="contract", roles=NEEDED)
        yield Site(f"{entra.graph}/v1.0", session, entra.token(caller), 0)


def real() -> Iterator[Site]:
    names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
    if missing := [name for name in names if not os.environ.get(name)]:
        pytest.fail(f"--graph real needs {', '.join(missing)}", pytrace=False)
    tenant, client, secret = (os.environ[name] for name in names)
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    scope = {"scope": "https://graph.microsoft.com/.default"}
    with requests.Session() as session:
        login = f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
        answer = session.post(login, data=form | scope, timeout=30)
        assert answer.ok, answer.json()["error_description"]
        yield Site("https://graph.microsoft.com/v1.0", session, answer.json()["access_token"], PATIENCE)


SITES: Mapping[str, Callable[[], Iterator[Site]]] = {"emulator": emulator, "real": real}


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    yield from SITES[request.config.getoption("--graph", "emulator")]()


@pytest.fixture
def values(site: Site) -> Iterator[dict[str, Any]]:
    """What the braces of a case name, with an application that goes when the case ends."""
    run = f"m365wi-{uuid.uuid4().hex[:12]}"
    made = site.ask({"ask": "POST /applications", "body": {"displayName": run}, "status": 201}, {})
    assert made.status_code == 201, made.text
    known = {f"app.{name}": made.json()[name] for name in ("id", "appId", "displayName")}
    site.ask({"ask": "GET /applications/{app.id}", "status": 200}, known)
    yield {**known, "run": run, "unknown": UNKNOWN}
    for path in ("applications", "directory/deletedItems"):
        site.ask({"ask": f"DELETE /{path}/{{app.id}}", "status": 404}, known)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_graph_answers_each_step_of_a_case_as_it_says(case: Case, site: Site, values: dict[str, Any]) -> None:
    """Each step of the case is answered as it says."""
    values |= case.values
    for step in case.steps:
        for number in range(1, step.get("repeat", 1) + 1):
            answer = site.ask(step, {**values, "n": str(number)})
            problem = _problem(step, values, answer)
            assert not problem, f"{step['ask']}: {problem} ({case.source}): {answer.status_code} {answer.text}"
        for name, member in step.get("keep", {}).items():
            values[name] = answer.json()[member]


def _problem(step: Mapping[str, Any], values: Mapping[str, Any], answer: requests.Response) -> str:
    """What is not as the step says, or ""."""
    if answer.status_code != step["status"]:
        return "status"
    document = answer.json() if answer.content else {}
    error = document.get("error", {})
    if step["status"] >= 400 and not {"code", "message", "innerError"} <= set(error):
        return "not an error of Graph"
    if step.get("code", error.get("code")) != error.get("code"):
        return "code"
    if str(filled(step.get("message", ""), values)) not in error.get("message", ""):
        return "message"
    if "detail" in step and step["detail"] not in [each["code"] for each in error.get("details", ())]:
        return "details"
    if not contains(document, filled(step.get("answer", {}), values)):
        return "answer"
    if "exactly" in step and {k: v for k, v in document.items() if k[0] != "@"} != filled(step["exactly"], values):
        return "document"
    missing = [name for name in step.get("has", ()) if not document.get(name)]
    return f"without {', '.join(missing)}" if missing else ""


def test_the_cases_say_where_they_come_from() -> None:
    """Most is documented or reported; what is assumed stays little."""
    assumed = [case.name for case in CASES if case.source.startswith("assumed")]
    assert len(assumed) <= 4, assumed
