"""The Deployment: what the webhook is told, how it is looked after, and with how little it makes do."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from testbed.chart.helm import CHART, NAME, NAMESPACE, helm, template
from tests.chart.objects import HOOK, container, installed, one, some
from webhook.core.policy import Policy
from webhook.server.startup import HELD_SECONDS
from webhook.server.worker_parts import BACKGROUND_ENDS_SECONDS, Drain
from webhook.settings import FILES, SELF_MANAGED, ServeSettings, add_flags, read_settings

pytestmark = pytest.mark.slow

IMAGE: Final = "m365-workload-identity:0.1.0"
DIGEST: Final = "sha256:" + "0123456789abcdef" * 4


def settings(values: dict[str, Any] | None = None, **options: Any) -> ServeSettings:
    """What the webhook itself makes of its arguments and its environment."""
    return understood(container(installed(values, **options)))


def understood(found: dict[str, Any]) -> ServeSettings:
    """The same, of its container."""
    parser = argparse.ArgumentParser()
    add_flags(parser)
    command, *flags = found["args"]
    assert command == "serve"
    environ = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}  # which the kubelet adds
    environ |= {each["name"]: each["value"] for each in found["env"] if "value" in each}
    return read_settings(parser.parse_args(flags), environ)


def pod(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The spec of the webhook's pods."""
    found: dict[str, Any] = one(installed(values), "Deployment")["spec"]["template"]["spec"]
    return found


def test_the_webhook_understands_what_it_is_told() -> None:
    """By default: the names of the chart's own objects, certificates of its own, its own image for helpers."""
    found = settings()
    objects = installed()
    assert found.certificates == SELF_MANAGED
    assert found.rotation.secret == one(objects, "Secret")["metadata"]["name"]
    assert found.rotation.service == one(objects, "Service")["metadata"]["name"]
    assert found.rotation.configuration == one(objects, "MutatingWebhookConfiguration")["metadata"]["name"]
    assert found.policy.own_namespace == NAMESPACE
    assert (found.policy.scope, found.policy.cloud, found.policy.tenant_id) == ("pod-label", "public", "")
    assert found.policy.env == ("m365", "azure")
    assert found.policy.helper_image == IMAGE
    assert (str(found.listen), str(found.ops_listen)) == ("0.0.0.0:9443", "0.0.0.0:8080")


def test_every_setting_of_the_values_arrives() -> None:
    """Each other than its default."""
    found = settings(
        {
            "name": "identity",
            "scope": "cluster",
            "tenantId": "contoso.onmicrosoft.com",
            "cloud": "china",
            "audience": 'api://"x"#y',
            "env": "arm,m365",
            "helper": {"image": f"registry.example.com/helper@{DIGEST}"},
            "logLevel": "debug",
            "port": 10250,
            "operationsPort": 9090,
            "listenAddress": "::",
            "extraEnv": [{"name": "M365WI_LEAF_LIFETIME", "value": "7d"}],
        },
        namespace="elsewhere",
    )
    assert found.policy.own_namespace == "elsewhere"
    assert (found.policy.scope, found.policy.cloud, found.policy.tenant_id) == (
        "cluster",
        "china",
        "contoso.onmicrosoft.com",
    )
    assert found.policy.audience == 'api://"x"#y'
    assert found.policy.env == ("m365", "arm")
    assert found.policy.helper_image == f"registry.example.com/helper@{DIGEST}"
    assert found.log_level == "debug"
    assert (str(found.listen), str(found.ops_listen)) == ("[::]:10250", "[::]:9090")
    assert (found.rotation.secret, found.rotation.service, found.rotation.configuration) == (
        "identity-ca",
        "identity",
        "identity",
    )
    assert found.rotation.leaf_lifetime.days == 7


