"""Pods as hypothesis makes them: valid where the webhook looks, with unknown fields at every level, and garbage."""

from typing import Any

from hypothesis import strategies as st

from tests.core.cases import CLIENT, TENANT
from tests.core.support import AUDIENCE
from webhook.core import names

Json = dict[str, Any]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
# No field of a pod begins with x: these are fields of a Kubernetes to come, with all that JSON Pointer escapes.
# Written out, because drawing them piece by piece takes ten times as long as everything else together.
UNKNOWN: st.SearchStrategy[Json] = st.sampled_from(
    [
        {},
        {"x": None},
        {"x": True, "x/y": 0},
        {"x~y": 1.5},
        {"x~1": "~0/~1"},
        {"x.y": [], "x y": {}},
        {"xé": [None, {"x": [1, "ü"]}, [[]]]},
        {"x": {"x": {"x": 2**64 - 1, "y": -(2**63)}}},
        {"x": [{"name": "M365_CLOUD"}], "x-volumes": [{"name": "azure-identity-token"}]},
    ]
)

VOLUME_NAMES = [
    names.VOLUME,
    names.OTHER_VOLUME,
    f"{names.OTHER_VOLUME}-2",
    "azure-workload-identity-reserved-425c89ed5bb78a7623fae60fd8a6f6",
    "data",
    "entra",
]
DIRECTORIES = [
    names.MOUNT_PATH,
    names.OTHER_MOUNT_PATH,
    f"{names.OTHER_MOUNT_PATH}-2",
    "/var/run/secrets/azure/wi",
    "/var/run/secrets",
    "/data",
]
# The same directory, spelt in other ways.
SPELLINGS = ["{}", "{}/", "{}/.", "{}/x/.."]
FILES = [
    f"{names.MOUNT_PATH}/{names.TOKEN_FILE}",
    f"{names.OTHER_MOUNT_PATH}/{names.TOKEN_FILE}",
    "/var/run/secrets/azure/wi/token/azure-identity-token",
    "/data/token",
    "/nowhere/token",
    "$(WHERE)/token",
    "",
]
PROVIDED = [
    "AZURE_FEDERATED_TOKEN_FILE",
    "M365_CLIENT_ID",
    "M365_TENANT_ID",
    "M365_AUTH_METHOD",
    "M365_CLOUD",
    "M365_OIDC_TOKEN_FILE_PATH",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_AUTHORITY_HOST",
    "ARM_CLIENT_ID",
    "ARM_TENANT_ID",
    "ARM_USE_OIDC",
    "ARM_OIDC_TOKEN_FILE_PATH",
    "ARM_ENVIRONMENT",
    "POWER_PLATFORM_CLIENT_ID",
    "POWER_PLATFORM_TENANT_ID",
    "POWER_PLATFORM_USE_OIDC",
    "POWER_PLATFORM_CLOUD",
    "ARM_OIDC_REQUEST_TOKEN",
    "ARM_OIDC_REQUEST_URL",
    "CLIMICROSOFT365_ENTRAAPPID",
    "CLIMICROSOFT365_TENANT",
    "AZURE_TENANT",
    "AZURE_CLOUD_ENVIRONMENT",
]
ENV_NAMES = [*PROVIDED, "PATH", "WHERE"]


