"""Ours beside Azure's webhook and others, in every order in which kube-apiserver may call them."""

import itertools
from typing import Any

import pytest

from tests.core import azure
from tests.core.cases import CLIENT, TENANT, USUAL_ANNOTATIONS
from tests.core.support import account, container, mount, pod, request, token_volume
from webhook.core.decision import decide
from webhook.core.mutation import apply
from webhook.core.policy import Policy

Json = dict[str, Any]


def ours(pod: Json) -> Json:
    found = decide(request(pod), account(pod.get("x-account") or USUAL_ANNOTATIONS), Policy())
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


def token_at(pod: Json, container: Json, file: str) -> Json:
    """The projected token that the kubelet writes to `file` of a container."""
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    inside = [each for each in container["volumeMounts"] if file.startswith(each["mountPath"].rstrip("/") + "/")]
    assert inside, f"{container['name']}: {file} is in no mount"
    inner = max(inside, key=lambda each: len(each["mountPath"]))
    assert not inner.get("subPath")
    tokens = [
        source["serviceAccountToken"]
        for source in volumes[inner["name"]]["projected"]["sources"]
        if source.get("serviceAccountToken", {}).get("path") == file.removeprefix(inner["mountPath"].rstrip("/") + "/")
    ]
    assert len(tokens) == 1, f"{container['name']}: {file} is not a token"
    return dict(tokens[0])


def read_by_the_provider(container: Json) -> str:
    """The token file that Terraform's provider reads: which variable names it, the method decides."""
    names = {"workload_identity": "AZURE_FEDERATED_TOKEN_FILE", "oidc": "M365_OIDC_TOKEN_FILE_PATH"}
    return value_of(container, names[value_of(container, "M365_AUTH_METHOD")])


def assert_valid(pod: Json) -> None:
    """Asserts what kube-apiserver refuses a pod for: a name or a mount path that stands twice."""
    spec = pod["spec"]
    names = [volume["name"] for volume in spec["volumes"]]
    assert len(set(names)) == len(names)
    for each in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        paths = [mount["mountPath"].rstrip("/") for mount in each.get("volumeMounts") or ()]
        assert len(set(paths)) == len(paths)
        assert {mount["name"] for mount in each.get("volumeMounts") or ()} <= set(names)


def assert_signs_in(
    pod: Json, audience: str = "api://AzureADTokenExchange", *, skipped: tuple[str, ...] = (), azures: bool = True
) -> None:
    """Asserts that kube-apiserver takes the pod and that each container finds its token where it looks for it.

    azures: whether AZURE_FEDERATED_TOKEN_FILE is there, too.
    """
    assert_valid(pod)
    for each in [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]:
        if each["name"] in skipped:
            continue
        assert token_at(pod, each, read_by_the_provider(each))["audience"] == audience
        if azures:
            token_at(pod, each, value_of(each, "AZURE_FEDERATED_TOKEN_FILE"))
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
    """Either may come first, whatever is added in between, whichever version Azure's webhook has."""
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


PUBLIC, CHINA = "api://AzureADTokenExchange", "api://AzureADTokenExchangeChina"
GUIDES = "/var/run/secrets/azure/tokens"
NAMED = {"name": "AZURE_FEDERATED_TOKEN_FILE", "value": f"{GUIDES}/azure-identity-token"}
EMPTY: Json = {"name": "mine", "emptyDir": {}}
M365 = "m365.workload.identity/"


def named(file: str) -> Json:
    """The variable, set by hand."""
    return {"name": "AZURE_FEDERATED_TOKEN_FILE", "value": file}