def test_the_settings_of_helper_containers_arrive() -> None:
    """By default those of the webhook itself; null leaves a user out, and what is set is added to the defaults."""
    usual = Policy(helper_image=IMAGE)
    assert settings().policy == usual
    found = settings(
        {
            "helper": {
                "resources": {"requests": {"cpu": 0.5}, "limits": {"cpu": "1", "memory": None}},
                "securityContext": {"runAsUser": 1000650000, "runAsGroup": None},
                "env": {"HTTPS_PROXY": "http://proxy.example.com:3128?<&>", "no_proxy": '.svc,"'},
                "authorities": {"configMap": "corporate"},
                "networkSidecars": ["gate", "mesh"],
            }
        }
    )
    assert found.policy == replace(
        usual,
        helper_resources={"requests": {"cpu": "0.5", "memory": "64Mi"}, "limits": {"cpu": "1"}},
        helper_security_context={"runAsUser": 1000650000},
        helper_env={"HTTPS_PROXY": "http://proxy.example.com:3128?<&>", "no_proxy": '.svc,"'},
        helper_authorities="corporate/ca.crt",
        helper_network_sidecars=("gate", "mesh"),
    )
    nothing = settings({"helper": {"resources": {"requests": None, "limits": None}}}).policy
    assert nothing.helper_resources == {}


def test_without_helper_images_no_pod_gets_a_helper() -> None:
    """The webhook then refuses a pod that asks."""
    assert settings({"helper": {"enabled": False}}).policy.helper_image == ""


