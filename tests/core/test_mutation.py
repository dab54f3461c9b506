"""The operations: what they are, how they are applied, and what is never let out."""

import copy
from typing import Any

import jsonpatch
import pytest

from m365_identity.settings import settings
from tests.core.cases import CLIENT, USUAL_ENV, USUAL_MOUNT
from tests.core.support import container, identity, mount, pod
from webhook.core import mutation, variables
from webhook.core.clouds import CLOUDS
from webhook.core.mutation import Mutation, Operation, UnsoundPatch, apply, containers_to_inject, mutate
from webhook.core.volumes import Access, Mount, Placement

OTHER = "99999999-2222-4333-8444-555555555555"
USUAL_ENTRIES = [{"name": name, "value": value} for name, value in USUAL_ENV.items()]
MOUNT_ENTRY = {**USUAL_MOUNT, "readOnly": True}


def mutated(pod: dict[str, Any], *skip: str) -> Mutation:
    return mutate(pod, identity(), skip)


def paths(found: Mutation) -> list[str]:
    return [operation["path"] for operation in found.operations]


def test_missing_lists_are_added_whole() -> None:
    """An operation on a member of a list that is not there would fail."""
    found = mutated(pod())
    assert paths(found) == ["/spec/containers/0/env", "/spec/containers/0/volumeMounts", "/spec/volumes"]
    assert found.operations[0]["value"] == USUAL_ENTRIES
    assert found.operations[1]["value"] == [MOUNT_ENTRY]


def test_to_lists_that_are_there_entries_are_added() -> None:
    """Variables before the user's, in their order; mount and volume after the user's."""
    app = container(env=[{"name": "A", "value": "1"}], volumeMounts=[mount("v", "/v")])
    found = mutated(pod(app, volumes=[{"name": "v", "emptyDir": {}}]))
    env = [f"/spec/containers/0/env/{index}" for index in range(8)]
    assert paths(found) == [*env, "/spec/containers/0/volumeMounts/-", "/spec/volumes/-"]
    after = apply(pod(app, volumes=[{"name": "v", "emptyDir": {}}]), found.operations)["spec"]
    assert after["containers"][0]["env"] == [*USUAL_ENTRIES, {"name": "A", "value": "1"}]
    assert after["containers"][0]["volumeMounts"] == [mount("v", "/v"), MOUNT_ENTRY]
    assert [volume["name"] for volume in after["volumes"]] == ["v", "azure-identity-token"]


@pytest.mark.parametrize("families", [("m365", "azure"), ("m365",), ("azure",)])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_helper_signs_in_to_the_pods_cloud_whatever_variables_the_pod_gets(
    cloud: str, families: tuple[str, ...]
) -> None:
    """As the helper itself reads them. The application is that of the pod's own containers."""
    asked = identity(
        cloud=CLOUDS[cloud],
        families=families,
        client_id=CLIENT,
        azure_client_id=OTHER,
        helpers=("m365-preflight", "m365-token-endpoint"),
        helper_image="m365-identity:1",
    )
    after = apply(pod(), mutate(pod(), asked, ()).operations)["spec"]
    for helper in after["initContainers"]:
        environ = {entry["name"]: entry.get("value", "") for entry in helper["env"]}
        assert len(environ) == len(helper["env"])
        read = settings(environ=environ)
        assert (read.cloud.name, read.graph) == (cloud, CLOUDS[cloud].graph)
        assert read.client_id == (CLIENT if "m365" in families else OTHER)
    (app,) = after["containers"]
    assert ("M365_CLOUD" in [entry["name"] for entry in app["env"]]) is ("m365" in families)


def test_null_lists_are_replaced_and_empty_ones_filled() -> None:
    """`add` to a member that is null puts the list in its place."""
    found = mutated(pod(container(env=None, volumeMounts=[]), volumes=None))
    assert paths(found) == [
        "/spec/containers/0/env",
        "/spec/containers/0/volumeMounts/-",
        "/spec/volumes",
    ]


def test_init_containers_come_first() -> None:
    """In the pod's order, each under its own path."""
    found = mutated(pod(container("a"), container("b"), initContainers=[container("i")]))
    assert found.containers == ("i", "a", "b")
    assert paths(found)[::2] == [
        "/spec/initContainers/0/env",
        "/spec/containers/0/env",
        "/spec/containers/1/env",
        "/spec/volumes",
    ]


@pytest.mark.parametrize(
    ("skip", "expected"), [((), ["i", "a", "b"]), (("a",), ["i", "b"]), (("i", "x"), ["a", "b"]), (("i", "a", "b"), [])]
)
def test_skipped_containers_are_passed_over(skip: tuple[str, ...], expected: list[str]) -> None:
    """Init containers and others alike; an unknown name does no harm."""
    sent = pod(container("a"), container("b"), initContainers=[container("i")])
    assert [target.container["name"] for target in containers_to_inject(sent["spec"], skip)] == expected
    assert mutate(sent, identity(), skip).containers == tuple(expected)


def test_a_skipped_containers_index_is_kept() -> None:
    """The path counts all containers."""
    assert "/spec/containers/1/env" in paths(mutated(pod(container("a"), container("b")), "a"))


def test_if_all_containers_are_skipped_no_volume_is_added() -> None:
    """Azure's webhook adds it all the same."""
    assert mutated(pod(), "app") == Mutation((), (), ())


def test_ephemeral_containers_are_not_touched() -> None:
    """They never come with a new pod."""
    assert not [path for path in paths(mutated(pod(ephemeralContainers=[container("debug")]))) if "ephemeral" in path]