# Pods as people write them.
SHAPES: dict[str, Json] = {
    "plain": pod(),
    "with an init container": pod(initContainers=[container("init")]),
    "with a native sidecar": pod(initContainers=[container("proxy", restartPolicy="Always")]),
    "two containers": pod(container(), container("log")),
    "empty lists": pod(container(env=[], volumeMounts=[]), volumes=[]),
    "variables of its own": pod(container(env=[{"name": "A", "value": "$(AZURE_CLIENT_ID)"}])),
    "the guide's file by hand": pod(container(env=[NAMED])),
    "the guide's file by hand, in one container": pod(container(env=[NAMED]), container("log")),
    "the guide's file and volume by hand": pod(
        container(env=[NAMED], volumeMounts=[mount("azure-identity-token", GUIDES)]),
        volumes=[token_volume("azure-identity-token")],
    ),
    "a token by hand, elsewhere": pod(
        container(env=[named("/entra/token")], volumeMounts=[mount("entra", "/entra")]),
        volumes=[token_volume("entra", path="token")],
    ),
    "a mounted token by hand": pod(
        container(volumeMounts=[mount("entra", "/entra")]), volumes=[token_volume("entra", path="token")]
    ),
    "a token by hand that nobody mounts": pod(volumes=[token_volume("entra")]),
    "a token for somebody else": pod(
        container(volumeMounts=[mount("vault", "/vault")]), volumes=[token_volume("vault", audience="vault")]
    ),
    "a token for somebody else by hand": pod(
        container(env=[named("/vault/azure-identity-token")], volumeMounts=[mount("vault", "/vault")]),
        volumes=[token_volume("vault", audience="vault")],
    ),
    "the API server's token by hand": pod(
        container(env=[named("/api/token")], volumeMounts=[mount("api", "/api")]),
        volumes=[{"name": "api", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
    ),
    "both webhooks by name": pod(labels={"azure.workload.identity/use": "true", "app": "web"}),
    "the method oidc": pod(annotations={f"{M365}auth-method": "oidc"}),
    "another lifetime": pod(annotations={"azure.workload.identity/service-account-token-expiration": "7200"}),
    "a skipped container": pod(
        container(), container("log"), annotations={"azure.workload.identity/skip-containers": "log"}
    ),
    "more families": pod(annotations={f"{M365}env": "m365,azure,arm,powerplatform,cli,ansible"}),
    "an identity binding": pod(annotations={azure.BINDING: "true"}),
    "an identity binding and an init container": pod(
        initContainers=[container("init")], annotations={azure.BINDING: "TRUE"}
    ),
    "an identity binding and the guide's file by hand": pod(
        container(env=[NAMED]), container("log"), annotations={azure.BINDING: "true"}
    ),
    "an identity binding and more families": pod(
        annotations={azure.BINDING: "true", f"{M365}env": "m365,azure,arm,powerplatform"}
    ),
    "another audience": {**pod(), "x-account": {**USUAL_ANNOTATIONS, f"{M365}audience": "api://own"}},
    "china": pod(annotations={f"{M365}cloud": "china"}),
    "china and the guide's file by hand": pod(container(env=[NAMED]), annotations={f"{M365}cloud": "china"}),
}
OWN_AUDIENCE = {"another audience": "api://own", "china": CHINA, "china and the guide's file by hand": CHINA}
SHARED = {"a token by hand, elsewhere", "a mounted token by hand", "a token by hand that nobody mounts"}


def is_known_limit(shape: str, order: str, version: str) -> bool:
    """Whether Azure's webhook up to 1.5.1, called after ours, takes its path for itself (docs/coexistence.md).

    It writes the volume azure-identity-token anew, with its own audience. And it mounts it at the guide's path, where a
    volume that somebody wrote by hand may be by then.
    """
    late = "m" in order and "a" in order[order.index("m") :]
    return version == "1.5.1" and late and (shape in OWN_AUDIENCE or shape in SHARED)


TRIED = [
    pytest.param(shape, order, version, id=f"{shape}-{shown(order)}-{version}")
    for shape in SHAPES
    # Where a sidecar comes last, the webhook that asks to be called again sees it.
    for order in ("m", *(each + "m" if each == "ams" else each for each in ORDERS), "asma", "asmam")
    for version in azure.VERSIONS
    if not is_known_limit(shape, order, version)
]


@pytest.mark.parametrize(("shape", "order", "version"), TRIED)
def test_every_shape_of_a_pod_signs_in(shape: str, order: str, version: str) -> None:
    """Either may come first: the provider's file is our token, and the Azure SDKs' file is a token."""
    after = run(SHAPES[shape], order, version)
    skipped = ("log",) if shape == "a skipped container" else ()
    # With a binding, only Azure's webhook names the token of the Azure SDKs, and only where it has been.
    azures = not shape.startswith("an identity binding") or "a" in order[order.rfind("s") + 1 :]
    assert_signs_in(after, OWN_AUDIENCE.get(shape, PUBLIC), skipped=skipped, azures=azures)


@pytest.mark.parametrize("order", ["am", "ma", "mam", "ama"], ids=shown)
@pytest.mark.parametrize("version", ["1.6.0", "later"])
def test_the_azure_sdks_keep_the_token_of_an_identity_binding(order: str, version: str) -> None:
    """Its proxy expects its own audience; ours there would be refused."""
    after = run(SHAPES["an identity binding"], order, version)
    (app,) = after["spec"]["containers"]
    assert token_at(after, app, value_of(app, "AZURE_FEDERATED_TOKEN_FILE"))["audience"] == azure.BINDING_AUDIENCE
    assert value_of(app, "M365_OIDC_TOKEN_FILE_PATH") == "/var/run/secrets/m365/tokens/azure-identity-token"
    assert [volume["name"] for volume in after["spec"]["volumes"]].count("m365-identity-token") == 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("steps", ["m", "am", "ma", "mam", "ama", "amam"], ids=shown)
@pytest.mark.parametrize("version", azure.VERSIONS)
def test_a_second_call_of_ours_adds_nothing_to_any_shape(shape: str, steps: str, version: str) -> None:
    """After Azure's webhook has been there, at most one call more: for what its token is not."""
    after = ours(run(SHAPES[shape], steps, version))
    assert ours(after) == after


def test_the_file_by_hand_is_where_the_guide_says() -> None:
    """Not merely mounted somewhere: the variable names it, and it is there (after 1.6.0 it was not)."""
    after = run(SHAPES["the guide's file by hand"], "am", "1.6.0")
    (app,) = after["spec"]["containers"]
    assert value_of(app, "AZURE_FEDERATED_TOKEN_FILE") == f"{GUIDES}/azure-identity-token"
    assert token_at(after, app, f"{GUIDES}/azure-identity-token")["audience"] == PUBLIC


def test_an_older_azures_webhook_after_ours_takes_the_audience_and_the_user_is_told() -> None:
    """The patch only adds, so the method that was set before stays: the library has the right token, Terraform not."""
    after = run(SHAPES["china"], "ma", "1.5.1")
    found = decide(request(after), account(), Policy())
    assert [warning.code for warning in found.warnings] == ["WI216", "WI210"]
    (app,) = apply(after, found.operations)["spec"]["containers"]
    token = token_at(apply(after, found.operations), app, value_of(app, "M365_OIDC_TOKEN_FILE_PATH"))
    assert token["audience"] == CHINA