@pytest.mark.parametrize("certificates", [{}, {"mode": "cert-manager"}], ids=["self-managed", "cert-manager"])
@pytest.mark.parametrize(
    ("clients", "source"),
    [
        ({"configMapName": "clients"}, {"configMap": {"name": "clients"}}),
        ({"secretName": "clients", "key": "tls.crt"}, {"secret": {"secretName": "clients"}}),
    ],
    ids=["ConfigMap", "Secret"],
)
def test_the_authorities_of_clients_are_mounted_and_read(
    clients: dict[str, Any],
    source: dict[str, dict[str, Any]],
    certificates: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That key of the object and no other, beside the pair if that is in files, too."""
    names = ["kube-apiserver", "CN with space"]
    objects = installed({"certificates": certificates, "clientCertificates": {**clients, "names": names}})
    spec = one(objects, "Deployment")["spec"]["template"]["spec"]
    (volume,) = (each for each in spec["volumes"] if each["name"] == "clients")
    ((kind, expected),) = source.items()
    assert volume[kind] == {**expected, "items": [{"key": clients.get("key", "ca.crt"), "path": "ca.crt"}]}
    (mount,) = (each for each in container(objects)["volumeMounts"] if each["name"] == "clients")
    assert mount["readOnly"]
    asked: list[Path] = []
    monkeypatch.setattr(Path, "exists", lambda path: True)
    monkeypatch.setattr("certs.clients.read_authorities", asked.append)
    found = understood(container(objects))
    assert asked == [found.client_ca]
    assert str(found.client_ca) == f"{mount['mountPath']}/ca.crt"
    assert found.client_names == ("kube-apiserver", "CN with space")


def test_the_page_of_explain_is_there_on_request_only() -> None:
    """It takes a thread and memory, and strangers who reach the port may use it."""
    assert not settings().explain_page
    assert settings({"explain": {"enabled": True}}).explain_page


TRACING: Final = {
    "endpoint": "https://collector.example.com:4318",
    "sampleRatio": 0.05,
    "headersSecret": {"name": "collector"},
    "authorities": {"configMap": "corporate", "key": "bundle.pem"},
    "resourceAttributes": {"k8s.cluster.name": "east 1"},
}


def test_traces_are_sent_on_request_only() -> None:
    """To the collector that is named, with what it needs, and with where they come from."""
    assert settings().tracing is None
    objects = installed({"tracing": TRACING})
    found = container(objects)
    env = {each["name"]: each.get("value") or each["valueFrom"] for each in found["env"]}
    assert env.pop("POD_NAME") == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert env.pop("OTEL_EXPORTER_OTLP_HEADERS") == {"secretKeyRef": {"name": "collector", "key": "headers"}}
    assert env["OTEL_RESOURCE_ATTRIBUTES"] == (
        f"k8s.cluster.name=east 1,k8s.deployment.name={NAME},k8s.namespace.name={NAMESPACE},k8s.pod.name=$(POD_NAME)"
    )
    assert (env["OTEL_TRACES_SAMPLER"], env["OTEL_TRACES_SAMPLER_ARG"]) == ("parentbased_traceidratio", "0.05")
    (mount,) = found["volumeMounts"]
    assert env["OTEL_EXPORTER_OTLP_CERTIFICATE"] == f"{mount['mountPath']}/ca.crt"
    (volume,) = one(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert volume["configMap"] == {"name": "corporate", "items": [{"key": "bundle.pem", "path": "ca.crt"}]}
    found["env"] = [each for each in found["env"] if each["name"] != "OTEL_EXPORTER_OTLP_CERTIFICATE"]  # not here
    tracing = understood(found).tracing
    assert tracing
    assert tracing.endpoint == "https://collector.example.com:4318/v1/traces"


def test_a_collector_may_need_nothing_but_its_url() -> None:
    """And a variable of the user's own wins."""
    own = {"name": "OTEL_TRACES_SAMPLER", "value": "always_off"}
    objects = installed({"tracing": {"endpoint": "http://collector:4318"}, "extraEnv": [own]})
    found = container(objects)
    assert [each for each in found["env"] if each["name"] == own["name"]] == [own]
    assert "volumeMounts" not in found
    assert {each["name"] for each in found["env"]} == {
        *("MALLOC_MMAP_THRESHOLD_", "POD_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        *("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"),
    }


def test_every_client_is_answered_by_default() -> None:
    """No authority of clients, and no volume."""
    assert settings().client_ca is None
    assert "volumes" not in pod()


@pytest.mark.parametrize(
    "certificates",
    [{"mode": "cert-manager"}, {"mode": "files", "secretName": "our-pair"}],
    ids=["cert-manager", "files"],
)
def test_a_pair_of_others_is_mounted_and_read(certificates: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the webhook looks is where the Secret is mounted."""
    objects = installed({"certificates": certificates})
    spec = one(objects, "Deployment")["spec"]["template"]["spec"]
    (volume,) = spec["volumes"]
    assert volume["secret"]["secretName"] == certificates.get("secretName", f"{NAME}-tls")
    (mount,) = container(objects)["volumeMounts"]
    assert (mount["name"], mount["readOnly"]) == (volume["name"], True)
    monkeypatch.setattr(Path, "exists", lambda path: str(path).startswith(mount["mountPath"]))
    found = understood(container(objects))
    assert found.certificates == FILES
    assert (str(found.tls_cert), str(found.tls_key)) == (
        f"{mount['mountPath']}/tls.crt",
        f"{mount['mountPath']}/tls.key",
    )


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ({}, IMAGE),
        ({"repository": "registry.example.com:5000/m365", "tag": "1"}, "registry.example.com:5000/m365:1"),
        ({"digest": DIGEST, "tag": "1"}, f"m365-workload-identity@{DIGEST}"),
    ],
    ids=["default", "tag", "digest"],
)
def test_the_image_is_named_in_one_place(image: dict[str, str], name: str) -> None:
    """For the webhook, its helpers and its test; a digest comes before a tag."""
    objects = template({"image": image})
    assert container(objects)["image"] == name
    assert f"--helper-image={name}" in container(objects)["args"]
    (test,) = one(objects, "Pod")["spec"]["containers"]
    assert (test["image"], {"name": "TEST_IMAGE", "value": name} in test["env"]) == (name, True)


def test_a_roll_out_never_takes_a_replica_away_first() -> None:
    """Two replicas; a new one is ready, and known to be, before an old one goes."""
    spec = one(installed(), "Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert spec["minReadySeconds"] > 0


def test_on_the_nodes_network_an_old_replica_makes_room_first() -> None:
    """Its ports are the node's, so with as many replicas as nodes a new one would wait for ever."""
    spec = one(installed({"hostNetwork": True}), "Deployment")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


@pytest.mark.parametrize("pause", [0, 5, 60])
def test_there_is_time_to_drain(pause: int) -> None:
    """The kubelet kills only after the pause, everything that the server may take, and ten seconds."""
    spec = pod({"preStopSeconds": pause})
    drain = Drain().pause + Drain().finish + BACKGROUND_ENDS_SECONDS
    assert spec["terminationGracePeriodSeconds"] > pause + drain + 10
    (only,) = spec["containers"]
    assert only.get("lifecycle") == ({"preStop": {"sleep": {"seconds": pause}}} if pause else None)


def test_replicas_keep_apart_and_are_not_evicted_lightly() -> None:
    """By anti-affinity and spread over zones and nodes, each only where it can be; by priority and budget."""
    objects = installed()
    selector = one(objects, "Deployment")["spec"]["selector"]
    spec = pod()
    (term,) = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"] == {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}
    spread = {each["topologyKey"]: each for each in spec["topologySpreadConstraints"]}
    assert set(spread) == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    for each in spread.values():
        assert (each["whenUnsatisfiable"], each["labelSelector"]) == ("ScheduleAnyway", selector)
    assert spec["priorityClassName"] == "system-cluster-critical"
    assert one(objects, "PodDisruptionBudget")["spec"] == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": selector,
    }


def test_the_service_and_nothing_else_finds_the_replicas() -> None:
    """Its selector is the pods' labels, and the pod of `helm test` has others."""
    objects = template({"podLabels": {"team": "platform"}, "commonLabels": {"cost": "42"}})
    selector = one(objects, "Service")["spec"]["selector"].items()
    labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert selector <= labels.items()
    assert {"team": "platform", "cost": "42"}.items() <= labels.items()
    assert not selector <= one(objects, "Pod")["metadata"]["labels"].items()
    (port,) = one(objects, "Service")["spec"]["ports"]
    ports = {each["name"]: each["containerPort"] for each in container(objects)["ports"]}
    assert (port["port"], ports[port["targetPort"]]) == (443, 9443)


def test_probes_ask_the_operations_port() -> None:
    """Liveness and readiness are two probes; a slow start is not a failure."""
    found = container(installed({"operationsPort": 9090}))
    assert {each["name"]: each["containerPort"] for each in found["ports"]}["operations"] == 9090
    paths = {name: found[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/startupz", "liveness": "/livez", "readiness": "/readyz"}
    assert {found[f"{name}Probe"]["httpGet"]["port"] for name in paths} == {"operations"}
    assert found["startupProbe"]["failureThreshold"] * found["startupProbe"]["periodSeconds"] >= 60
    assert found["startupProbe"]["timeoutSeconds"] > HELD_SECONDS


def test_it_makes_do_with_nothing() -> None:
    """No root, no capability, no writable disk, no more memory than measured; of the cluster only its API's token."""
    spec, found = pod(), container(installed())
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert found["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "volumes" not in spec
    assert (spec["enableServiceLinks"], spec["automountServiceAccountToken"]) == (False, True)
    assert found["resources"] == {"requests": {"cpu": "100m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}}
    assert {"name": "MALLOC_MMAP_THRESHOLD_", "value": "65536"} in found["env"]


def test_a_variable_of_ones_own_takes_the_place_of_the_charts() -> None:
    """Once: of two kube-apiserver takes the last, with a warning."""
    mine = {"name": "MALLOC_MMAP_THRESHOLD_", "value": "131072"}
    assert container(installed({"extraEnv": [mine]}))["env"] == [mine]


def test_what_is_overridden_replaces_the_charts_own() -> None:
    """Scheduling, priority, resources, security and secrets of the registry are the platform engineer's."""
    mine = {
        "nodeSelector": {"kubernetes.azure.com/mode": "system"},
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [{"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}],
        "imagePullSecrets": [{"name": "registry"}],
    }
    spec = pod({**mine, "priorityClassName": "", "replicas": 3, "resources": {"limits": {"memory": "1Gi"}}})
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "kubernetes.azure.com/mode": "system"}
    assert {key: spec[key] for key in mine if key != "nodeSelector"} == {
        key: value for key, value in mine.items() if key != "nodeSelector"
    }
    assert "priorityClassName" not in spec
    assert spec["containers"][0]["resources"]["limits"] == {"memory": "1Gi"}


def test_the_nodes_network_is_used_on_request_only() -> None:
    """With the cluster's DNS, and a namespace that allows it where the chart makes one."""
    assert "hostNetwork" not in pod()
    objects = installed({"hostNetwork": True, "namespace": {"create": True}})
    spec = one(objects, "Deployment")["spec"]["template"]["spec"]
    assert (spec["hostNetwork"], spec["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert one(objects, "Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    plain = one(installed({"namespace": {"create": True}}), "Namespace")
    assert plain["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_names_and_labels_are_everywhere() -> None:
    """Every object has the common labels; names follow `name`, so nothing is left of the default."""
    objects = template({"name": "identity", "commonLabels": {"team": "platform"}}, name="identity")
    for each in objects:
        assert each["metadata"]["labels"]["team"] == "platform"
        assert each["metadata"]["name"].startswith("identity")


def test_the_test_leaves_nothing_behind() -> None:
    """Every object of `helm test` is made anew and taken away; its rights are gone even when it fails."""
    hooks = [each for each in template() if HOOK in each["metadata"].get("annotations", {})]
    assert sorted(each["kind"] for each in hooks) == ["Pod", "Role", "RoleBinding", "ServiceAccount"]
    for each in hooks:
        policy = each["metadata"]["annotations"]["helm.sh/hook-delete-policy"].split(",")
        assert {"before-hook-creation", "hook-succeeded"} <= set(policy)
        assert ("hook-failed" in policy) == (each["kind"] != "Pod")
    (role,) = some(hooks, "Role")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("m365-workload-identity", "mirror:5000/a/m365-workload-identity:0.1.0"),
        ("team/m365", "mirror:5000/a/team/m365:0.1.0"),
        ("registry.example.com/team/m365", "mirror:5000/a/team/m365:0.1.0"),
        ("localhost:5001/m365", "mirror:5000/a/m365:0.1.0"),
    ],
)
def test_one_registry_stands_for_all(repository: str, expected: str) -> None:
    """As umbrella charts set it: for the webhook, for the pod of `helm test` and for the helper containers."""
    values = {"image": {"repository": repository}, "global": {"imageRegistry": "mirror:5000/a"}}
    objects = template(values)
    assert container(installed(values))["image"] == expected
    (test,) = one(objects, "Pod")["spec"]["containers"]
    assert test["image"] == expected
    assert settings(values).policy.helper_image == expected
    own = {**values, "helper": {"image": f"ghcr.io/helper@{DIGEST}"}}
    assert settings(own).policy.helper_image == f"mirror:5000/a/helper@{DIGEST}"


def test_the_deployment_and_dns_are_set() -> None:
    """Annotations of the Deployment itself, and the DNS of its pods."""
    values = {"deploymentAnnotations": {"reloader": "yes"}, "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}}
    assert one(installed(values), "Deployment")["metadata"]["annotations"] == {"reloader": "yes"}
    assert pod(values)["dnsConfig"] == {"options": [{"name": "ndots", "value": "1"}]}


def test_the_chart_is_a_dependency_with_a_condition(tmp_path: Path) -> None:
    """Helm's best practices: the parent's value `enabled` decides whether there is one at all."""
    (tmp_path / "charts").mkdir()
    (tmp_path / "templates").mkdir()
    shutil.copytree(CHART, tmp_path / "charts" / NAME)
    condition = f"{{name: {NAME}, version: 0.1.0, condition: {NAME}.enabled}}"
    (tmp_path / "Chart.yaml").write_text(
        f"apiVersion: v2\nname: platform\nversion: 1.0.0\ndependencies: [{condition}]\n"
    )
    for enabled in (True, False):
        shown = helm("template", "platform", str(tmp_path), "--namespace", "infra", values={NAME: {"enabled": enabled}})
        assert shown.count("kind: MutatingWebhookConfiguration") == enabled