def test_a_complete_container_is_not_named() -> None:
    """The audit log lists only those that got something."""
    whole = container("whole", env=USUAL_ENTRIES, volumeMounts=[MOUNT_ENTRY])
    token = {"path": "azure-identity-token", "audience": "api://AzureADTokenExchange"}
    volume = {"name": "azure-identity-token", "projected": {"sources": [{"serviceAccountToken": token}]}}
    found = mutated(pod(whole, container("bare"), volumes=[volume]))
    assert found.containers == ("bare",)
    assert "/spec/volumes/-" not in paths(found)


def test_a_second_run_adds_nothing() -> None:
    """kube-apiserver calls again when another webhook has changed the pod since."""
    sent = pod(container(env=[{"name": "A"}]), initContainers=[container("i")])
    assert mutated(apply(sent, mutated(sent).operations)).operations == ()


def test_the_pod_is_not_changed() -> None:
    """The patch is all there is."""
    sent = pod(container(env=[], volumeMounts=[]), volumes=[])
    before = copy.deepcopy(sent)
    mutated(sent)
    assert sent == before


def test_a_different_value_is_warned_about() -> None:
    """By container and variable."""
    found = mutated(pod(container(env=[{"name": "M365_CLOUD", "value": "dod"}])))
    (warning,) = found.warnings
    assert str(warning) == "the pod's own value is kept: M365_CLOUD of container app [WI210]"


DOCUMENT: dict[str, Any] = {"spec": {"list": [{"a": [1]}, {"b": None}], "other": {"c": [2]}}}


@pytest.mark.parametrize(
    "operations",
    [
        [],
        [("/new", 1)],
        [("/spec/list/-", 3)],
        [("/spec/list/0/a/0", 0), ("/spec/list/0/a/1", 0.5), ("/spec/list/0/a/-", 9)],
        [("/spec/list/1/b", [1]), ("/spec/list/1/b/-", 2), ("/spec/list/1/b/0", 0)],
        [("/spec/list/0/a", None), ("/spec/other", {}), ("/spec/other/x", [])],
        [("/spec/list/2", "end")],
    ],
    ids=range(7),
)
def test_apply_is_what_rfc_6902_says(operations: list[tuple[str, Any]]) -> None:
    """Checked against the library jsonpatch, which the request path does without."""
    adds: list[Operation] = [{"op": "add", "path": path, "value": value} for path, value in operations]
    expected = jsonpatch.apply_patch(copy.deepcopy(DOCUMENT), copy.deepcopy(adds))
    assert apply(copy.deepcopy(DOCUMENT), copy.deepcopy(adds)) == expected


def test_apply_leaves_document_and_operations_as_they_are() -> None:
    """A list that one operation adds and the next one fills is a copy."""
    document, operations = copy.deepcopy(DOCUMENT), mutated(pod()).operations
    adds: list[Operation] = [
        {"op": "add", "path": "/spec/list/1/b", "value": [1]},
        {"op": "add", "path": "/spec/list/1/b/-", "value": 2},
        *operations[2:],
    ]
    kept = copy.deepcopy(adds)
    apply(document, adds)
    assert (document, adds) == (DOCUMENT, kept)


def test_apply_shares_what_it_does_not_touch() -> None:
    """A large pod is not copied for each check."""
    result = apply(DOCUMENT, [{"op": "add", "path": "/spec/list/-", "value": 3}])
    assert result["spec"]["other"] is DOCUMENT["spec"]["other"]
    assert result["spec"]["list"][0] is DOCUMENT["spec"]["list"][0]


@pytest.mark.parametrize(
    ("placement", "message"),
    [
        (Placement((Access("/t/f", Mount("v", "/t")),), ("v",), ()), "volume 'v' would be there 2 times"),
        (Placement((Access("/v/f", Mount("v", "/v")),), (), ()), "mount path '/v' would be there 2 times"),
    ],
)
def test_a_patch_that_repeats_a_name_or_path_is_never_let_out(
    monkeypatch: pytest.MonkeyPatch, placement: Placement, message: str
) -> None:
    """kube-apiserver would refuse the pod whatever the failurePolicy, so this must be our own error instead."""
    monkeypatch.setattr(mutation, "place_tokens", lambda *_: placement)
    sent = pod(container(volumeMounts=[mount("v", "/v")]), volumes=[{"name": "v", "emptyDir": {}}])
    with pytest.raises(UnsoundPatch) as caught:
        mutated(sent)
    assert str(caught.value) == message


def test_a_patch_that_repeats_a_variable_is_never_let_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the user's two only one would count."""

    def twice(*_: Any) -> Any:
        return real(identity(), container(), "/f")

    real = variables.missing
    monkeypatch.setattr(mutation, "missing", twice)
    with pytest.raises(UnsoundPatch, match="variable 'M365_CLOUD' would be there 2 times"):
        mutated(pod(container(env=[{"name": "M365_CLOUD", "value": "dod"}])))


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_a_patch_that_repeats_the_name_of_a_container_is_never_let_out(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Names are unique in both lists of containers together."""
    monkeypatch.setattr(mutation, "missing_helpers", lambda *_: [{"name": "taken"}])
    sent = pod(container())
    sent["spec"].setdefault(kind, []).append({"name": "taken"})
    with pytest.raises(UnsoundPatch, match="container 'taken' would be there 2 times"):
        mutated(sent)


def test_what_the_user_repeats_is_the_users() -> None:
    """Variables may stand twice; volumes and mounts that do are kube-apiserver's to refuse."""
    app = container(env=[{"name": "A"}, {"name": "A"}], volumeMounts=[mount("v", "/v"), mount("v", "/v")])
    volume = {"name": "v", "emptyDir": {}}
    assert mutated(pod(app, volumes=[volume, volume])).operations
