"""Other webhooks, before ours and after it."""

from typing import Any

import pytest

from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import LABELLED, a_pod, create, environment, is_injected, make_account
from testbed.cluster.registration import webhook_registration
from tests.admission.helpers import Patch, other_webhook
from tests.core import azure as model
from tests.core.test_coexistence import OWN_AUDIENCE, PUBLIC, SHAPES, assert_valid, read_by_the_provider, token_at

pytestmark = pytest.mark.usefixtures("webhook")

# kube-apiserver sorts configurations by name; ours starts with an m.
BEFORE, AFTER = "a-first", "z-last"
OURS = "/var/run/secrets/azure/tokens"


def azure(directory: str, file: str, volume: str) -> Any:
    """A webhook that does what Azure's does, with the paths of one of its versions: adds what is missing, by name."""

    def patch(pod: dict[str, Any]) -> Patch:
        operations: Patch = []
        variables = {
            "AZURE_CLIENT_ID": "11111111-2222-3333-4444-555555555555",
            "AZURE_TENANT_ID": "contoso.onmicrosoft.com",
            "AZURE_FEDERATED_TOKEN_FILE": f"{directory}/{file}",
            "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
        }
        for index, container in enumerate(pod["spec"]["containers"]):
            path = f"/spec/containers/{index}"
            env = list(container.get("env") or ())
            env += [
                {"name": name, "value": value}
                for name, value in variables.items()
                if name not in {entry["name"] for entry in env}
            ]
            mounts = [mount for mount in container.get("volumeMounts") or () if mount["name"] != volume]
            mounts.append({"name": volume, "mountPath": directory, "readOnly": True})
            operations.append({"op": "add", "path": path + "/env", "value": env})
            operations.append({"op": "add", "path": path + "/volumeMounts", "value": mounts})
        token = {"audience": "api://AzureADTokenExchange", "expirationSeconds": 3600, "path": file}
        volumes = [each for each in pod["spec"].get("volumes") or () if each["name"] != volume]
        volumes.append({"name": volume, "projected": {"sources": [{"serviceAccountToken": token}]}})
        operations.append({"op": "add", "path": "/spec/volumes", "value": volumes})
        return operations

    return patch


RESERVED = "azure-workload-identity-reserved-425c89ed5bb78a7623fae60fd8a6f6"
LAYOUTS = {
    "until-1.5.1": (OURS, "azure-identity-token", "azure-identity-token"),
    "1.6.0": ("/var/run/secrets/azure/wi", "token/azure-identity-token", RESERVED),
    "after-1.6.0": ("/var/run/secrets/azure/wi/425c89ed5bb78a76", "token/azure-identity-token", RESERVED),
}


@pytest.mark.parametrize("order", [BEFORE, AFTER])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_azures_webhook_and_ours_agree_on_a_pod(
    control_plane: Cluster, namespace: str, layout: str, order: str
) -> None:
    """The pod is accepted, has all variables once, and its token file is in a volume that it mounts."""
    directory, file, volume = LAYOUTS[layout]
    make_account(control_plane, namespace)
    with other_webhook(azure(directory, file, volume)) as other:
        with webhook_registration(control_plane.api, other.url, other.authority.encode(), name=order):
            pod = create(control_plane, namespace, a_pod())
    container = pod["spec"]["containers"][0]
    names = [entry["name"] for entry in container["env"]]
    assert len(names) == len(set(names)) == 8
    token_file = environment(container)["AZURE_FEDERATED_TOKEN_FILE"]
    assert token_file is not None
    mount = next(mount for mount in container["volumeMounts"] if token_file.startswith(mount["mountPath"] + "/"))
    assert any(each["name"] == mount["name"] and "projected" in each for each in pod["spec"]["volumes"])
    if order == BEFORE:
        assert token_file == f"{directory}/{file}"
        assert len(pod["spec"]["volumes"]) == 1


def azures_own(pod: dict[str, Any]) -> Patch:
    """Azure's webhook 1.6.0, as the unit tests model it, identity bindings included."""
    return [{"op": "replace", "path": "/spec", "value": model.mutate(pod, "1.6.0")["spec"]}]


LIVE = [
    "an identity binding",
    "an identity binding and an init container",
    "an identity binding and the guide's file by hand",
    "the guide's file by hand",
    "the guide's file by hand, in one container",
    "a token for somebody else by hand",
    "china",
    "china and the guide's file by hand",
]


@pytest.mark.parametrize("order", [BEFORE, AFTER])
def test_pods_with_another_audience_in_place_have_a_token_of_ours_beside_it(
    control_plane: Cluster, namespace: str, order: str
) -> None:
    """The file that the variable names is a token of the right audience, in pods that kube-apiserver stored."""
    make_account(control_plane, namespace, "terraform")
    with other_webhook(azures_own) as other:
        with webhook_registration(control_plane.api, other.url, other.authority.encode(), name=order):
            for number, shape in enumerate(LIVE):
                wanted = {**SHAPES[shape], "metadata": {**SHAPES[shape]["metadata"], "name": f"pod-{number}"}}
                pod = create(control_plane, namespace, wanted)
                assert_valid(pod)
                for each in [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]:
                    token = token_at(pod, each, read_by_the_provider(each))
                    assert token["audience"] == OWN_AUDIENCE.get(shape, PUBLIC), shape
                    azures = token_at(pod, each, str(environment(each)["AZURE_FEDERATED_TOKEN_FILE"]))
                    if shape == "an identity binding":
                        assert azures["audience"] == model.BINDING_AUDIENCE


def sidecar_and_name(pod: dict[str, Any]) -> Patch:
    """Like a service mesh, adds a container, and a name if the pod has only a prefix."""
    if any(container["name"] == "mesh" for container in pod["spec"]["containers"]):
        return []
    operations: Patch = [
        {"op": "add", "path": "/spec/containers/-", "value": {"name": "mesh", "image": "example.test/mesh:1"}}
    ]
    if not pod["metadata"].get("name"):
        operations.append({"op": "add", "path": "/metadata/name", "value": pod["metadata"]["generateName"] + "mesh"})
    return operations


def test_a_sidecar_that_comes_later_is_injected_too(control_plane: Cluster, namespace: str) -> None:
    """kube-apiserver calls again after another webhook changed the pod; the second call adds only what is missing."""
    make_account(control_plane, namespace)
    pod = a_pod()
    pod["metadata"] = {"generateName": "web-", "labels": LABELLED}
    with other_webhook(sidecar_and_name) as other:
        with webhook_registration(control_plane.api, other.url, other.authority.encode(), name=AFTER):
            stored = create(control_plane, namespace, pod)
    assert [container["name"] for container in stored["spec"]["containers"]] == ["app", "mesh"]
    assert is_injected(stored)
    assert [volume["name"] for volume in stored["spec"]["volumes"]] == ["azure-identity-token"]
