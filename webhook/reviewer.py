"""From the body of a call to its answer: everything between HTTP and the pure decision."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, ParamSpec, Protocol, TypeVar

from webhook.accounts.source import AccountSource, LookupFailed
from webhook.core.decision import Decision, decide, decide_early
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.core.response import respond
from webhook.core.review import BadReview, Request, parse

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

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


class Apart(Protocol):
    """Calls something elsewhere than on the event loop."""

    def __call__(
        self, work: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Awaitable[Result]:
        """What `work` returns, or raises."""


def _nothing_kept(namespace: str, name: str) -> Account | None:
    return None


class Reviewer:
    """Answers admission reviews by a policy and the ServiceAccounts of a source.

    kept: finds a ServiceAccount of which the source need not be asked, by namespace and name.
    """

    def __init__(
        self,
        accounts: AccountSource,
        policy: Policy,
        *,
        kept: Callable[[str, str], Account | None] = _nothing_kept,
    ) -> None:
        self._accounts = accounts
        self._policy = policy
        self._kept = kept

    def review(self, body: bytes | bytearray, *, timeout: float) -> Answer | Awaitable[Answer]:
        """The answer to `body`, or what to await for it, about `timeout` seconds, if the source must be asked.

        Raises nothing, and nor does what is awaited: an error is an answer too.

            the user's mistake                       200, denied: kube-apiserver refuses, whatever the failurePolicy
            not an AdmissionReview about a new pod   400 \\
            the ServiceAccount cannot be read        503  } failurePolicy decides; after 503 kube-apiserver calls again
            our own mistake                          500 /
        """
        read = self._read(body)
        if isinstance(read, Answer):
            return read
        account = self._kept(read.namespace, read.account_name)
        return self._look_up(read, timeout) if account is None else self._decided(read, account)

    async def review_apart(self, body: bytes | bytearray, *, timeout: float, apart: Apart) -> Answer:
        """The same for a large body: what takes long is done by `apart`, and only the look-up here."""
        start = time.perf_counter()
        read = await apart(self._read, body)
        if isinstance(read, Answer):
            return read
        account, seconds_lookup = self._kept(read.namespace, read.account_name), 0.0
        if account is None:
            looked_up = await self._found(read, max(timeout - (time.perf_counter() - start), 0.001))
            if isinstance(looked_up, Answer):
                return looked_up
            account, seconds_lookup = looked_up
        return await apart(self._decided, read, account, seconds_lookup)

    def _read(self, body: bytes | bytearray) -> Request | Answer:
        """The request, or the answer if it depends on nothing else."""
        try:
            request = parse(body)
        except BadReview as error:
            return Answer(400, f"{error}\n".encode("ascii", "backslashreplace"), BAD_REQUEST)
        except Exception:
            # The body may hold anything, so the log says where it happened, without values.
            _log.exception("a review could not be read")
            return Answer(500, b"internal error: see the webhook's log\n", INTERNAL)
        try:
            decision = decide_early(request, self._policy)
            return request if decision is None else _answered(request, decision)
        except Exception:
            return _internal_error(request)

    async def _look_up(self, request: Request, timeout: float) -> Answer:
        looked_up = await self._found(request, timeout)
        return looked_up if isinstance(looked_up, Answer) else self._decided(request, *looked_up)

    async def _found(self, request: Request, timeout: float) -> tuple[Account | None, float] | Answer:
        """The pod's ServiceAccount, and how many seconds the look-up took; or the answer if it has failed."""
        start = time.perf_counter()
        try:
            account = await self._accounts.get(request.namespace, request.account_name, seconds=timeout)
        except LookupFailed as error:
            _log.warning("%s", error)
            return _answer(
                request, 503, b"the ServiceAccount could not be read: try again\n", LOOKUP_FAILED, retry_after=1
            )
        except Exception:
            return _internal_error(request)
        return account, time.perf_counter() - start

    def _decided(self, request: Request, account: Account | None, seconds_lookup: float = 0.0) -> Answer:
        try:
            return _answered(request, decide(request, account, self._policy), seconds_lookup)
        except Exception:
            return _internal_error(request)


def _answered(request: Request, decision: Decision, seconds_lookup: float = 0.0) -> Answer:
    return _answer(request, 200, respond(request.uid, decision), decision, seconds_lookup=seconds_lookup)


def _internal_error(request: Request) -> Answer:
    """Called with the error that is being handled."""
    _log.exception("review %s failed", ascii(request.uid))
    return _answer(request, 500, b"internal error: see the webhook's log\n", INTERNAL)


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
        retry_after,
        request.uid,
        request.namespace,
        request.pod_name,
        request.account_name,
        request.dry_run,
        seconds_lookup,
    )
