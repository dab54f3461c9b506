"""What a client without credentials reads of another's ServiceAccount at the webhook's port."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.server import running
from tests.core.cases import USUAL_ANNOTATIONS
from tests.core.support import body, pod
from webhook.core import names

pytestmark = pytest.mark.slow

SECRET = "abc8Q~QNnHcUxTvPKGWGrCmB9hd3s1k7yYvOLcRz"
KEYS = (
    names.CLIENT_ID,
    names.AZURE_CLIENT_ID,
    names.TENANT_ID,
    names.AZURE_TENANT_ID,
    names.CLOUD,
    names.AUTH_METHOD,
    names.ENV,
    names.TOKEN_EXPIRATION,
    "example.com/anything",
)


def test_no_answer_and_no_log_line_has_a_secret_that_was_pasted(tmp_path: Path) -> None:
    """In whichever annotation it stands, alone or in a sentence."""
    texts = [(key, text) for key in KEYS for text in (SECRET, f"the secret: {SECRET}")]
    accounts = tmp_path / "accounts.json"
    documents = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"namespace": "hr", "name": f"a{number}", "annotations": {**USUAL_ANNOTATIONS, key: text}},
        }
        for number, (key, text) in enumerate(texts)
    ]
    accounts.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
    with running(tmp_path, ["--accounts", str(accounts)]) as webhook:
        for number, (key, _) in enumerate(texts):
            status, answer = webhook.post(body(pod(serviceAccountName=f"a{number}"), namespace="hr"))
            assert status == 200
            assert (b'"allowed":false' in answer) is (key in KEYS[:-1])
            assert SECRET[4:9].encode() not in answer
            assert SECRET[-5:].encode() not in answer
        log = webhook.log.read_text()
    assert log.count("invalid-annotation") >= len(texts) - 2, "each refusal is logged"
    assert SECRET[4:9] not in log
    assert SECRET[-5:] not in log
