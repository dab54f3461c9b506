"""The webhook installed as its chart does it: everything of it but its processes, which are in `testbed.fleet.fleet`.

An installation reviews the pods of its own second namespace and no others, so nothing is in another test's way.
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
from testbed.fleet.watching import bundles, decoded

__all__ = ["OURS", "SECRET", "Installation", "seconds"]

ACCOUNT = "webhook"
SECRET = "m365-workload-identity-ca"
SERVICE = "m365-workload-identity"
OURS = ("labelled.m365.workload.identity", "unlabelled.m365.workload.identity")
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MANIFESTS = Path(__file__).parents[2] / "manifests" / "install.yaml"  # what the chart renders: `make check` sees to it
LONG = ("--ca-lifetime", "2d", "--leaf-lifetime", "4h")


def seconds(
    *, interval: float, settle: float, leaf: float | None = None, authority: float | None = None, skew: float = 3600
) -> tuple[str, ...]:
    """The flags of a rotation, in seconds; certificates live long unless told otherwise."""
    lives = LONG if leaf is None else ("--ca-lifetime", f"{authority}s", "--leaf-lifetime", f"{leaf}s")
    return (*lives, "--interval", f"{interval}s", "--settle", f"{settle}s", "--skew", f"{skew}s")


@dataclass
class Installation:
    """Everything of the webhook but its processes."""

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
        """Of the webhook configuration, and of the ClusterRoles."""
        return f"m365wi-{self.own}"

    @property
    def configuration_path(self) -> str:
        """Of the webhook configuration, in the API."""
        return f"{CONFIGURATIONS}/{self.name}"

    @property
    def secrets_path(self) -> str:
        """Of the Secrets of its own namespace."""
        return f"/api/v1/namespaces/{self.own}/secrets"

    @property
    def secret_path(self) -> str:
        """Of the one Secret with the authority."""
        return f"{self.secrets_path}/{SECRET}"

    @property
    def server_name(self) -> str:
        """What kube-apiserver asks for where it calls a Service."""
        return f"{SERVICE}.{self.own}.svc"

    def grant_accounts(self) -> None:
        """What reviews need."""
        self._cluster_rule("accounts", charted("ClusterRole", "serviceaccounts"))

    def grant_configuration(self, *verbs: str) -> None:
        """What the chart gives, or `verbs`, on the one webhook configuration."""
        given = charted("ClusterRole", "mutatingwebhookconfigurations")
        self._cluster_rule("configuration", given | {"resourceNames": [self.name]} | only(verbs))

    def grant_secret(self, *verbs: str) -> None:
        """What the chart gives, or `verbs`, on the one Secret."""
        given = charted("Role", "secrets")
        assert given["resourceNames"] == [SECRET]
        self._bind(f"/namespaces/{self.own}/roles", "Role", "secret", given | only(verbs))

    def grant_all(self) -> None:
        """Everything that the chart gives, and nothing else."""
        self.grant_accounts()
        self.grant_configuration()
        self.grant_secret()

    def create_empty_secret(self) -> None:
        """As the chart does it."""
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
        """The data of the Secret as it is now; none where it is absent."""
        answer = self.cluster.api.get(self.secret_path)
        return decoded(answer.json) if answer.status == 200 else {}

    def create_pod(self, name: str = "web", *, dry_run: bool = False) -> Response:
        """Has kube-apiserver create a pod that is to be injected."""
        params = {"dryRun": "All"} if dry_run else None
        return self.cluster.api.post(f"/api/v1/namespaces/{self.pods}/pods", a_pod(name), params=params)

    def take_away(self) -> None:
        """Removes what no namespace holds, and has the namespaces deleted."""
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
        """Creates a role of one rule with its binding; a role that is there gets the rule."""
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


def charted(kind: str, resource: str) -> dict[str, Any]:
    """The chart's one rule about `resource`, and no other is left unheard of."""
    assert sum(map(len, roles().values())) == 3
    (rule,) = (rule for rule in roles()[kind] if rule["resources"] == [resource])
    return rule


def only(verbs: Sequence[str]) -> dict[str, Any]:
    """What of a rule `verbs` change, if there are any."""
    return {"verbs": list(verbs)} if verbs else {}
