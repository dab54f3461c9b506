"""Short ways to lint a text, and to say what was found."""

import io
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


def codes(report: Report) -> list[str]:
    """The codes, sorted."""
    return sorted(each.message.code for each in report.findings)


def account(annotations: str, *, name: str = "web", labels: str = "{}") -> str:
    """A ServiceAccount as YAML: annotations on line 6."""
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
    *, labels: str = LABEL, annotations: str = "{}", container: str = "{name: app, image: busybox}", spec: str = "{}"
) -> str:
    """A pod of the ServiceAccount `web` as YAML: labels on line 6, annotations 7, container 10."""
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\n  namespace: shop\n  labels: {labels}\n"
        f"  annotations: {annotations}\nspec:\n  containers:\n    - {container}\n  serviceAccountName: web\n"
        f"  <<: {spec}\n---\n"
    )


def deployment(*, labels: str = "{}", annotations: str = "{}", template: str = LABEL, selector: str = "{}") -> str:
    """A Deployment of the ServiceAccount `web` as YAML: labels on line 6, annotations 7, selector 9, template 12."""
    return (
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app\n  namespace: shop\n  labels: {labels}\n"
        f"  annotations: {annotations}\nspec:\n  selector: {{matchLabels: {selector}}}\n  template:\n    metadata:\n"
        f"      labels: {template}\n    spec:\n      serviceAccountName: web\n      containers: [{{name: app}}]\n---\n"
    )
