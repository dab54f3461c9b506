"""A pod that is created by dry run: how often, and what is said of the answer."""

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from tests.checks.support import ENTRY, NOW, SERVICE, USE
from webhook.checks.probe import Prober
from webhook.cluster.kube import Kube, Reply
from webhook.core.messages import calls

CALL = f'failed calling webhook "{ENTRY}": failed to call webhook: Post "https://x.y.svc:443/mutate": '
CUT_OFF = "use of closed network connection"
ALERT = "remote error: tls: unknown certificate authority"


class Answers(Kube):
    """An API server that answers with these words, one after the other, and then no more."""

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__()
        self.left = [Reply(500, orjson.dumps({"kind": "Status", "message": CALL + each})) for each in words]

    async def request(self, method: str, path: str, **_: Any) -> Reply:
        """The next answer to a dry run."""
        assert (method, path) == ("POST", "/api/v1/namespaces/shop/pods?dryRun=All")
        return self.left.pop(0)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ([CUT_OFF, ALERT], calls.CERTIFICATE_REFUSED),
        (["EOF", CUT_OFF, ALERT], calls.CERTIFICATE_REFUSED),
        ([CUT_OFF, "EOF", CUT_OFF], calls.CUT_OFF),
        (["connection refused"], calls.CONNECTION_REFUSED),
    ],
    ids=["told at the second call", "told at the third", "never told", "told at once"],
)
def test_a_call_that_was_cut_off_is_made_again(words: list[str], kind: object) -> None:
    """A server that refuses a client in TLS closes the connection, too, and Go tells either. Three calls are enough."""
    kube = Answers(words)
    prober = Prober(kube, "shop", {}, None, NOW, ("m365-workload-identity", SERVICE))
    done = asyncio.run(prober.call("terraform", labels={USE: "true"}))
    assert done.findings[0].message.kind == kind
    assert not kube.left
