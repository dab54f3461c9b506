"""The table of messages: each warning, problem, hint and finding of the webhook and its commands has a row.

    WI1xx  annotations.py   annotations of ServiceAccounts and pods, and the identity that they make
    WI2xx  pods.py          token volumes, mounts, variables and containers of a pod; why a pod is left alone
    WI3xx  reviews.py       the body of an AdmissionReview, and the shape of the pod in it
    WI4xx  manifests.py     files given to `mutate` and `--accounts`: YAML, objects, labels in the wrong place
           lint.py          what only `lint` finds in them
    WI5xx  settings.py      settings and flags
           kubeconfigs.py   a kubeconfig, and signing in to the cluster with it
    WI6xx  checks.py        what `check` finds about the webhook configuration
           calls.py         what comes of kube-apiserver's call of the webhook
           pod_refusals.py  why a pod is refused for another reason
           prerequisites.py  what `check --pre` finds before the webhook is installed
    WI7xx  workloads.py     what `check` finds about an account, a workload and its pods
           helper_differences.py  what it finds about helper containers that differ from a new pod's
           cluster_report.py  what only `check -A` finds
    WI8xx  entra.py         federated identity credentials, and the issuer (`fic`, `issuer`)
           plans.py         what the credentials in Entra are, compared with what the ServiceAccounts need
           sign_in.py       signing in to Entra, and what Microsoft Graph and Azure Resource Manager answer
    WI9xx  onboarding.py    what `onboard` and `offboard` find and do

`TABLE` has them all by code. docs/messages.md is made from it. `message.py` has what a row is.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType, ModuleType
from typing import Final

from webhook.core.messages import (
    annotations,
    calls,
    checks,
    cluster_report,
    entra,
    helper_differences,
    kubeconfigs,
    lint,
    manifests,
    onboarding,
    plans,
    pod_refusals,
    pods,
    prerequisites,
    reviews,
    settings,
    sign_in,
    workloads,
)
from webhook.core.messages.message import NOWHERE, Kind, Message, Place, Severity, message, one_line

__all__ = ["NOWHERE", "TABLE", "Kind", "Message", "Place", "Severity", "message", "one_line"]


def _rows(*modules: ModuleType) -> Iterable[Kind]:
    for module in modules:
        yield from (value for value in vars(module).values() if isinstance(value, Kind))


def _table(rows: Iterable[Kind]) -> Mapping[str, Kind]:
    table: dict[str, Kind] = {}
    for row in rows:
        if table.setdefault(row.code, row) is not row:
            raise ValueError(f"{row.code} stands for two messages")
    return MappingProxyType(dict(sorted(table.items())))


TABLE: Final = _table(
    _rows(
        annotations,
        calls,
        checks,
        cluster_report,
        entra,
        helper_differences,
        kubeconfigs,
        lint,
        manifests,
        onboarding,
        plans,
        pod_refusals,
        pods,
        prerequisites,
        reviews,
        settings,
        sign_in,
        workloads,
    )
)
