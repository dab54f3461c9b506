"""Helper containers in pods that people run: on Windows, in a mesh, behind proxies, in a namespace with limits."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.core.cases import CLIENT
from tests.core.support import account, container, mount, pod, request
from webhook.core.decision import Decision, decide
from webhook.core.helper_resources import helper_resources
from webhook.core.mutation import apply
from webhook.core.names import AZURE_CLIENT_ID, PREFLIGHT, TOKEN_ENDPOINT
from webhook.core.policy import HELPER_RESOURCES, Policy

Json = dict[str, Any]
POLICY = Policy(helper_image="m365-identity:1")


def decided(asked: Json, *, helper: str = PREFLIGHT, annotations: Mapping[str, str] | None = None) -> Decision:
    """The decision about the pod, with a helper container."""
    metadata = {**asked["metadata"], "annotations": {helper: "true"}}
    found = account() if annotations is None else account(annotations)
    return decide(request({**asked, "metadata": metadata}), found, POLICY)


def after(asked: Json, *, helper: str = PREFLIGHT) -> Json:
    """The pod's spec with its helper container."""
    decision = decided(asked, helper=helper)
    assert decision.outcome == "injected", decision
    spec: Json = apply(asked, decision.operations)["spec"]
    return spec


def helper_of(spec: Json) -> Json:
    """The helper container."""
    return next(each for each in spec["initContainers"] if each["name"].startswith("m365-"))


def of(name: str, value: str) -> Json:
    """A variable."""
    return {"name": name, "value": value}


def codes(decision: Decision) -> list[str]:
    """The codes of what is said."""
    return [each.code for each in (*decision.problems, *decision.warnings)]


def on_nodes(*terms: Sequence[Json]) -> Json:
    """The affinity of a pod that can only run on nodes of one of these terms."""
    found = {"nodeSelectorTerms": [{"matchExpressions": list(term)} for term in terms]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": found}}


def system(operator: str, *values: str) -> Json:
    return {"key": "kubernetes.io/os", "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeSelector": {"beta.kubernetes.io/os": "windows"}},
        {"affinity": on_nodes([system("In", "windows")])},
        {"affinity": on_nodes([system("In", "windows"), {"key": "zone", "operator": "Exists"}])},
        {"securityContext": {"windowsOptions": {"hostProcess": True}}},
    ],
)
def test_a_pod_for_windows_nodes_has_no_helper(spec: Json) -> None:
    """However it says so; the helper's image would never start there."""
    decision = decided(pod(**spec))
    assert (decision.outcome, codes(decision)) == ("denied", ["WI128"])


@pytest.mark.parametrize(
    "spec",
    [
        {"affinity": on_nodes([system("In", "windows")], [system("In", "linux")])},
        {"affinity": on_nodes([system("In", "linux", "windows")])},
        {"affinity": on_nodes([system("NotIn", "windows")])},
        {"affinity": {"nodeAffinity": None, "podAffinity": {}}},
        {"affinity": on_nodes()},
        {"securityContext": {"windowsOptions": {"runAsUserName": "ContainerUser"}}},
    ],
)
def test_a_pod_that_may_run_on_linux_has_its_helper(spec: Json) -> None:
    """One of several terms is enough for the scheduler."""
    assert helper_of(after(pod(**spec)))


@pytest.mark.parametrize(
    "sidecar",
    [
        container("proxy") | {"image": "docker.io/istio/proxyv2:1.29-distroless"},
        container("proxy") | {"image": "registry.example/openshift-service-mesh/proxyv2-rhel9@sha256:aa"},
        container("proxy") | {"image": "cr.l5d.io/linkerd/proxy:edge-26.1.1"},
        container("consul-dataplane-api") | {"image": "hashicorp/consul-dataplane:1.9"},
        container("consul-dataplane"),
    ],
)
def test_the_proxy_of_a_mesh_is_known_by_its_image_too(sidecar: Json) -> None:
    """Its name can be chosen; Consul gives one to each service. It is not one of the pod's own containers either."""
    security = {"securityContext": {"runAsUser": 1337}}
    spec = after(pod(initContainers=[{**sidecar, **security, "restartPolicy": "Always"}, container("mine")]))
    assert [each["name"] for each in spec["initContainers"]] == [sidecar["name"], "m365-preflight", "mine"]
    late = decided(pod(sidecar, container()))
    assert codes(late) == ["WI230"]


@pytest.mark.parametrize("image", ["example.com/proxy:1", "linkerd/proxy-init:v2", "example.com/proxyv2x", "x" * 5000])
def test_another_native_sidecar_stands_behind_the_helper(image: str) -> None:
    """It may rely on it."""
    spec = after(pod(initContainers=[container("proxy", restartPolicy="Always") | {"image": image}]))
    assert [each["name"] for each in spec["initContainers"]] == ["m365-preflight", "proxy"]


def test_a_container_with_a_proxy_lends_it_rather_than_one_with_exceptions_alone() -> None:
    """A sidecar with NO_PROXY stands first in many pods."""
    first = container("log", env=[of("NO_PROXY", "10.0.0.0/8")])
    second = container(env=[of("https_proxy", "proxy.example:3128"), of("no_proxy", ".svc")])
    env = {entry["name"]: entry.get("value") for entry in helper_of(after(pod(first, second)))["env"]}
    assert (env["https_proxy"], env["no_proxy"]) == ("proxy.example:3128", ".svc")
    assert "NO_PROXY" not in env
    alone = {entry["name"] for entry in helper_of(after(pod(first)))["env"]}
    assert "NO_PROXY" in alone


