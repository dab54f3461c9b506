"""`Review`: the fakes of the server's tests, and the real reviewer."""

import asyncio

import pytest

from tests.core.support import Accounts, account, answered, body, pod
from tests.server.entry import FakeReviewer
from tests.server.test_application import Review as RecordingReview
from webhook.core.policy import Policy
from webhook.logs import Log
from webhook.metrics import OUTCOMES
from webhook.reviewer import Reviewer
from webhook.server.application import Review

SUBJECTS: dict[str, Review] = {
    "recording": RecordingReview(),
    "process": FakeReviewer(None, Log(write=lambda _: None)).review,  # type: ignore[arg-type]
    "real": Reviewer(Accounts(account()), Policy()).review,
    "real, from memory": Reviewer(Accounts(), Policy(), kept=lambda *_: account()).review,
}


@pytest.fixture(params=list(SUBJECTS.values()), ids=list(SUBJECTS))
def review(request: pytest.FixtureRequest) -> Review:
    found: Review = request.param
    return found


@pytest.mark.parametrize("kind", [bytes, bytearray])
async def test_a_review_has_an_answer_that_can_be_sent_counted_and_logged(
    review: Review, kind: type[bytes | bytearray]
) -> None:
    """The body may come as bytes or, in pieces, as a bytearray."""
    async with asyncio.timeout(60):
        answer = await answered(review(kind(body(pod())), timeout=4.5))
    assert answer.status == 200
    assert isinstance(answer.body, bytes)
    assert answer.decision.reason in OUTCOMES[answer.decision.outcome]
    assert answer.retry_after is None
    assert answer.seconds_lookup >= 0


@pytest.mark.parametrize("name", ["process", "real", "real, from memory"])
async def test_what_is_not_a_review_is_400_with_a_line(name: str) -> None:
    """Nothing is raised."""
    answer = await answered(SUBJECTS[name](b"[", timeout=4.5))
    assert answer.status == 400
    assert answer.body.endswith(b"\n")
    assert answer.body.count(b"\n") == 1
    assert (answer.decision.outcome, answer.decision.reason) == ("error", "bad-request")
