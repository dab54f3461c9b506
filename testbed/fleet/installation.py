"""The webhook as its chart installs it, without its processes, which are in `testbed.fleet.fleet`.

An installation reviews only the pods of its own second namespace, so that tests do not disturb each other.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from testbed.cluster.api import Response
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import a_pod, make_account
from testbed.cluster.registration import CONFIGURATIONS, Scope, configuration, settle
from testbed.fleet.watching import bundles, decode

__all__ = ["OURS", "SECRET", "Installation", "seconds"]

ACCOUNT = "webhook"
SECRET = "m365-workload-identity-ca"
SERVICE = "m365-workload-identity"
OURS = ("labelled.m365.workload.identity", "unlabelled.m365.workload.identity")
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MANIFESTS = (
    Path(__file__).parents[2] / "manifests" / "install.yaml"
)  # what the chart renders; `make check` compares them
LONG = ("--ca-lifetime", "2d", "--leaf-lifetime", "4h")


def seconds(
    *, interval: float, settle: float, leaf: float | None = None, authority: float | None = None, skew: float = 3600
) -> tuple[str, ...]:
    """The flags of a rotation, in seconds. Without `leaf`, certificates live long."""
    lives = LONG if leaf is None else ("--ca-lifetime", f"{authority}s", "--leaf-lifetime", f"{leaf}s")
    return (*lives, "--interval", f"{interval}s", "--settle", f"{settle}s", "--skew", f"{skew}s")


@dataclass
class Installation:
    """The webhook in the API: its account, rights, Secret, configuration and pods."""

    cluster: Cluster
    own: str
    pods: str
    url: str
    scope: Scope = "pod-label"
    kubeconfig: Path = field(init=False)

    def __post_init__(self) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
        self.cluster.api.post(f"/api/v1/namespaces/{self.own}/serviceaccounts", account).expect()
        self.kubeconfig = self.cluster.kubeconfig_for_account(self.own, ACCOUNT)
        make_account(self.cluster, self.pods)

    @property
    def name(self) -> str:
        """The name of the webhook configuration; names of ClusterRoles begin with it."""
        return f"m365wi-{self.own}"

    @property
    def configuration_path(self) -> str:
        """The path of the webhook configuration in the API."""
        return f"{CONFIGURATIONS}/{self.name}"

    @property
    def secrets_path(self) -> str:
        """The path of the Secrets of its own namespace."""
        return f"/api/v1/namespaces/{self.own}/secrets"

    @property
    def secret_path(self) -> str:
        """The path of the Secret with the authority."""
        return f"{self.secrets_path}/{SECRET}"

    @property
    def server_name(self) -> str:
        """The name that kube-apiserver verifies if it calls a Service."""
        return f"{SERVICE}.{self.own}.svc"

    def grant_accounts(self) -> None:
        """Grants what reviews need."""
        self._cluster_rule("accounts", chart_rule("ClusterRole", "serviceaccounts"))

    def grant_configuration(self, *verbs: str) -> None:
        """Grants the chart's verbs, or `verbs`, on the webhook configuration."""
        given = chart_rule("ClusterRole", "mutatingwebhookconfigurations")
        self._cluster_rule("configuration", given | {"resourceNames": [self.name]} | only(verbs))

    def grant_secret(self, *verbs: str) -> None:
        """Grants the chart's verbs, or `verbs`, on the Secret."""
        given = chart_rule("Role", "secrets")
        assert given["resourceNames"] == [SECRET]
        self._bind(f"/namespaces/{self.own}/roles", "Role", "secret", given | only(verbs))

    def grant_all(self) -> None:
        """Grants exactly what the chart grants."""
        self.grant_accounts()
        self.grant_configuration()
        self.grant_secret()

    def create_empty_secret(self) -> None:
        """Creates the empty Secret, as the chart does."""
        self.cluster.api.post(self.secrets_path, {"metadata": {"name": SECRET}, "type": "Opaque"}).expect()

    def document(self) -> dict[str, Any]:
        """The configuration as the chart writes it: without caBundle."""
        made = configuration(self.url, b"", scope=self.scope, own_namespace=self.own, name=self.name)
        for entry in made["webhooks"]:
            del entry["clientConfig"]["caBundle"]
            entry["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": self.pods}}
        return made

    def register(self, bundle: bytes = b"") -> None:
        """Creates the webhook configuration, without caBundle unless `bundle` is given."""
        document = self.document()
        for entry in document["webhooks"] if bundle else ():
            entry["clientConfig"]["caBundle"] = base64.b64encode(bundle).decode()
        self.cluster.api.post(CONFIGURATIONS, document).expect()

    def bundles(self) -> dict[str, bytes]:
        """The caBundle of each webhook as it is now."""
        answer = self.cluster.api.get(self.configuration_path)
        return bundles(answer.json) if answer.status == 200 else {}

    def secret(self) -> dict[str, bytes]:
        """The data of the Secret as it is now; empty if it does not exist."""
        answer = self.cluster.api.get(self.secret_path)
        return decode(answer.json) if answer.status == 200 else {}

    def create_pod(self, name: str = "web", *, dry_run: bool = False) -> Response:
        """Creates a pod that the webhook must inject."""
        params = {"dryRun": "All"} if dry_run else None
        return self.cluster.api.post(f"/api/v1/namespaces/{self.pods}/pods", a_pod(name), params=params)

    def take_away(self) -> None:
        """Deletes what is outside its namespaces, then the namespaces."""
        api = self.cluster.api
        api.delete(self.configuration_path).expect(200, 404)
        for kind in ("clusterrolebindings", "clusterroles"):
            for part in ("accounts", "configuration"):
                api.delete(f"{RBAC}/{kind}/{self.name}-{part}").expect(200, 404)
        settle(api)
        for namespace in (self.pods, self.own):
            self.cluster.delete_namespace(namespace)

    def _cluster_rule(self, part: str, rule: dict[str, Any]) -> None:
        self._bind("/clusterroles", "ClusterRole", f"{self.name}-{part}", rule)

    def _bind(self, path: str, kind: str, name: str, rule: dict[str, Any]) -> None:
        """Creates a role of one rule and its binding; an existing role gets the rule."""
        role = {"kind": kind, "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}, "rules": [rule]}
        binding = {
            "kind": f"{kind}Binding",
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.own}],
        }
        api = self.cluster.api
        if api.post(f"{RBAC}{path}", role).expect(201, 409).status == 409:
            api.put(f"{RBAC}{path}/{name}", role).expect()
        api.post(f"{RBAC}{path.replace('roles', 'rolebindings')}", binding).expect(201, 409)


@cache
def roles() -> dict[str, list[dict[str, Any]]]:
    """The rules of each kind of role that the chart makes."""
    documents = yaml.safe_load_all(MANIFESTS.read_text(encoding="utf-8"))
    return {each["kind"]: each["rules"] for each in documents if each["kind"] in ("Role", "ClusterRole")}


def chart_rule(kind: str, resource: str) -> dict[str, Any]:
    """The chart's one rule about `resource`. Fails if the chart has rules that this module does not grant."""
    assert sum(map(len, roles().values())) == 3
    (rule,) = (rule for rule in roles()[kind] if rule["resources"] == [resource])
    return rule


def only(verbs: Sequence[str]) -> dict[str, Any]:
    """The part of a rule that `verbs` replace; empty without verbs."""
    return {"verbs": list(verbs)} if verbs else {}
