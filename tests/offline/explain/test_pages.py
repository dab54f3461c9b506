"""The page of `explain`: what it answers, its headers, its bounds. The real browser is in tests/browser."""

import html
import re
import time

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import encode_multipart

from tests.core import cases
from tests.offline.mutating import ACCOUNT, pod
from webhook.core.messages import TABLE
from webhook.core.policy import Policy
from webhook.offline.explain.pages import EXAMPLE, LIMITS, create_explain
from webhook.offline.explain.rules import RULES

GOOD = yaml.safe_dump_all([ACCOUNT, pod()])


@pytest.fixture
def client() -> FlaskClient:
    application = Flask("test", static_folder=None)
    application.register_blueprint(create_explain(Policy(cloud="dod", tenant_id=cases.TENANT), largest=64 * 1024))
    return application.test_client()


def posted(client: FlaskClient, text: str, **form: str) -> tuple[int, str]:
    boundary, body = encode_multipart({"manifests": text, **form})
    answer = client.post("/explain", data=body, content_type=f"multipart/form-data; boundary={boundary}")
    return answer.status_code, answer.text


def test_the_form_begins_with_an_example_that_works(client: FlaskClient) -> None:
    """And with the webhook's own settings."""
    page = client.get("/explain").text
    assert html.escape(EXAMPLE) in page.replace("&#34;", "&quot;")
    assert "<option selected>dod</option>" in page
    assert f'value="{cases.TENANT}"' in page
    status, answer = posted(client, EXAMPLE)
    assert (status, "injected" in answer) == (200, True)


def test_the_settings_of_the_form_decide(client: FlaskClient) -> None:
    """Instead of the webhook's."""
    _, page = posted(client, GOOD, cloud="china")
    assert "api://AzureADTokenExchangeChina" in page
    _, page = posted(client, yaml.safe_dump({**pod(), "metadata": {"name": "p"}}), namespace="elsewhere")
    assert "elsewhere/p" in page


def test_wrong_settings_are_told_together_and_the_text_stays(client: FlaskClient) -> None:
    """Nothing of what somebody pasted is lost."""
    wrong = {"scope": "all", "cloud": "moon", "tenant": "a b", "namespace": "No"}
    status, page = posted(client, GOOD, **wrong)
    assert status == 422
    assert 'role="alert"' in page
    for name in ("scope", "cloud", "tenant id", "namespace"):
        assert re.search(rf"{name} is &#34;", page), name
    assert "serviceAccountName: terraform" in page


@pytest.mark.parametrize("script", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</textarea><b>"])
def test_what_is_pasted_is_only_text(client: FlaskClient, script: str) -> None:
    """In the text, in names, in values, in messages."""
    made = pod(script, annotations={"m365.workload.identity/cloud": script, script: script})
    made["spec"] = {
        **made["spec"],
        "containers": [{"name": script, "image": "i", "env": [{"name": "M365_CLOUD", "value": script}]}],
    }
    for text in (
        script,
        f"a: b\n\t{script}",
        yaml.safe_dump_all([ACCOUNT, made]),
        GOOD.replace("terraform", "t") + f"# {script}",
    ):
        _, page = posted(client, text, namespace=script, tenant=script)
        assert script not in page
        _, page = posted(client, text)
        assert script not in page


def test_every_page_is_locked_down(client: FlaskClient) -> None:
    """Nothing from elsewhere, nothing inline, nothing kept, no frame."""
    answers = [client.get("/explain"), client.get("/explain/rules"), client.post("/explain", data={"manifests": GOOD})]
    with client.get("/explain/static/style.css") as style:
        assert style.status_code == 200
    for answer in (*answers, style):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
        assert "unsafe" not in policy
        assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for answer in answers:
        assert not re.search(r"<style|style=|\son\w+=|<script>|https?://(?!127)[^\s]*\.js", answer.text)


def test_a_text_that_is_too_large_is_refused(client: FlaskClient) -> None:
    """With a sentence: as a form that is read, and as a request that is not."""
    status, page = posted(client, "a: b\n" * 13_500)
    assert (status, "64 KiB" in page) == (422, True)
    status, page = posted(client, "x" * 3_000_000)
    assert (status, "64 KiB" in page) == (413, True)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        '{"a":' * 12_000,
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)),
        "- " * 30_000,
        "--- a\n" * 10_900,
    ],
    ids=["deep YAML", "deep JSON", "aliases", "dashes", "documents"],
)
def test_hostile_texts_are_answered(client: FlaskClient, text: str) -> None:
    """With what is wrong, in a moment."""
    began = time.process_time()
    status, page = posted(client, text)
    assert (status, 'role="alert"' in page) == (422, True)
    assert time.process_time() - began < 5  # it takes 0.1 s


def test_what_is_shown_is_bounded(client: FlaskClient) -> None:
    """And the page says how much is left out."""
    many = LIMITS["objects"] + 3
    pods = "---\n".join(
        f"{{apiVersion: v1, kind: Pod, metadata: {{name: p{i}}}, spec: {{containers: [{{name: c}}]}}}}\n"
        for i in range(many)
    )
    status, page = posted(client, pods)
    assert (status, page.count("<article"), "3 more objects not shown" in page) == (200, LIMITS["objects"], True)


def test_the_page_of_rules_has_every_rule_and_message(client: FlaskClient) -> None:
    """So that each link of an explanation ends somewhere."""
    page = client.get("/explain/rules").text
    assert {*re.findall(r'<section id="([^"]+)"', page)} == {*RULES, *TABLE}
    _, explained = posted(
        client, yaml.safe_dump_all([ACCOUNT, pod(annotations={"azure.workload.identity/skip-containers": "x"})])
    )
    for anchor in re.findall(r'/explain/rules#([^"]+)"', explained):
        assert f'id="{anchor}"' in page


def test_a_pod_of_forty_containers_is_answered(client: FlaskClient) -> None:
    """Each of them is there, folded."""
    made = pod()
    made["spec"] = {**made["spec"], "containers": [{"name": f"c{i}", "image": "i"} for i in range(40)]}
    status, page = posted(client, yaml.safe_dump_all([ACCOUNT, made]))
    assert (status, page.count("<details>")) == (200, 40)
