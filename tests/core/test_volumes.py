"""Where a container finds its token. Whole pods are in tests/cases; here are the rule's corners."""

from typing import Any

import pytest

from tests.core.support import container, identity, mount, pod, token_volume
from webhook.core.names import MOUNT_PATH, OTHER_MOUNT_PATH, OTHER_VOLUME, TOKEN_FILE, VOLUME
from webhook.core.token_volumes import volume_entry
from webhook.core.volumes import Access, Mount, Placement, mount_entry, place_tokens

OUR_FILE = "/var/run/secrets/azure/tokens/azure-identity-token"
OURS = Access(OUR_FILE, Mount(VOLUME, MOUNT_PATH))
MOVED = Access(f"{OTHER_MOUNT_PATH}/{TOKEN_FILE}", Mount(OTHER_VOLUME, OTHER_MOUNT_PATH))
EMPTY: dict[str, Any] = {"emptyDir": {}}
AZURES = "azure-workload-identity-reserved-425c89ed5bb78a7623fae60fd8a6f6"


def placed(*containers: dict[str, Any], volumes: list[dict[str, Any]] | None = None) -> Placement:
    return place_tokens(pod(*containers, volumes=volumes)["spec"], containers, identity())


def texts(found: Placement) -> tuple[str, ...]:
    return tuple(warning.text for warning in found.warnings)


def file_variable(value: Any = ..., **fields: Any) -> dict[str, Any]:
    entry = {"name": "AZURE_FEDERATED_TOKEN_FILE", **fields}
    return entry if value is ... else {**entry, "value": value}


def test_our_promises_are_what_the_guide_says() -> None:
    """Tools are configured with this path by hand: it never changes."""
    assert (VOLUME, MOUNT_PATH) == ("azure-identity-token", "/var/run/secrets/azure/tokens")
    assert f"{MOUNT_PATH}/{TOKEN_FILE}" == OUR_FILE
    assert (OTHER_VOLUME, OTHER_MOUNT_PATH) == ("m365-identity-token", "/var/run/secrets/m365/tokens")


def test_the_entries_are_what_kubernetes_takes() -> None:
    """The volume is written out with kube-apiserver's defaults, the mount is read-only."""
    token = {"audience": "api://a", "expirationSeconds": 7200, "path": "azure-identity-token"}
    assert volume_entry("v", identity(audience="api://a", token_expiration=7200)) == {
        "name": "v",
        "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": token}]},
    }
    assert mount_entry(Mount("v", "/p")) == {"name": "v", "mountPath": "/p", "readOnly": True}


def test_without_containers_there_is_nothing_to_place() -> None:
    """And no volume is added."""
    assert placed() == Placement((), (), ())


def test_a_plain_container_gets_our_volume_at_our_path() -> None:
    """Rule 4: the guide's volume at the guide's path."""
    assert placed(container(), container("log")) == Placement((OURS, OURS), (VOLUME,), ())


@pytest.mark.parametrize(
    "env",
    [
        [file_variable(valueFrom={"configMapKeyRef": {"name": "c", "key": "k"}})],
        [file_variable("$(WHERE)/token")],
        [file_variable("/early"), file_variable(valueFrom={"fieldRef": {"fieldPath": "metadata.name"}})],
        [file_variable("/both", valueFrom={"fieldRef": {"fieldPath": "metadata.name"}})],
    ],
    ids=["from elsewhere", "by reference", "the last counts", "both"],
)
def test_a_file_that_only_the_cluster_can_resolve_is_left_to_the_user(env: list[dict[str, Any]]) -> None:
    """Rule 1: nothing is known of it, and nothing is added."""
    assert placed(container(env=env)) == Placement((Access(""),), (), ())


def test_of_a_token_file_that_stands_twice_the_last_counts() -> None:
    """As it does in the container."""
    env = [file_variable("/nowhere/token"), file_variable("/entra/token")]
    found = placed(container(env=env, volumeMounts=[mount("e", "/entra")]), volumes=[token_volume("e", path="token")])
    assert found == Placement((Access("/entra/token"),), (), ())


@pytest.mark.parametrize("path", ["/entra", "/entra/", "/entra/deep", "/entra/deep/token", "/"])
def test_a_named_file_inside_a_mount_is_kept(path: str) -> None:
    """Rule 1: whatever is mounted there, it is the user's."""
    found = placed(
        container(env=[file_variable("/entra/deep/token")], volumeMounts=[mount("e", path)]),
        volumes=[{"name": "e", **EMPTY}],
    )
    assert found == Placement((Access("/entra/deep/token"),), (), ())


