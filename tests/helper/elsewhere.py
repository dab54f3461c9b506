"""A credential in a process of another interpreter, with other versions of what it depends on.

`python -m tests.helper.elsewhere` is that process. It reads which credential to make, then calls, and answers each with
a token or an exception: all of them pickled, since tokens, options and exceptions are plain data.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessTokenInfo, TokenRequestOptions

from m365_identity import WorkloadIdentityCredential, aio

ROOT = Path(__file__).parents[2]


class _Remote:
    """Calls in the other process. The same token is the same object each time, as it is in one process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._known: dict[str, AccessTokenInfo] = {}

    def __call__(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((scopes, options), self._process.stdin)
        self._process.stdin.flush()
        answer = pickle.load(self._process.stdout)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, AccessTokenInfo)
        return self._known.setdefault(answer.token, answer)


@contextlib.contextmanager
def credential(python: Path, kind: str, options: dict[str, Any]) -> Iterator[_Remote]:
    """`get_token_info` of a credential in `python`, which is closed, and whose process has ended, afterwards."""
    command = [str(python), "-m", "tests.helper.elsewhere"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        pickle.dump((kind, options), process.stdin)
        try:
            yield _Remote(process)
        finally:
            process.stdin.close()
            assert process.wait(30) == 0


def main() -> None:
    """The other process: until its standard input ends."""
    kind, options = pickle.load(sys.stdin.buffer)
    if kind == "sync":
        with WorkloadIdentityCredential(**options) as credential:
            _serve(credential.get_token_info)
        return
    waiting = aio.WorkloadIdentityCredential(**options)
    with asyncio.Runner() as runner:
        _serve(lambda *scopes, options: runner.run(waiting.get_token_info(*scopes, options=options)))
        runner.run(waiting.close())


def _serve(get: Callable[..., AccessTokenInfo]) -> None:
    while True:
        try:
            scopes, options = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer: AccessTokenInfo | Exception = get(*scopes, options=options)
        except Exception as error:  # noqa: BLE001  # raised again in the process that asked
            answer = error
        pickle.dump(answer, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
