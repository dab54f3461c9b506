"""Runs `m365wi mutate` in this process, with files that the test writes; and some objects."""

import io
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml

from tests.core import cases
from webhook.commands import main
from webhook.core.decision import decide
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.core.review import Request

CLIENT = "azure.workload.identity/client-id"


USE = "azure.workload.identity/use"


ACCOUNT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {
        "name": "terraform",
        "namespace": "shop",
        "annotations": {CLIENT: cases.CLIENT, "azure.workload.identity/tenant-id": cases.TENANT},
    },
}


TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {USE: "true"}},
    "spec": {"serviceAccountName": "terraform", "containers": [{"name": "app", "image": "busybox"}]},
}


@dataclass(frozen=True)
class Ran:
    """How the command ended and what it wrote."""

    code: int
    out: str
    err: list[str]

    @property
    def documents(self) -> list[Any]:
        """Standard output as YAML."""
        return [*yaml.safe_load_all(self.out)]


Mutate = Callable[..., Ran]


@pytest.fixture
def mutate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Mutate:
    """Runs the command, in a folder of its own with `files` in it: by name, as text, bytes or objects."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("M365WI_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)

    def run(*arguments: str, stdin: str | bytes = b"", **files: Any) -> Ran:
        for name, content in files.items():
            write(tmp_path / f"{name}.yaml", content)
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        flags = [flag for name in files for flag in ("-f", f"{name}.yaml")]
        code = main(["mutate", *flags, *arguments])
        out, err = capfdbinary.readouterr()
        return Ran(code, out.decode(), err.decode().splitlines())

    return run


def write(file: Path, content: Any) -> None:
    """`content` as it is, or as YAML if it is not text; a list of objects becomes documents."""
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif isinstance(content, str):
        file.write_bytes(content.encode())
    else:
        file.write_text(yaml.safe_dump_all(content if isinstance(content, list) else [content], sort_keys=False))


def pod(name: str = "p", **metadata: Any) -> dict[str, Any]:
    """A labelled pod in namespace shop."""
    metadata = {"name": name, "namespace": "shop", **TEMPLATE["metadata"], **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": TEMPLATE["spec"]}


def workload(version: str, kind: str, *steps: str) -> dict[str, Any]:
    """An object with the template at `steps`."""
    value: Any = TEMPLATE
    for step in reversed(steps):
        value = {step: value}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "w", "namespace": "shop"}, **value}


def expected(template: Mapping[str, Any]) -> Any:
    """A pod or a template after the webhook's own decision, applied by another library."""
    request = Request(uid="", namespace="shop", pod=template)
    account = Account("shop", "terraform", ACCOUNT["metadata"]["annotations"])
    operations = decide(request, account, Policy()).operations
    assert operations
    return jsonpatch.apply_patch(template, [*operations])
