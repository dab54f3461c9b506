"""From the body of a call to its answer: everything between HTTP and the pure decision."""

import logging
import time
from typing import Final, NamedTuple

from webhook.accounts.source import AccountSource, LookupFailed
from webhook.core.decision import Decision, decide, decide_early
from webhook.core.policy import Policy
from webhook.core.response import respond
from webhook.core.review import BadReview, Request, parse

_log = logging.getLogger("webhook")

LOOKUP_FAILED: Final = Decision("error", "lookup-failed")
INTERNAL: Final = Decision("error", "internal")
BAD_REQUEST: Final = Decision("error", "bad-request")


class Answer(NamedTuple):
    """What to send back, and what to log of it.

    status: of HTTP; 200 goes with an AdmissionReview, any other with a line of text. retry_after: seconds, or None.
    uid, namespace, pod, account: of the request, "" if it could not be read. seconds_lookup: spent on the
    ServiceAccount.
    """

    status: int
    body: bytes
    decision: Decision
    retry_after: int | None = None
    uid: str = ""
    namespace: str = ""
    pod: str = ""
    account: str = ""
    dry_run: bool = False
    seconds_lookup: float = 0.0


class Reviewer:
    """Answers admission reviews by a policy and the ServiceAccounts of a source."""

    def __init__(self, accounts: AccountSource, policy: Policy) -> None:
        self._accounts = accounts
        self._policy = policy

    async def review(self, body: bytes | bytearray, *, timeout: float) -> Answer:
        """The answer to `body`, within about `timeout` seconds. Raises nothing: an error is an answer too.

            the user's mistake                       200, denied: kube-apiserver refuses, whatever the failurePolicy
            not an AdmissionReview about a new pod   400 \\
            the ServiceAccount cannot be read        503  } failurePolicy decides; after 503 kube-apiserver calls again
            our own mistake                          500 /
        """
        try:
            request = parse(body)
        except BadReview as error:
            return Answer(400, f"{error}\n".encode("ascii", "backslashreplace"), BAD_REQUEST)
        except Exception:
            # The body may hold anything, so the log says where it happened, without values.
            _log.exception("a review could not be read")
            return Answer(500, b"internal error: see the webhook's log\n", INTERNAL)
        try:
            return await self._decide(request, timeout)
        except LookupFailed as error:
            _log.warning("%s", error)
            return _answer(
                request, 503, b"the ServiceAccount could not be read: try again\n", LOOKUP_FAILED, retry_after=1
            )
        except Exception:
            _log.exception("review %s failed", ascii(request.uid))
            return _answer(request, 500, b"internal error: see the webhook's log\n", INTERNAL)

    async def _decide(self, request: Request, timeout: float) -> Answer:
        decision = decide_early(request, self._policy)
        seconds_lookup = 0.0
        if decision is None:
            start = time.perf_counter()
            account = await self._accounts.get(request.namespace, request.account_name, seconds=timeout)
            seconds_lookup = time.perf_counter() - start
            decision = decide(request, account, self._policy)
        return _answer(request, 200, respond(request.uid, decision), decision, seconds_lookup=seconds_lookup)


def _answer(
    request: Request,
    status: int,
    body: bytes,
    decision: Decision,
    *,
    retry_after: int | None = None,
    seconds_lookup: float = 0.0,
) -> Answer:
    return Answer(
        status,
        body,
        decision,
        retry_after=retry_after,
        uid=request.uid,
        namespace=request.namespace,
        pod=request.pod_name,
        account=request.account_name,
        dry_run=request.dry_run,
        seconds_lookup=seconds_lookup,
    )
