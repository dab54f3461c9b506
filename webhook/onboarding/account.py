"""The step in the cluster, decided by what was read: the namespace, and the ServiceAccount with its annotations."""

import json
import shlex
from collections.abc import Mapping
from typing import Any, Final

from webhook.core import names
from webhook.core.identity import Account
from webhook.core.messages import Place, message
from webhook.core.messages import onboarding as kinds
from webhook.onboarding.desired_state import DesiredState
from webhook.onboarding.verdicts import Call, Service, Verdict

MANAGER: Final = "m365wi-onboard"
"""The field manager: by it the API server knows which annotations are ours, and so does `offboard`."""
MADE_LABEL: Final = ("app.kubernetes.io/managed-by", "m365wi")
"""On a ServiceAccount that `onboard` made."""

_USUAL_CLOUD: Final = "public"


def account(desired: DesiredState, client: str, found: Mapping[str, Any] | None, *, namespace: bool) -> Verdict:
    """Whether the ServiceAccount names the application; the calls that annotate or make it.

    found: the ServiceAccount as the API server has it. namespace: whether its namespace exists.
    """
    target = desired.account
    wanted = annotations(desired, client)
    place = Place(str(target))
    if found is None:
        calls = (*_namespace(target, exists=namespace), applied(target, wanted, made=True))
        return Verdict(
            "account", message(kinds.ACCOUNT_CREATED if namespace else kinds.NAMESPACE_CREATED, place), calls
        )
    present = target.annotations
    for key, value in wanted.items():
        if present.get(key, "").strip().lower() not in ("", value.lower()):
            foreign = Place(str(target), annotation=key)
            values = {"value": present[key], "wanted": value, "command": target.command}
            return Verdict("account", message(kinds.ANNOTATION_FOREIGN, foreign, **values))
    missing = [key for key in wanted if not present.get(key, "").strip()]
    if not missing:
        return Verdict("account", message(kinds.ACCOUNT_FOUND, place))
    call = applied(target, wanted, made=is_made(found))
    return Verdict("account", message(kinds.ACCOUNT_ANNOTATED, place, annotations=", ".join(missing)), (call,))


def annotations(desired: DesiredState, client: str) -> dict[str, str]:
    """The annotations that the ServiceAccount is to have. One that says the same in our own name is enough."""
    present = desired.account.annotations
    wanted = {}
    if present.get(names.CLIENT_ID, "").strip().lower() != client.lower():
        wanted[names.AZURE_CLIENT_ID] = client
    if not (present.get(names.TENANT_ID) or present.get(names.AZURE_TENANT_ID)):  # another tenant was refused before
        wanted[names.AZURE_TENANT_ID] = desired.tenant
    if desired.cloud.name != _USUAL_CLOUD:
        wanted[names.CLOUD] = desired.cloud.name
    return wanted


def manifest(target: Account, wanted: Mapping[str, str], *, made: bool) -> dict[str, Any]:
    """The ServiceAccount, as far as it is ours."""
    labels = {"labels": dict([MADE_LABEL])} if made else {}
    metadata = {"name": target.name, "namespace": target.namespace, **labels}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {**metadata, **({"annotations": dict(wanted)} if wanted else {})},
    }


def yaml(target: Account, wanted: Mapping[str, str]) -> str:
    """The ServiceAccount as YAML, for Git. JSON's strings are YAML's."""
    lines = [f"    {key}: {json.dumps(value)}\n" for key, value in wanted.items()]
    head = f"apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {target.name}\n  namespace: {target.namespace}\n"
    return head + ("  annotations:\n" + "".join(lines) if lines else "")


def is_made(found: Mapping[str, Any]) -> bool:
    """Whether `onboard` made this ServiceAccount."""
    key, value = MADE_LABEL
    labels = found["metadata"].get("labels") or {}
    return bool(labels.get(key) == value)


def applied(target: Account, wanted: Mapping[str, str], *, made: bool) -> Call:
    """The call of server-side apply. It fails rather than taking a field from another manager."""
    document = manifest(target, wanted, made=made)
    text = json.dumps(document, indent=2)
    return Call(
        Service.CLUSTER,
        "PATCH",
        f"{path(target)}?fieldManager={MANAGER}&force=false",
        document,
        kind="apply-patch+yaml",
        command=f"kubectl apply --server-side --field-manager={MANAGER} -f - <<END\n{text}\nEND",
    )


def path(target: Account) -> str:
    """Where the API server has the ServiceAccount."""
    return f"/api/v1/namespaces/{target.namespace}/serviceaccounts/{target.name}"


def _namespace(target: Account, *, exists: bool) -> tuple[Call, ...]:
    if exists:
        return ()
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": target.namespace}}
    command = f"kubectl create namespace {shlex.quote(target.namespace)}"
    return (Call(Service.CLUSTER, "POST", f"/api/v1/namespaces?fieldManager={MANAGER}", body, command=command),)