def test_a_named_file_comes_before_a_mounted_token() -> None:
    """Rule 1 before rule 2: the container has chosen."""
    app = container(env=[file_variable("/data/token")], volumeMounts=[mount("e", "/entra"), mount("d", "/data")])
    found = placed(app, volumes=[token_volume("e"), {"name": "d", **EMPTY}])
    assert found == Placement((Access("/data/token"),), (), ())


def test_a_named_file_in_no_mount_is_kept_and_warned_about() -> None:
    """Rule 1: a mount whose path merely begins alike holds no file of another directory."""
    found = placed(container(env=[file_variable("/entra/token")], volumeMounts=[mount("e", "/ent")]))
    assert found.accesses == (Access("/entra/token"),)
    assert texts(found) == (
        "AZURE_FEDERATED_TOKEN_FILE names a file in no volume, so no token was added: container app",
    )


@pytest.mark.parametrize("field", ["subPath", "subPathExpr"])
def test_a_named_file_behind_a_sub_path_is_kept_and_warned_about(field: str) -> None:
    """The kubelet never renews a token that is mounted so."""
    app = container(env=[file_variable("/e/token")], volumeMounts=[mount("e", "/e/token", **{field: "token"})])
    found = placed(app, volumes=[token_volume("e", path="token")])
    assert found.accesses == (Access("/e/token"),)
    assert texts(found) == ("the token is mounted with subPath and will never be renewed: container app",)


def test_our_file_named_without_a_mount_is_provided() -> None:
    """The guide's variables written by hand, without its volume."""
    assert placed(container(env=[file_variable(OUR_FILE)])) == Placement((OURS,), (VOLUME,), ())


@pytest.mark.parametrize("named", [OUR_FILE, OUR_FILE.replace("/var", "/var/.")])
def test_our_file_is_provided_though_the_same_token_is_mounted_elsewhere(named: str) -> None:
    """Azure's webhook of 1.6 was here: its mount does not help a container that looks at our path."""
    app = container(env=[file_variable(named)], volumeMounts=[mount(AZURES, "/var/run/secrets/azure/wi")])
    volumes = [token_volume(AZURES, path="token/azure-identity-token")]
    assert placed(app, volumes=volumes) == Placement((Access(named, OURS.mount),), (VOLUME,), ())


BESIDE = f"{OTHER_MOUNT_PATH}/{TOKEN_FILE}"


def foreign(name: str = "app", *, audience: str = "vault", path: str = "token", **fields: Any) -> dict[str, Any]:
    """A container whose AZURE_FEDERATED_TOKEN_FILE is in the volume `v`."""
    return container(name, env=[file_variable(f"/v/{path}")], volumeMounts=[mount("v", "/v", **fields)])


def test_a_named_file_for_another_audience_gets_ours_beside_it() -> None:
    """AZURE_* keep theirs, Microsoft 365 has its own; Azure SDKs that ask Entra with theirs are warned about."""
    found = placed(foreign(), volumes=[token_volume("v", path="token", audience="vault")])
    assert found.accesses == (Access("/v/token", Mount(OTHER_VOLUME, OTHER_MOUNT_PATH), BESIDE),)
    assert found.volumes == (OTHER_VOLUME,)
    assert texts(found) == (
        "the token of AZURE_* is not for api://AzureADTokenExchange; Microsoft 365 has its own: container app",
    )


