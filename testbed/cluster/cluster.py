"""What tests may do with any Kubernetes cluster, ours or the user's."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testbed.cluster import kubeconfig, situation
from testbed.cluster.api import Api
from testbed.cluster.kubeconfig import Access
from testbed.cluster.processes import ClusterError, wait_until

__all__ = ["Cluster"]

KUBECTL_SECONDS = 250


class Cluster:
    """A running cluster as its administrator sees it.

    `kubeconfig` is the administrator's; `directory` is for files of the tests; `name` stands in test ids ("1.37").
    Without controllers, `create_namespace` also makes the namespace's `default` ServiceAccount.
    """

    def __init__(
        self, name: str, *, kubeconfig: Path, kubectl: Path, directory: Path, has_controllers: bool = True
    ) -> None:
        self.name = name
        self.kubeconfig = kubeconfig
        self.directory = directory
        self.has_controllers = has_controllers
        self.kubectl_program = kubectl
        self._clients: list[Api] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the clients that it created; the cluster stays."""
        for client in self._clients:
            client.close()

    @cached_property
    def api(self) -> Api:
        """The administrator's REST client."""
        return self.client(self.kubeconfig)

    def client(self, kubeconfig: Path, *, timeout: float = 30.0) -> Api:
        """A REST client for the user of `kubeconfig`, closed with the cluster."""
        client = Api.from_kubeconfig(kubeconfig, timeout=timeout)
        self._clients.append(client)
        return client

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 - subprocess calls it so
        check: bool = True,
        kubeconfig: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl as the administrator, or the user of `kubeconfig`. Raises ClusterError if `check`.

        If it waited without success, a note says what the namespace has.
        """
        command = [str(self.kubectl_program), "--kubeconfig", str(kubeconfig or self.kubeconfig), *arguments]
        try:
            done = subprocess.run(
                command,
                input="" if input is None else input,
                env=os.environ | {"KUBECACHEDIR": str(self.directory / "kubectl-cache")},
                capture_output=True,
                text=True,
                timeout=KUBECTL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise self._failed(arguments, f"timed out after {KUBECTL_SECONDS} s") from error
        if check and done.returncode:
            raise self._failed(arguments, f"exit status {done.returncode}: {done.stderr.strip()}")
        return done

    def _failed(self, arguments: Sequence[str], why: str) -> ClusterError:
        error = ClusterError(f"kubectl {' '.join(arguments)}: {why}")
        if "timed out" in why:
            error.add_note(situation.describe(self.api, situation.namespace_of(arguments)))
        return error

    def create_namespace(self, name: str | None = None, *, labels: Mapping[str, str] | None = None) -> str:
        """Creates a namespace and returns its name. It has its `default` ServiceAccount, which every pod needs."""
        name = name or f"test-{secrets.token_hex(4)}"
        metadata = {"name": name, "labels": dict(labels or {})}
        self.api.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}).expect()
        self.await_default_account(name)
        return name

    def await_default_account(self, namespace: str) -> None:
        """Waits for the ServiceAccount `default`, or creates it if no controller does."""
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        if not self.has_controllers:
            self.api.post(
                accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            ).expect(201, 409)
        found = lambda: self.api.get(f"{accounts}/default").status == 200  # noqa: E731
        wait_until(found, f"ServiceAccount {namespace}/default")

    def delete_namespace(self, name: str) -> None:
        """Deletes a namespace without waiting until it is gone."""
        self.api.delete(f"/api/v1/namespaces/{name}").expect(200, 202, 404, 409)

    def allows(
        self, user: str, verb: str, resource: str, *, group: str = "", namespace: str = "", name: str = ""
    ) -> bool:
        """Whether RBAC lets `user` do it now: what was granted or taken away a moment ago comes by a watch."""
        about = {"verb": verb, "group": group, "namespace": namespace, "name": name}
        about["resource"], _, about["subresource"] = resource.partition("/")
        review = {"spec": {"user": user, "resourceAttributes": about}}
        answer = self.api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", review).expect().json
        return bool(answer["status"]["allowed"])

    def token(self, namespace: str, account: str, *, audiences: Sequence[str] = (), seconds: int = 3600) -> str:
        """A ServiceAccount's token by TokenRequest, for the API server unless `audiences` says otherwise."""
        spec: dict[str, Any] = {"expirationSeconds": seconds}
        if audiences:
            spec["audiences"] = list(audiences)
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = self.api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", request).expect()
        return str(answer.json["status"]["token"])

    def kubeconfig_for_account(self, namespace: str, account: str) -> Path:
        """A kubeconfig with a ServiceAccount's own token, good for a day: a whole run of the tests may use it."""
        admin = kubeconfig.read(self.kubeconfig)
        text = kubeconfig.render(
            Access(admin.server, admin.authority, token=self.token(namespace, account, seconds=86400))
        )
        return self.write_kubeconfig(f"account-{namespace}-{account}", text)

    def write_kubeconfig(self, name: str, text: str) -> Path:
        """Writes a kubeconfig that only its owner can read."""
        path = self.directory / f"{name}-{secrets.token_hex(4)}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path
