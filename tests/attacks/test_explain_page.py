"""Costly texts for the page of `explain`, which takes a thread of the process that reviews."""

from typing import Final

import pytest
from werkzeug.test import encode_multipart

from tests.attacks.beside import MEMORY, SLOWEST_SECONDS, TRIES, Seen, Webhook, assert_readable, seen_beside
from tests.attacks.on_connections import answers, connected

pytestmark = pytest.mark.slow

_POD: Final = "--- {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a}]}}\n"
TEXTS: Final = {
    "many pods": _POD * 760,
    "many members": "{" + ",".join(f"a{number}: {{}}" for number in range(5500)) + "}",
    "many containers": "apiVersion: v1\nkind: Pod\nmetadata: {labels: {azure.workload.identity/use: 'true'}}\n"
    f"spec: {{containers: [{','.join(f'{{name: c{number}}}' for number in range(990))}]}}\n",
}


def flood(webhook: Webhook, text: str) -> None:
    """Three at once; what is not answered in time ends with its connection."""
    boundary, body = encode_multipart({"manifests": text})
    head = f"POST /explain HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary={boundary}\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    with connected(webhook.ops_port, 3, request) as clients:
        assert set(answers(clients)) <= {200, 422}


@pytest.mark.parametrize("text", TEXTS)
def test_reviews_go_on_beside_costly_explanations(explaining: Webhook, text: str) -> None:
    """The criterion of every attack, for one repetition: each takes seconds, because the thread rests."""
    seen: list[Seen] = []
    for _ in range(TRIES):
        seen.append(seen_beside(explaining, lambda: flood(explaining, TEXTS[text])))
        assert seen[-1].failures == []
        if seen[-1].p99 <= SLOWEST_SECONDS:
            break
    assert seen[-1].p99 <= SLOWEST_SECONDS, seen
    assert explaining.memory("VmHWM") <= MEMORY
    assert_readable(explaining.text, 60)