def test_the_api_servers_own_token_is_for_another_audience() -> None:
    """It lives for a year, and its audience is that of the API server."""
    volume = {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    assert placed(foreign(), volumes=[volume]).accesses[0].beside == BESIDE


def test_of_two_tokens_in_a_volume_the_named_one_counts() -> None:
    """The other has the right audience, and the container does not look at it."""
    volume = token_volume("v", path="token", audience="vault")
    volume["projected"]["sources"] += token_volume("v", path="right")["projected"]["sources"]
    assert placed(foreign(), volumes=[volume]).accesses == (Access("/v/token", beside="/v/right"),)
    assert placed(foreign(path="right"), volumes=[volume]) == Placement((Access("/v/right"),), (), ())
    other = placed(foreign(path="other"), volumes=[volume])
    assert other.accesses == (Access("/v/other"),)
    assert [(each.code, each.fix) for each in other.warnings] == [("WI221", "set it to /v/right")]


def test_the_file_of_a_mounted_part_is_that_part() -> None:
    """With subPath the file is the mount itself."""
    app = container(env=[file_variable("/v")], volumeMounts=[mount("v", "/v", subPath="token")])
    found = placed(app, volumes=[token_volume("v", path="token", audience="vault")])
    assert found.accesses[0].beside == BESIDE


def test_a_token_beside_has_its_own_volume_next_to_the_usual_one() -> None:
    """Azure's webhook moves the mounts of a volume of the usual name, so that one does not do."""
    found = placed(foreign(), container("log"), volumes=[token_volume("v", path="token", audience="vault")])
    assert found.accesses == (Access("/v/token", Mount(OTHER_VOLUME, OTHER_MOUNT_PATH), BESIDE), OURS)
    assert found.volumes == (VOLUME, OTHER_VOLUME)


def test_two_tokens_beside_share_a_volume() -> None:
    """One token is enough, also if the usual one had to take the other name."""
    volumes = [token_volume("v", path="token", audience="vault")]
    assert placed(foreign(), foreign("log"), volumes=volumes).volumes == (OTHER_VOLUME,)
    taken = [*volumes, {"name": VOLUME, **EMPTY}]
    assert placed(foreign(), container("log"), volumes=taken).volumes == (OTHER_VOLUME,)


def test_a_token_beside_is_taken_from_a_volume_of_somebody_else() -> None:
    """But not from one of Azure's webhook, which may move it."""
    volumes = [token_volume("v", path="token", audience="vault"), token_volume("e", path="t")]
    found = placed(foreign(), volumes=volumes)
    assert found.accesses[0] == Access("/v/token", Mount("e", OTHER_MOUNT_PATH), f"{OTHER_MOUNT_PATH}/t")
    for name in (VOLUME, AZURES):
        assert placed(foreign(), volumes=[volumes[0], token_volume(name)]).volumes == (OTHER_VOLUME,)


def test_a_token_beside_finds_a_free_path() -> None:
    """The other path may be taken, too."""
    app = foreign()
    app["volumeMounts"].append(mount("mine", OTHER_MOUNT_PATH))
    found = placed(app, volumes=[token_volume("v", path="token", audience="vault"), {"name": "mine", **EMPTY}])
    assert found.accesses[0].mount == Mount(OTHER_VOLUME, f"{OTHER_MOUNT_PATH}-2")
    assert found.accesses[0].beside == f"{OTHER_MOUNT_PATH}-2/{TOKEN_FILE}"


@pytest.mark.parametrize(
    ("families", "beside", "warnings"),
    [
        (("m365",), True, 0),
        (("arm",), True, 0),
        (("powerplatform", "azure"), True, 1),
        (("azure",), False, 1),
        (("cli",), False, 1),
        (("ansible",), False, 1),
    ],
)
def test_a_token_beside_is_for_those_who_can_be_told_of_it(
    families: tuple[str, ...], beside: bool, warnings: int
) -> None:
    """Who reads AZURE_FEDERATED_TOKEN_FILE only has the wrong token, and the user is told."""
    who = identity(families=families)
    volumes = [token_volume("v", path="token", audience="vault")]
    found = place_tokens(pod(foreign(), volumes=volumes)["spec"], [foreign()], who)
    assert bool(found.accesses[0].beside) is beside
    assert len(found.warnings) == warnings


def test_an_identity_binding_leaves_the_variable_to_azures_webhook() -> None:
    """Whether it has been here already or not; there is no warning about what the annotation asks for."""
    who = identity(binding=True)
    found = place_tokens(pod()["spec"], [container(), container("log")], who)
    assert found.accesses == (Access("", Mount(OTHER_VOLUME, OTHER_MOUNT_PATH), BESIDE),) * 2
    assert [warning.code for warning in found.warnings] == ["WI217"]
    volumes = [token_volume("v", path="token", audience="api://AKSIdentityBinding")]
    found = place_tokens(pod(foreign(), volumes=volumes)["spec"], [foreign()], who)
    assert found.accesses[0].beside == BESIDE
    assert found.warnings == ()


@pytest.mark.parametrize(("seconds", "warned"), [(86400, False), (86401, True), (172800, True), (None, False)])
def test_a_token_that_entra_refuses_for_its_long_life_is_told(seconds: Any, warned: bool) -> None:
    """AADSTS70023, from 25 hours on; kube-apiserver takes any lifetime."""
    volume = token_volume("e")
    volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] = seconds
    found = placed(container(volumeMounts=[mount("e", "/e")]), volumes=[volume])
    assert texts(found) == ((f"volume e: a token that lives {seconds} s is refused (AADSTS70023)",) if warned else ())


