"""Short ways to lint a text, and to say what was found."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

from webhook.core.policy import Policy
from webhook.offline.lint.ignores import Ignore
from webhook.offline.lint.linting import Report, lint
from webhook.offline.lint.reading import Reading, read

SEEDED = Path(__file__).parent / "seeded"


def reading(text: str | bytes, *, name: str = "app.yaml", namespace: str = "") -> Reading:
    """`text` as it is read from standard input."""
    data = text.encode() if isinstance(text, str) else text
    return read(["-"], namespace=namespace, stdin=io.BytesIO(data), stdin_name=name)


def linted(
    text: str | bytes,
    policy: Policy = Policy(),
    *,
    name: str = "app.yaml",
    namespace: str = "",
    ignores: Sequence[Ignore] = (),
) -> Report:
    """What is found in `text`."""
    found = reading(text, name=name, namespace=namespace)
    assert found.problems == ()
    return lint(found, policy, ignores)


def lines(report: Report) -> list[str]:
    """Each finding as `LINE:COLUMN CODE`."""
    return [f"{each.line}:{each.column} {each.message.code}" for each in report.findings]


def marked(text: str) -> tuple[str, list[str]]:
    """`text` without its marks, and what they say is found: `@WI120@` stands right before the place of a finding."""
    found = []
    parts = re.split(r"@(WI\d+)@", text)
    plain = parts[0]
    for code, after in zip(parts[1::2], parts[2::2], strict=True):
        found.append(f"{plain.count(chr(10)) + 1}:{len(plain) - plain.rfind(chr(10))} {code}")
        plain += after
    return plain, found


def codes(report: Report) -> list[str]:
    """The codes, sorted."""
    return sorted(each.message.code for each in report.findings)


def account(annotations: str, *, name: str = "web", labels: str = "{}") -> str:
    """A ServiceAccount as YAML."""
    return (
        f"apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n  namespace: shop\n"
        f"  annotations: {annotations}\n  labels: {labels}\n---\n"
    )


USUAL = (
    "{azure.workload.identity/client-id: 11111111-1111-4111-8111-111111111111, "
    "azure.workload.identity/tenant-id: 22222222-2222-4222-8222-222222222222}"
)
ACCOUNT = account(USUAL)
LABEL = '{azure.workload.identity/use: "true"}'


def pod(
    *, labels: str = LABEL, annotations: str = "{}", container: str = "{name: app, image: busybox}", spec: str = ""
) -> str:
    """A pod of the ServiceAccount `web` as YAML. spec: more lines of it."""
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\n  namespace: shop\n  labels: {labels}\n"
        f"  annotations: {annotations}\nspec:\n  containers:\n    - {container}\n  serviceAccountName: web\n"
        f"{spec}---\n"
    )


def deployment(*, labels: str = "{}", annotations: str = "{}", template: str = LABEL, selector: str = "{}") -> str:
    """A Deployment of the ServiceAccount `web` as YAML."""
    return (
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app\n  namespace: shop\n  labels: {labels}\n"
        f"  annotations: {annotations}\nspec:\n  selector: {{matchLabels: {selector}}}\n  template:\n    metadata:\n"
        f"      labels: {template}\n    spec:\n      serviceAccountName: web\n      containers: [{{name: app}}]\n---\n"
    )
