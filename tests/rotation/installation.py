"""The webhook installed as its chart does it: everything of it but its processes, which are in `tests.rotation.fleet`.

An installation reviews the pods of its own second namespace and no others, so nothing is in another test's way.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.admission.conftest import a_pod, make_account
from tests.cluster.api import Response
from tests.cluster.cluster import Cluster
from tests.cluster.registration import CONFIGURATIONS, Scope, configuration, settle
from tests.rotation.watching import bundles, decoded

__all__ = ["OURS", "SECRET", "Installation", "seconds"]

ACCOUNT = "webhook"
SECRET = "m365-workload-identity-ca"
SERVICE = "m365-workload-identity"
OURS = ("labelled.m365.workload.identity", "unlabelled.m365.workload.identity")
RBAC = "/apis/rbac.authorization.k8s.io/v1"
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
        return f"{CONFIGURATIONS}/{self.name}"

    @property
    def secrets_path(self) -> str:
        return f"/api/v1/namespaces/{self.own}/secrets"

    @property
    def secret_path(self) -> str:
        return f"{self.secrets_path}/{SECRET}"

    @property
    def server_name(self) -> str:
        """What kube-apiserver asks for where it calls a Service."""
        return f"{SERVICE}.{self.own}.svc"

    def grant_accounts(self) -> None:
        """What reviews need: `get` on serviceaccounts."""
        self._cluster_rule("accounts", [rule(["serviceaccounts"], ["get"])])

    def grant_configuration(self, *verbs: str) -> None:
        """`get` and `patch`, or `verbs`, on the one webhook configuration."""
        group = "admissionregistration.k8s.io"
        named = rule(["mutatingwebhookconfigurations"], verbs or ("get", "patch"), names=[self.name], group=group)
        self._cluster_rule("configuration", [named])

    def grant_secret(self, *verbs: str, create: bool = True) -> None:
        """`get` and `update`, or `verbs`, on the one Secret, and `create` in its namespace."""
        rules = [rule(["secrets"], verbs or ("get", "update"), names=[SECRET])]
        rules += [rule(["secrets"], ["create"])] if create else []
        self._bind(f"/namespaces/{self.own}/roles", "Role", "secret", rules)

    def grant_all(self) -> None:
        """Everything that the chart gives."""
        self.grant_accounts()
        self.grant_configuration()
        self.grant_secret()

    def create_empty_secret(self) -> None:
        """As the chart may do it, so that nobody needs `create`."""
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

    def _cluster_rule(self, part: str, rules: list[dict[str, Any]]) -> None:
        self._bind("/clusterroles", "ClusterRole", f"{self.name}-{part}", rules)

    def _bind(self, path: str, kind: str, name: str, rules: list[dict[str, Any]]) -> None:
        """Creates a role with its binding; a role that is there gets the rules."""
        role = {"kind": kind, "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}, "rules": rules}
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


def rule(
    resources: Sequence[str], verbs: Sequence[str], *, names: Sequence[str] = (), group: str = ""
) -> dict[str, Any]:
    """One rule of a role."""
    named = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs), **named}