def test_our_file_is_provided_under_our_path_even_where_others_must_move() -> None:
    """The name of the volume is taken, but the container looks at our path, which is free."""
    app = container(env=[file_variable(OUR_FILE)])
    found = placed(app, container("log"), volumes=[{"name": VOLUME, **EMPTY}])
    assert found.accesses == (Access(OUR_FILE, Mount(OTHER_VOLUME, MOUNT_PATH)), MOVED)
    assert found.volumes == (OTHER_VOLUME,)


def test_our_file_is_provided_from_a_present_token_of_that_name_only() -> None:
    """A token of another file name would not be found there."""
    app = container(env=[file_variable(OUR_FILE)])
    fitting = placed(app, volumes=[token_volume("a", path="token"), token_volume("b")])
    assert fitting == Placement((Access(OUR_FILE, Mount("b", MOUNT_PATH)),), (), ())
    unfitting = placed(app, volumes=[token_volume("a", path="token")])
    assert unfitting == Placement((OURS,), (VOLUME,), ())


@pytest.mark.parametrize("path", ["/entra", "/entra/"])
def test_a_mounted_token_of_our_audience_is_read_where_it_is(path: str) -> None:
    """Rule 2, whatever program wrote it."""
    found = placed(container(volumeMounts=[mount("e", path)]), volumes=[token_volume("e", path="a/b")])
    assert found == Placement((Access("/entra/a/b"),), (), ())


def test_among_several_mounted_tokens_the_first_mount_counts() -> None:
    """The order of the mounts decides, so that a volume added later changes nothing."""
    found = placed(
        container(volumeMounts=[mount("b", "/b"), mount("a", "/a")]),
        volumes=[token_volume("a"), token_volume("b")],
    )
    assert found.accesses == (Access("/b/azure-identity-token"),)


def test_a_token_among_other_sources_is_found() -> None:
    """A projected volume may hold a certificate and another token beside it."""
    volume = token_volume("e", path="token")
    volume["projected"]["sources"] = [
        {"configMap": {"name": "ca"}},
        {"serviceAccountToken": {"path": "other", "audience": "vault"}},
        *volume["projected"]["sources"],
    ]
    assert placed(container(volumeMounts=[mount("e", "/e")]), volumes=[volume]).accesses == (Access("/e/token"),)


@pytest.mark.parametrize("field", ["subPath", "subPathExpr"])
def test_a_token_mounted_with_sub_path_is_not_relied_on(field: str) -> None:
    """Rule 3 mounts the same volume once more, as a whole."""
    app = container(volumeMounts=[mount("e", "/e", **{field: "token"})])
    found = placed(app, volumes=[token_volume("e", path="token")])
    assert found == Placement((Access(f"{MOUNT_PATH}/token", Mount("e", MOUNT_PATH)),), (), ())


def test_a_path_of_windows_stays_as_it_is() -> None:
    """Windows takes both kinds of slashes, and a drive is not to be hidden behind a leading one."""
    found = placed(container(volumeMounts=[mount("e", "C:\\entra")]), volumes=[token_volume("e", path="token")])
    assert found.accesses == (Access("C:\\entra/token"),)
    named = container(env=[file_variable("C:\\entra/token")], volumeMounts=[mount("e", "C:\\entra")])
    assert placed(named, volumes=[token_volume("e", path="token")]).warnings == ()


WINDOWS = "C:\\var\\run\\secrets\\azure\\tokens"


@pytest.mark.parametrize(
    "path",
    [WINDOWS, f"{WINDOWS}\\", f"{WINDOWS}\\inside", WINDOWS.lower(), WINDOWS[2:], "c:/var/run/secrets/azure/./tokens"],
)
def test_a_foreign_mount_on_our_path_as_windows_spells_it_stays(path: str) -> None:
    """The kubelet puts /var on drive C, so both are one place."""
    found = placed(container(volumeMounts=[mount("mine", path)]), volumes=[{"name": "mine", **EMPTY}])
    assert (found.accesses, found.volumes) == ((MOVED,), (OTHER_VOLUME,))


