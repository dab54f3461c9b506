"""Ours beside Azure's webhook and others, in every order in which kube-apiserver may call them."""

import itertools
from typing import Any

import pytest

from tests.core import azure
from tests.core.cases import CLIENT, TENANT
from tests.core.support import account, container, pod, request, token_volume
from webhook.core.decision import decide
from webhook.core.mutation import apply
from webhook.core.policy import Policy

Json = dict[str, Any]


def ours(pod: Json) -> Json:
    found = decide(request(pod), account(), Policy())
    assert found.outcome in ("injected", "unchanged"), found
    return apply(pod, found.operations)


def run(pod: Json, steps: str, version: str) -> Json:
    """`a` is Azure's webhook, `m` is ours, `s` another that adds a sidecar, `n` one that gives the pod a name."""
    for step in steps:
        if step == "a":
            pod = azure.mutate(pod, version)
        elif step == "m":
            pod = ours(pod)
        elif step == "s":
            containers = [container("sidecar"), *pod["spec"]["containers"]]
            pod = {**pod, "spec": {**pod["spec"], "containers": containers}}
        else:
            pod = {**pod, "metadata": {**pod["metadata"], "name": "terraform-x7k2p"}}
    return pod


def value_of(container: Json, name: str) -> str:
    values = [entry.get("value", "") for entry in container["env"] if entry["name"] == name]
    assert len(values) == 1, f"{name} stands {len(values)} times"
    return str(values[0])


def assert_signs_in(pod: Json) -> None:
    """Asserts that kube-apiserver takes the pod and that each container finds its token where it looks for it."""
    spec = pod["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert len(volumes) == len(spec["volumes"])
    for each in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        mounts = {mount["mountPath"]: mount["name"] for mount in each["volumeMounts"]}
        assert len(mounts) == len(each["volumeMounts"])
        file = value_of(each, "AZURE_FEDERATED_TOKEN_FILE")
        around = [path for path in mounts if file.startswith(path.rstrip("/") + "/")]
        assert around, f"{each['name']}: {file} is in no mount"
        inner = max(around, key=len)
        (source,) = volumes[mounts[inner]]["projected"]["sources"]
        assert source["serviceAccountToken"]["path"] == file.removeprefix(inner.rstrip("/") + "/")
        assert source["serviceAccountToken"]["audience"] == "api://AzureADTokenExchange"
        for name, value in {"M365_CLIENT_ID": CLIENT, "AZURE_CLIENT_ID": CLIENT, "M365_TENANT_ID": TENANT}.items():
            assert value_of(each, name) == value


# In which order kube-apiserver calls: by the names of the configurations, then once more who asks for it (IfNeeded).
ORDERS = ["am", "ma", "asm", "sam", "ams", "amsam", "masma", "msama", "samam", "mam", "ama"]


def shown(order: str) -> str:
    words = {"a": "azure", "m": "m365", "s": "sidecar", "n": "name"}
    return "-".join(words[step] for step in order)


@pytest.mark.parametrize("version", azure.VERSIONS)
@pytest.mark.parametrize("order", [order for order in ORDERS if order != "ams"], ids=shown)
def test_both_webhooks_leave_a_pod_that_signs_in(order: str, version: str) -> None:
    """Whoever comes first, whatever is added in between, whichever version Azure's webhook has."""
    assert_signs_in(run(pod(initContainers=[container("init")]), order, version))


@pytest.mark.parametrize("version", azure.VERSIONS)
@pytest.mark.parametrize("order", ["asma", "asmam"], ids=shown)
def test_a_sidecar_between_both_webhooks_signs_in(version: str, order: str) -> None:
    """The names azure-wi-webhook, dapr-sidecar-injector and m365-… stand in just this order, and Azure's runs again."""
    assert_signs_in(run(pod(), order, version))


@pytest.mark.parametrize("version", azure.VERSIONS)
@pytest.mark.parametrize("order", ["am", "ma", "mam", "amsam"], ids=shown)
def test_a_volume_written_by_hand_serves_both(order: str, version: str) -> None:
    """The guide's own volume, at the guide's path."""
    app = container(volumeMounts=[{"name": "azure-identity-token", "mountPath": "/var/run/secrets/azure/tokens"}])
    assert_signs_in(run(pod(app, volumes=[token_volume("azure-identity-token")]), order, version))


def test_azures_webhook_doubles_its_mount_where_a_name_appears_and_ours_does_not() -> None:
    """azure-workload-identity #1744: its volume's name depends on the pod's, ours never does."""
    unnamed = pod()
    unnamed["metadata"] = {"generateName": "terraform-", "labels": unnamed["metadata"]["labels"]}
    once = run(unnamed, "mn", "1.6.0")
    assert ours(once) == once
    twice = run(unnamed, "ana", "1.6.0")["spec"]["containers"][0]["volumeMounts"]
    assert len({mount["mountPath"] for mount in twice}) < len(twice)


@pytest.mark.parametrize("version", azure.VERSIONS)
def test_ours_adds_no_second_token_volume_beside_azures(version: str) -> None:
    """One token is enough."""
    assert len(run(pod(), "am", version)["spec"]["volumes"]) == 1


@pytest.mark.parametrize("version", azure.VERSIONS)
@pytest.mark.parametrize("steps", ["".join(steps) for steps in itertools.product("am", repeat=4)])
def test_ours_has_nothing_to_add_once_it_has_been_there(steps: str, version: str) -> None:
    """However often Azure's webhook runs afterwards."""
    after = run(pod(), "m" + steps, version)
    assert ours(after) == after
