"""A pod as the webhook leaves it, and `m365-identity` as processes in it."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.entra import Application, Entra
from testbed.entra.directory import TENANT_ID

__all__ = ["COMMAND", "SUBJECT", "Commands", "Done", "Pod", "Process"]

COMMAND = (sys.executable, "-W", "error", "-m", "m365_identity")
SUBJECT = "system:serviceaccount:shop:terraform"
PATIENCE = 60.0  # seconds for anything that should take one


class Pod:
    """A pod of ServiceAccount shop/terraform with a token in its file, and its application in Entra."""

    def __init__(self, entra: Entra, folder: Path, *, tenant_id: str = TENANT_ID) -> None:
        self.entra = entra
        self.application: Application = entra.application(tenant_id=tenant_id, roles=["Organization.Read.All"])
        self.token_file = folder / "azure-identity-token"
        self.token_file.write_text(entra.issuer.token(subject=SUBJECT))
        self.environ = entra.environment(self.application, token_file=self.token_file)
        self.environ["M365_GRAPH_HOST"] = entra.graph

    def federate(self, *, delay: float = 0.0) -> None:
        """Makes the federated credential that fits, which Entra sees after `delay` seconds of its clock."""
        self.application.federate(issuer=self.entra.issuer.url, subject=SUBJECT, delay=delay)


@dataclass(frozen=True)
class Done:
    """A process that has ended. code: negative for the signal that ended it."""

    code: int
    out: str
    err: str


class Process:
    """A running process, whose standard error can be waited for line by line."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        self.popen = subprocess.Popen(
            list(arguments),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.popen.pid

    def _read(self) -> None:
        assert self.popen.stderr
        for line in self.popen.stderr:
            self._said.append(line)
            self._lines.put(line)
        self._lines.put("")

    def line_with(self, text: str) -> str:
        """The next line of standard error that contains `text`."""
        while line := self._lines.get(timeout=PATIENCE):
            if text in line:
                return line.rstrip("\n")
        raise AssertionError(f"it ended without saying {text!r}, but: {''.join(self._said)}")

    def wait(self) -> Done:
        """Waits for its end."""
        assert self.popen.stdout
        out = self.popen.stdout.read()
        code = self.popen.wait(PATIENCE)
        self._reader.join(PATIENCE)
        err = "".join(self._said)
        assert "eyJ" not in err, "a token, or part of one, on standard error"
        return Done(code, out, err)

    def close(self) -> None:
        """Kills it if it still runs."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        self._reader.join(PATIENCE)
        for stream in (self.popen.stdout, self.popen.stderr):
            if stream:
                stream.close()


class Commands:
    """Runs commands in a pod. `environ` is theirs, and a test may change it."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **pod.environ}
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.close()

    def spawn(self, *command: str) -> Process:
        """Any program in that pod."""
        process = Process(command, self.environ)
        self._processes.append(process)
        return process

    def start(self, *arguments: str, before: Sequence[str] = ()) -> Process:
        """`m365-identity ARGUMENTS`, run by the program `before` if one is given."""
        return self.spawn(*before, *COMMAND, *arguments)

    def run(self, *arguments: str) -> Done:
        """The same, to its end."""
        return self.start(*arguments).wait()