@pytest.mark.parametrize("path", ["D:\\var\\run\\secrets\\azure\\tokens", "C:\\var\\run\\secrets\\azure\\tokens2"])
def test_another_drive_and_another_folder_are_another_place(path: str) -> None:
    """Our token is at home there."""
    found = placed(container(volumeMounts=[mount("mine", path)]), volumes=[{"name": "mine", **EMPTY}])
    assert found.accesses == (OURS,)


def test_a_token_file_with_a_windows_path_is_recognized() -> None:
    """There is no warning about a file outside of volumes, and what the container says itself stays."""
    file = f"{WINDOWS}\\{TOKEN_FILE}"
    here = container(env=[file_variable(file)], volumeMounts=[mount("e", MOUNT_PATH)])
    assert placed(here, volumes=[token_volume("e")]) == Placement((Access(file),), (), ())
    nowhere = container(env=[file_variable(file)])
    assert placed(nowhere) == Placement((Access(file, OURS.mount),), (VOLUME,), ())


@pytest.mark.parametrize("path", [MOUNT_PATH, f"{MOUNT_PATH}/disk"])
def test_a_device_on_our_path_stays(path: str) -> None:
    """kube-apiserver refuses a pod with a mount and a device in one place."""
    app = container(volumeDevices=[{"name": "disk", "devicePath": path}])
    found = placed(app, container("log"), volumes=[{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}])
    assert (found.accesses, found.volumes) == ((MOVED, MOVED), (OTHER_VOLUME,))
    assert found.warnings[0].text.endswith(f"because {MOUNT_PATH} is taken: container app")


def test_a_device_on_the_other_path_too_stays() -> None:
    """The first number that makes it free."""
    devices = [{"name": "disk", "devicePath": path} for path in (MOUNT_PATH, OTHER_MOUNT_PATH)]
    found = placed(container(volumeDevices=devices))
    assert found.accesses[0].mount == Mount(OTHER_VOLUME, f"{OTHER_MOUNT_PATH}-2")


def test_a_token_named_inside_a_device_is_in_no_volume() -> None:
    """A mount there would be refused, so the user is warned."""
    app = container(env=[file_variable(OUR_FILE)], volumeDevices=[{"name": "disk", "devicePath": MOUNT_PATH}])
    found = placed(app)
    assert (found.accesses, found.volumes) == ((Access(OUR_FILE),), ())
    assert texts(found) == (
        "AZURE_FEDERATED_TOKEN_FILE names a file in no volume, so no token was added: container app",
    )


@pytest.mark.parametrize("devices", [5, {"a": 1}, [5], [{"devicePath": 5}], [{}], None])
def test_devices_of_another_shape_are_ignored(devices: Any) -> None:
    """kube-apiserver refuses them; other callers must not cause an error."""
    assert placed(container(volumeDevices=devices)).accesses == (OURS,)


def test_an_empty_sub_path_does_not_count() -> None:
    """Some tools write it out."""
    app = container(volumeMounts=[mount("e", "/e", subPath="", subPathExpr=None)])
    assert placed(app, volumes=[token_volume("e", path="token")]).accesses == (Access("/e/token"),)