@st.composite
def env_entries(draw: st.DrawFn) -> Json:
    """A variable: plain, from elsewhere, or without a value."""
    name = draw(st.sampled_from(ENV_NAMES))
    values = FILES if name == "AZURE_FEDERATED_TOKEN_FILE" else [CLIENT, TENANT, "public", "$(M365_CLIENT_ID)", ""]
    value = draw(
        st.one_of(
            st.sampled_from(values).map(lambda value: {"value": value}),
            st.just({"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}),
            st.just({}),
        )
    )
    return {"name": name, **value, **draw(UNKNOWN)}


@st.composite
def volumes(draw: st.DrawFn, name: str) -> Json:
    """A volume: a token of our audience or another, with other sources, or something else."""
    token = {
        "audience": draw(st.sampled_from([AUDIENCE, AUDIENCE, "vault", ""])),
        "path": draw(st.sampled_from([names.TOKEN_FILE, "token", "token/azure-identity-token"])),
    }
    projected = {"projected": {"sources": [{"serviceAccountToken": token, **draw(UNKNOWN)}], **draw(UNKNOWN)}}
    others: list[Json] = [{"emptyDir": {}}, {"projected": {"sources": []}}, {"projected": {"sources": None}}, {}]
    kind = draw(st.just(projected) | st.sampled_from(others))
    return {"name": name, **kind, **draw(UNKNOWN)}


def _maybe_list(entries: st.SearchStrategy[list[Json]], key: str) -> st.SearchStrategy[Json]:
    """A list under `key`; null, empty or missing now and then."""
    return entries.map(lambda found: {key: found}) | st.sampled_from([{}, {key: None}, {key: []}])


@st.composite
def containers(draw: st.DrawFn, name: str, volume_names: list[str]) -> Json:
    """A container; it mounts each directory once, however that is spelt, as Kubernetes wants it."""
    mounts = []
    if volume_names:
        for directory in draw(st.lists(st.sampled_from(DIRECTORIES), unique=True, max_size=3)):
            path = draw(st.sampled_from(SPELLINGS)).format(directory)
            sub_path = draw(
                st.sampled_from([{}, {}, {}, {"subPath": "token"}, {"subPathExpr": "$(WHERE)"}, {"subPath": ""}])
            )
            volume = draw(st.sampled_from(volume_names))
            mounts.append({"name": volume, "mountPath": path, **sub_path, **draw(UNKNOWN)})
    env = draw(_maybe_list(st.lists(env_entries(), max_size=4), "env"))
    with_mounts = draw(_maybe_list(st.just(mounts), "volumeMounts"))
    return {"name": name, "image": "busybox", **env, **with_mounts, **draw(UNKNOWN)}


@st.composite
def pods(draw: st.DrawFn) -> Json:
    """A labelled pod that kube-apiserver would let through, but for its unknown fields."""
    volume_names = draw(st.lists(st.sampled_from(VOLUME_NAMES), unique=True, max_size=4))
    spec: Json = {
        "serviceAccountName": "terraform",
        "containers": [draw(containers(f"app-{index}", volume_names)) for index in range(draw(st.integers(1, 3)))],
    }
    init = [draw(containers(f"init-{index}", volume_names)) for index in range(draw(st.integers(0, 2)))]
    spec |= draw(_maybe_list(st.just(init), "initContainers"))
    present = [draw(volumes(name)) for name in volume_names]
    spec |= {"volumes": present} if present else draw(st.sampled_from([{}, {"volumes": None}, {"volumes": []}]))
    metadata = {
        "name": draw(st.sampled_from(["terraform", "a.b", "bär"])),
        "labels": {names.USE_LABEL: "true"},
        "annotations": draw(pod_annotations()),
        **draw(UNKNOWN),
    }
    unknown = {"x-any": draw(VALUES)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec | draw(UNKNOWN), **unknown}


def _some(choices: dict[str, list[str]]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in choices.items()})


def pod_annotations() -> st.SearchStrategy[dict[str, str]]:
    """Annotations of a pod, all valid."""
    return _some(
        {
            names.SKIP_CONTAINERS: ["app-0", "init-0;app-1", "typo", ""],
            names.CLIENT_ID: [TENANT, " "],
            names.CLOUD: ["public", "gcc"],
            names.AUTH_METHOD: ["oidc", ""],
            names.ENV: ["m365", "azure", "m365,azure,arm,powerplatform,cli,ansible"],
            "example.com/note": ["ü\n"],
        }
    )


def account_annotations() -> st.SearchStrategy[dict[str, str]]:
    """Annotations of a ServiceAccount, all valid."""
    return _some(
        {
            names.AZURE_CLIENT_ID: [CLIENT],
            names.AZURE_TENANT_ID: [TENANT, "contoso.com"],
            names.CLIENT_ID: [TENANT],
            names.TOKEN_EXPIRATION: ["3600", "86400"],
            names.AUDIENCE: [AUDIENCE, "vault"],
            "azure.workload.identity/client_id": ["x"],
        }
    )


# What stands in no pod at such a place, one of each kind first: those find more than long ones.
ODD: st.SearchStrategy[Any] = (
    st.sampled_from([None, [], {}, "", 0, 1.5, True, [[]], [{}], [None], {"x": {}}, "$(x)", "x" * 300]) | VALUES
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in `value` but those inside of unknown fields, which are not read."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = [(key, each) for key, each in value.items() if not key.startswith("x")]
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for key, each in inner for place in _places(each, (*path, key)))]


def replaced(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """`document` with `value` at `place`; what is not on the way is shared."""
    if not place:
        return value
    copied = document.copy()
    copied[place[0]] = replaced(document[place[0]], place[1:], value)
    return copied


@st.composite
def damaged(draw: st.DrawFn, documents: st.SearchStrategy[Any], under: tuple[str, ...] = ()) -> Any:
    """One of `documents` with a few of its values, anywhere below `under`, replaced by something else."""
    document = draw(documents)
    for _ in range(draw(st.integers(1, 3))):
        places = [place for place in _places(document) if place[: len(under)] == under]
        document = replaced(document, draw(st.sampled_from(places or [()])), draw(ODD))
    return document
