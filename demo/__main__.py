"""`make demo`: the guide's pod before and after, then three wrong set-ups with the messages that their users get."""

import argparse
import base64
import difflib
import json
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonpatch
import yaml

from demo.sent import Sent
from demo.server import Running, running

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples" / "terraform"
GUIDE = (EXAMPLES / "service-account.yaml", EXAMPLES / "pod.yaml")
WRONG = HERE / "wrong.yaml"

_COLOURS = {"+": "\033[32m", "-": "\033[31m", "@": "\033[36m"}


def main() -> int:
    """Shows all pods; the exit code is 1 if one of them is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--cluster", action="store_true", help="through a real control plane, which the first run builds"
    )
    flags = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="m365wi-demo-")))
        if flags.cluster:
            from demo.cluster import ClusterDemo  # imported here, since the other demo needs no test cluster

            demo = stack.enter_context(ClusterDemo.started(folder))
            send = demo.create
            demo.apply([document for file in (*GUIDE, WRONG) for document in documents(file) if not is_pod(document)])
        else:
            accounts = folder / "accounts"
            accounts.mkdir()
            for file in (*EXAMPLES.glob("*.yaml"), WRONG):
                (accounts / file.name).write_text(file.read_text())
            webhook = stack.enter_context(running(folder, ["--accounts", str(accounts)]))
            print(f"The webhook runs as process {webhook.pid}, at {webhook.url}, with its own certificate.\n")

            def send(pod: Mapping[str, Any]) -> Sent:
                return post(webhook, pod)

        good = [show_injected(pod, send(pod)) for pod in pods(GUIDE)]
        good += [show_refused(pod, send(pod)) for pod in pods([WRONG])]
    return 0 if all(good) else 1


def documents(file: Path) -> Iterator[dict[str, Any]]:
    """The objects in a YAML file."""
    for document in yaml.safe_load_all(file.read_text()):
        if document:
            yield document


def is_pod(document: Mapping[str, Any]) -> bool:
    """Whether this is a Pod."""
    return bool(document["kind"] == "Pod")


def pods(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The pods in some YAML files."""
    return (document for file in files for document in documents(file) if is_pod(document))


def post(webhook: Running, pod: Mapping[str, Any]) -> Sent:
    """Sends `pod` to the webhook as kube-apiserver does; returns the pod with the patch applied."""
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": str(uuid.uuid4()),
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": pod["metadata"].get("name", ""),
            "namespace": pod["metadata"]["namespace"],
            "operation": "CREATE",
            "userInfo": {"username": "demo"},
            "object": pod,
            "oldObject": None,
            "dryRun": False,
        },
    }
    status, body = webhook.post(json.dumps(review).encode())
    if status != 200:
        raise RuntimeError(f"HTTP {status}: {body!r}")
    response = json.loads(body)["response"]
    said = [f"Warning: {warning}" for warning in response.get("warnings", ())]
    if not response["allowed"]:
        return Sent(None, [*said, f"Error: {response['status']['message']}"])
    patch = json.loads(base64.b64decode(response.get("patch", "W10=")))
    return Sent(jsonpatch.apply_patch(pod, patch), said)


def show_injected(pod: Mapping[str, Any], sent: Sent) -> bool:
    """Prints what was added to the pod; returns whether anything was."""
    heading(f"Pod {pod['metadata']['name']}, as its author wrote it and as kube-apiserver creates it")
    print(difference(pod, sent.pod or {}))
    for line in sent.said:
        print(line)
    return sent.pod is not None and sent.pod != pod


def show_refused(pod: Mapping[str, Any], sent: Sent) -> bool:
    """Prints the messages that the user gets; returns whether there are any."""
    heading(f"Pod {pod['metadata']['name']}")
    for line in sent.said:
        print(line)
    print("The pod is refused." if sent.pod is None else "The pod is created.")
    return bool(sent.said)


def heading(text: str) -> None:
    """A line that stands out."""
    print("\n" + (f"\033[1m{text}\033[0m" if in_colour() else text))


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """A unified diff of two objects as YAML, in colour on a terminal."""
    lines = difflib.unified_diff(as_yaml(before), as_yaml(after), "before", "after", n=2, lineterm="")
    if not in_colour():
        return "\n".join(lines)
    return "\n".join(f"{_COLOURS[line[0]]}{line}\033[0m" if line[:1] in _COLOURS else line for line in lines)


def as_yaml(document: Mapping[str, Any]) -> list[str]:
    """`document` as lines of YAML."""
    return str(yaml.safe_dump(document, sort_keys=False)).splitlines()


def in_colour() -> bool:
    """Whether the output goes to a terminal, and NO_COLOR is not set."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


if __name__ == "__main__":
    sys.exit(main())