@pytest.mark.parametrize(
    "exceptions", ["127.0.0.0/8", "*", "localhost 127.0.0.1 .svc", "localhost,*", "127.0.0.1:20365"]
)
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "https_proxy"])
def test_exceptions_that_not_every_client_understands_are_told(exceptions: str, variable: str) -> None:
    """@azure/identity 4.14.1 compares letter by letter, and asks HTTPS_PROXY, too; requests divides at commas only."""
    app = container(env=[of(variable, "http://proxy.example:3128"), of("NO_PROXY", exceptions)])
    assert codes(decided(pod(app), helper=TOKEN_ENDPOINT)) == ["WI233"]


@pytest.mark.parametrize("directory", ["/opt", "/opt/m365wi/", "/usr/lib", "/"])
def test_authorities_on_a_folder_of_the_helpers_own_image_are_left_out(directory: str) -> None:
    """Their mount would hide the program itself: the container could not start."""
    app = container(env=[of("SSL_CERT_FILE", f"{directory}/ca.pem")], volumeMounts=[mount("ca", directory)])
    asked = pod(app, volumes=[{"name": "ca", "configMap": {"name": "ca"}}])
    assert codes(decided(asked)) == ["WI232"]
    helper = helper_of(after(asked))
    assert directory not in {each["mountPath"] for each in helper["volumeMounts"]}
    assert "SSL_CERT_FILE" not in {entry["name"] for entry in helper["env"]}


def test_a_folder_of_certificates_beside_it_is_shared() -> None:
    """Below the same folders there is room enough."""
    directory = "/usr/local/share/ca-certificates"
    app = container(env=[of("SSL_CERT_DIR", directory)], volumeMounts=[mount("ca", directory)])
    helper = helper_of(after(pod(app, volumes=[{"name": "ca", "secret": {"secretName": "ca"}}])))
    assert directory in {each["mountPath"] for each in helper["volumeMounts"]}


def test_a_tenant_that_only_the_containers_set_is_missing_in_the_helper() -> None:
    """It has only what the annotations say, so the warning stays."""
    app = pod(container(env=[of("M365_TENANT_ID", "contoso.com")]))
    assert codes(decided(app, annotations={AZURE_CLIENT_ID: CLIENT})) == ["WI102"]
    assert not decide(request(app), account({AZURE_CLIENT_ID: CLIENT}), POLICY).warnings


def amounts(text: str) -> Json:
    """Resources, from `cpu/memory requested : cpu/memory limited`, with `-` for what is not set."""
    found: Json = {}
    for kind, part in zip(("requests", "limits"), text.split(":"), strict=True):
        cpu, memory = part.split("/")
        found[kind] = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value != "-"}
    return {kind: values for kind, values in found.items() if values}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (["-/-:-/-"], "10m/64Mi:-/128Mi"),
        (["1/1Gi:-/-"], "100m/128Mi:-/128Mi"),
        (["50m/80Mi:-/-", "20m/1Gi:-/-"], "20m/80Mi:-/128Mi"),
        (["1/1Gi:-/-", "-/-:-/-"], "10m/64Mi:-/128Mi"),
        (["5m/1Mi:-/-"], "10m/64Mi:-/128Mi"),
        # LimitRange: maxLimitRequestRatio
        (["5m/16Mi:20m/20Mi"], "25m/103Mi:100m/128Mi"),
        (["200m/32Mi:400m/32Mi", "10m/10Mi:40m/40Mi"], "25m/64Mi:100m/128Mi"),
        (["5m/16Mi:20m/-"], "25m/64Mi:100m/128Mi"),
    ],
)
def test_a_helper_fits_what_the_namespace_may_want(own: list[str], expected: str) -> None:
    """A LimitRange shows only in what it lets the pod's own containers have."""
    asked = pod(*(container(f"c{number}", resources=amounts(text)) for number, text in enumerate(own)))
    assert helper_resources(asked, HELPER_RESOURCES) == amounts(expected)


def test_what_the_platform_engineer_sets_is_requested() -> None:
    """Also beside larger containers."""
    settings = {"requests": {"cpu": "11m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
    assert helper_resources(pod(container(resources=amounts("1/1Gi:-/-"))), settings) == settings


@pytest.mark.parametrize(
    ("whole", "own", "expected"),
    [
        (
            {"requests": {"memory": "1Gi"}},
            "-/-:-/512Mi",
            {"limits": {"memory": "128Mi"}, "requests": {"memory": "0", "cpu": "10m"}},
        ),
        ({"requests": {"memory": "1Gi"}}, "-/64Mi:-/-", {"requests": {"cpu": "10m"}}),
        ({"limits": {"memory": "1Gi"}}, "-/64Mi:-/64Mi", {"requests": {"cpu": "10m"}}),
    ],
)
def test_a_pod_that_only_requests_as_a_whole_keeps_the_limit_of_its_containers(
    whole: Json, own: str, expected: Json
) -> None:
    """kube-apiserver 1.37 makes the pod's limit of those of all containers, and none if one has none."""
    asked = pod(container(resources=amounts(own)), resources=whole)
    assert helper_resources(asked, HELPER_RESOURCES) == expected