@pytest.mark.parametrize(
    "volume",
    [
        token_volume("e", audience="vault"),
        {"name": "e", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        {"name": "e", "projected": {"sources": [{"serviceAccountToken": None}]}},
        {"name": "e", "projected": {"sources": [{"serviceAccountToken": {"audience": "api://AzureADTokenExchange"}}]}},
        {"name": "e", "projected": {"sources": None}},
        {"name": "e", "projected": None},
        {"name": "e", **EMPTY},
    ],
    ids=["other audience", "no audience", "null token", "no path", "null sources", "null", "another kind"],
)
def test_only_a_token_of_our_audience_is_used(volume: dict[str, Any]) -> None:
    """Entra would refuse it."""
    found = placed(container(volumeMounts=[mount("e", "/e")]), volumes=[volume])
    assert found == Placement((OURS,), (VOLUME,), ())


def test_a_container_shares_the_token_volume_of_another() -> None:
    """Rule 3: one token volume is enough for a pod."""
    found = placed(container(volumeMounts=[mount("e", "/e")]), container("log"), volumes=[token_volume("e", path="t")])
    shared = Access(f"{MOUNT_PATH}/t", Mount("e", MOUNT_PATH))
    assert found == Placement((Access("/e/t"), shared), (), ())


@pytest.mark.parametrize(
    "path", [MOUNT_PATH, MOUNT_PATH + "/", MOUNT_PATH + "/.", MOUNT_PATH + "/inside", "/var/run//secrets/azure/tokens"]
)
def test_a_foreign_mount_on_our_path_stays(path: str) -> None:
    """However it is spelt; then the whole pod's token moves, so that all its containers have one path."""
    app = container(volumeMounts=[mount("mine", path)])
    found = placed(app, container("log"), volumes=[{"name": "mine", **EMPTY}])
    assert found.accesses == (MOVED, MOVED)
    assert found.volumes == (OTHER_VOLUME,)
    assert texts(found)[0] == (
        "the token is in /var/run/secrets/m365/tokens, because /var/run/secrets/azure/tokens is taken: container app"
    )


def test_a_foreign_mount_on_our_path_spelt_with_two_slashes_stays() -> None:
    """Linux knows no difference between //var and /var."""
    app = container(volumeMounts=[mount("mine", "/" + MOUNT_PATH)])
    assert placed(app, volumes=[{"name": "mine", **EMPTY}]).accesses == (MOVED,)


@pytest.mark.parametrize("file", ["//entra/token", "/other/../entra/token"])
def test_a_named_file_is_found_in_its_mount_however_it_is_spelt(file: str) -> None:
    """The user is not warned of a file in no volume that is in one."""
    app = container(env=[file_variable(file)], volumeMounts=[mount("e", "/x/../entra")])
    assert placed(app, volumes=[token_volume("e", path="token")]).warnings == ()


def test_a_relative_mount_path_is_read_as_the_kubelet_reads_it() -> None:
    """`entra` is mounted at /entra."""
    found = placed(container(volumeMounts=[mount("e", "entra")]), volumes=[token_volume("e", path="token")])
    assert found.accesses == (Access("/entra/token"),)


@pytest.mark.parametrize("file", ["/entra/token", "/entra//token", "/entra/./token"])
def test_a_named_file_is_found_in_a_mount_however_that_is_spelt(file: str) -> None:
    """The mount's path is brought into its plain form first."""
    app = container(env=[file_variable(file)], volumeMounts=[mount("e", "/x/../entra/.")])
    assert placed(app, volumes=[token_volume("e", path="token")]).warnings == ()


@pytest.mark.parametrize("entry", [file_variable(""), file_variable()], ids=["empty", "left out"])
def test_an_empty_token_file_is_warned_about(entry: dict[str, Any]) -> None:
    """The container has no token then, though it is labelled to have one."""
    assert placed(container(env=[entry])).warnings != ()


def test_a_volume_with_more_than_the_token_is_not_shared() -> None:
    """Rule 3 must not show one container's secret to another."""
    volume = token_volume("e", path="token")
    volume["projected"]["sources"].append({"secret": {"name": "only-for-app"}})
    app = container(volumeMounts=[mount("e", "/e")])
    assert placed(app, container("sidecar"), volumes=[volume]).accesses == (Access("/e/token"), OURS)


def test_a_kept_file_with_a_token_of_another_audience_is_warned_about() -> None:
    """Azure's webhook asks for the public audience in every cloud; the US Government's Entra refuses that token."""
    us = identity(audience="api://AzureADTokenExchangeUSGov")
    app = container(env=[file_variable(OUR_FILE)], volumeMounts=[mount(VOLUME, MOUNT_PATH)])
    spec = pod(app, volumes=[token_volume(VOLUME)])["spec"]
    assert place_tokens(spec, [app], us).warnings != ()


def test_a_token_of_an_init_container_is_shared_where_it_is() -> None:
    """All containers of the pod are asked where the volume is mounted."""
    init, app = container("init", volumeMounts=[mount(AZURES, "/entra")]), container()
    spec = pod(app, initContainers=[init], volumes=[token_volume(AZURES, path="token")])["spec"]
    assert place_tokens(spec, [init, app], identity()).accesses[1] == Access("/entra/token", Mount(AZURES, "/entra"))


def test_a_foreign_mount_on_the_other_path_too_stays() -> None:
    """The next free path is found; the other container keeps the plain one."""
    app = container(volumeMounts=[mount("mine", MOUNT_PATH), mount("mine", OTHER_MOUNT_PATH + "/")])
    found = placed(app, container("log"), volumes=[{"name": "mine", **EMPTY}])
    second = f"{OTHER_MOUNT_PATH}-2"
    assert found.accesses == (Access(f"{second}/{TOKEN_FILE}", Mount(OTHER_VOLUME, second)), MOVED)


def test_a_foreign_volume_of_our_name_stays() -> None:
    """The token then has the other name and the other path, for all containers, with a warning for each."""
    found = placed(container(), container("log"), volumes=[{"name": VOLUME, **EMPTY}])
    assert (found.accesses, found.volumes) == ((MOVED, MOVED), (OTHER_VOLUME,))
    assert texts(found) == (
        "the token is in /var/run/secrets/m365/tokens, because volume azure-identity-token is taken: container app",
        "the token is in /var/run/secrets/m365/tokens, because volume azure-identity-token is taken: container log",
    )


def test_a_foreign_volume_of_both_our_names_stays() -> None:
    """The first free number is taken."""
    taken = [{"name": name, **EMPTY} for name in (VOLUME, OTHER_VOLUME, f"{OTHER_VOLUME}-2", f"{OTHER_VOLUME}-4")]
    assert placed(container(), volumes=taken).volumes == (f"{OTHER_VOLUME}-3",)


def test_if_all_containers_have_a_token_no_volume_is_added() -> None:
    """Even if somebody else has our name."""
    app = container(volumeMounts=[mount("e", "/e")])
    assert placed(app, volumes=[{"name": VOLUME, **EMPTY}, token_volume("e")]).volumes == ()


def test_a_volume_of_a_container_that_is_skipped_is_still_present() -> None:
    """Only the containers given are placed, but the whole pod's volumes count."""
    spec = pod(container(volumeMounts=[mount("e", "/e")]), container("log"), volumes=[token_volume("e", path="t")])[
        "spec"
    ]
    found = place_tokens(spec, spec["containers"][1:], identity())
    assert found.accesses == (Access(f"{MOUNT_PATH}/t", Mount("e", MOUNT_PATH)),)


def test_a_container_that_names_our_file_and_gets_it_there_is_not_warned() -> None:
    """Neither where another container has the same volume elsewhere, nor where our volume's name is taken."""
    bound = container("log", env=[file_variable(OUR_FILE)])
    app = container(volumeMounts=[mount("e", "/entra")])
    shared = placed(app, bound, volumes=[token_volume("e")])
    assert shared.accesses[1] == Access(OUR_FILE, Mount("e", MOUNT_PATH))
    assert shared.warnings == ()
    assert placed(bound, volumes=[{"name": VOLUME, **EMPTY}]).warnings == ()


@pytest.mark.parametrize("path", ["/entra/cache", "/entra/a/b"])
def test_a_shared_token_is_not_mounted_around_a_containers_own_mount(path: str) -> None:
    """The pod would never start."""
    app = container(volumeMounts=[mount(AZURES, "/entra")])
    log = container("log", volumeMounts=[mount("cache", path)])
    found = placed(app, log, volumes=[token_volume(AZURES), {"name": "cache", **EMPTY}])
    assert found.accesses[1].mount != Mount(AZURES, "/entra")


def test_a_warning_names_the_path_that_is_taken() -> None:
    """Where a shared token's place is somebody else's, that place is named and not ours."""
    app = container(volumeMounts=[mount(AZURES, "/entra")])
    log = container("log", volumeMounts=[mount("cache", "/entra")])
    (warning,) = placed(app, log, volumes=[token_volume(AZURES), {"name": "cache", **EMPTY}]).warnings
    assert warning.text == f"the token is in {MOUNT_PATH}, because /entra is taken: container log"


def test_if_a_shared_tokens_path_is_taken_our_own_path_is_next() -> None:
    """The path of the guide comes before any other."""
    app = container(volumeMounts=[mount(AZURES, "/entra")])
    log = container("log", volumeMounts=[mount("mine", "/entra")])
    found = placed(app, log, volumes=[token_volume(AZURES), {"name": "mine", **EMPTY}])
    assert found.accesses[1] == Access(OUR_FILE, Mount(AZURES, MOUNT_PATH))
