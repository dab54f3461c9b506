"""Faults of an installation on a node: made, checked, fixed with the commands that `check` prints, and checked again.

Faults that a control plane alone shows are in tests/commands.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.chart.helm import CHART, NAME, NAMESPACE, Refused, helm
from testbed.cluster.processes import ClusterError, wait_until
from testbed.node.images import CHECKOUT
from testbed.node.installed import DEPLOYMENT, await_rollout, replicas
from testbed.node.pods import AnyNode, make_account
from testbed.node.ready import on_kind
from testbed.node.release import REPOSITORY, TAG, Release, releasing
from tests.commands.live import run

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

MISSING = {"image": {"repository": REPOSITORY, "tag": "not-there"}}
CONFIGURATION = f"mutatingwebhookconfiguration/{NAME}"
# A command in a fix, up to what ends it in the sentence.
COMMAND = re.compile(r"(?:helm|kubectl) (?:[^;,(]|,(?! ))+")


@pytest.fixture(scope="module")
def installed(bare: AnyNode) -> Iterator[Release]:
    """A release for all tests; each leaves it well."""
    with releasing(bare) as release:
        release.install()
        yield release


class Checked:
    """`m365wi check` of a ServiceAccount on the node, asked again and again."""

    def __init__(self, release: Release, namespace: str, folder: Path) -> None:
        self.node = release.node
        self.release = release
        self._environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "KUBECONFIG": str(self.node.kubeconfig)}
        self._arguments = ("check", "-n", namespace, "--service-account", "terraform")
        self._out = ""
        make_account(self.node, namespace)

    def until(self, *sentences: str, seconds: float = 120) -> str:
        """The finding that has one of the sentences, in one line, as soon as there is one."""
        found: list[str] = []

        def said() -> bool:
            self._out = run(*self._arguments, environ=self._environ).out
            lines = self._out.replace("\n      ", " ").splitlines()
            found[:] = [line for line in lines if any(sentence in line for sentence in sentences)]
            return bool(found)

        try:
            wait_until(said, " or ".join(sentences), seconds=seconds)
        except ClusterError as error:
            raise AssertionError(f"{error}\n{self._out}") from None
        return found[0]

    def is_well(self) -> bool:
        """Whether it finds nothing wrong now."""
        return "All is well." in run(*self._arguments, environ=self._environ).out

    def until_well(self) -> None:
        """It finds nothing wrong, and left nothing out."""
        self.until("All is well.")

    def follow(self, finding: str, *, commands: int = 1) -> str:
        """Runs the first commands of a fix in the checkout, as they are printed; what the last prints."""
        printed = [command.strip() for command in COMMAND.findall(finding.partition(" fix: ")[2])][:commands]
        assert len(printed) == commands, finding
        done = ""
        for command in printed:
            done = self._run(command, finding)
        return done

    def _run(self, command: str, finding: str) -> str:
        """Helm's command with the flags that the finding names besides it: values, and for a conflict with Helm 4."""
        program, *arguments = shlex.split(command.removesuffix(" with your values"))
        if command.endswith(" with your values"):
            values = Path(self._environ["HOME"]) / "values.yaml"
            values.write_text(json.dumps({"image": {"repository": REPOSITORY, "tag": TAG}}))
            arguments += ["--values", str(values)]
        if program == "kubectl":
            return self.node.kubectl(*arguments).stdout
        try:
            return helm(*arguments, kubeconfig=self.node.kubeconfig, folder=CHECKOUT)
        except Refused as error:
            if "conflict" not in str(error) or "--force-conflicts" in command:
                raise
        assert "with Helm 4 also --force-conflicts" in finding
        return self._run(f"{command} --force-conflicts", finding)


@pytest.fixture
def checked(installed: Release, namespace: str, tmp_path: Path) -> Iterator[Checked]:
    """In a namespace of its own. If a test leaves the release broken, the next one gets a new one."""
    found = Checked(installed, namespace, tmp_path)
    yield found
    if not found.is_well():
        installed.uninstall()
        installed.install()


def patch(node: AnyNode, what: str, *changes: dict[str, Any]) -> None:
    """Changes an object of the webhook by JSON Patch, as somebody does by hand."""
    node.kubectl("patch", what, "-n", NAMESPACE, "--type=json", "-p", json.dumps(changes))


def test_nothing_is_installed(checked: Checked) -> None:
    """`helm upgrade` would fail, so the command is `helm install`, with everything that it needs but the values."""
    checked.release.uninstall()
    checked.follow(checked.until("The webhook is not installed"))
    checked.until_well()


def test_a_first_installation_whose_image_cannot_be_had(checked: Checked) -> None:
    """The image is named; the events, and no log, have the reason. The values are corrected as docs/install.md says."""
    checked.release.uninstall()
    helm("install", NAME, str(CHART), "-n", NAMESPACE, values=MISSING, **on(checked))
    checked.until("ErrImagePull of ", "ImagePullBackOff of ")
    # Not while kube-apiserver still has a connection to a replica that was uninstalled.
    found = checked.until(f"Service {NAMESPACE}/{NAME} has no ready endpoints; 2 of its 2 pods not ready")
    assert f"{REPOSITORY}:not-there" in found
    assert "Failed to pull image" in checked.follow(found, commands=2)
    checked.release.upgrade(image={"tag": TAG})
    checked.until_well()


def test_an_upgrade_to_an_image_that_cannot_be_had(checked: Checked) -> None:
    """The old replicas answer, so it is a warning. Pods that are being deleted after `helm rollback` do not count."""
    helm("upgrade", NAME, str(CHART), "-n", NAMESPACE, "--reset-then-reuse-values", values=MISSING, **on(checked))
    found = checked.until("ErrImagePull of ", "ImagePullBackOff of ")
    assert found.startswith("warn  webhook")
    assert "succeed, with 1 of its 3 pods not ready" in found
    assert "Failed to pull image" in checked.follow(found, commands=2)
    helm("rollback", NAME, "-n", NAMESPACE, "--wait", **on(checked))
    checked.until_well()


def test_a_replica_that_ends_at_once(checked: Checked) -> None:
    """The log of the run before has the reason; that of the next is empty when it begins."""
    environment = [{"name": "M365WI_SKEW", "value": "soon"}]
    values = {"extraEnv": environment}
    helm("upgrade", NAME, str(CHART), "-n", NAMESPACE, "--reset-then-reuse-values", values=values, **on(checked))
    found = checked.until("CrashLoopBackOff")
    assert "M365WI_SKEW" in checked.follow(found, commands=2)
    helm("rollback", NAME, "-n", NAMESPACE, "--wait", **on(checked))
    checked.until_well()


def on(checked: Checked) -> dict[str, Any]:
    """The cluster, for Helm."""
    return {"kubeconfig": checked.node.kubeconfig}


def test_the_configuration_is_deleted(checked: Checked) -> None:
    """The release that is written on the Service restores it."""
    checked.node.kubectl("delete", CONFIGURATION)
    found = checked.until("No MutatingWebhookConfiguration has an entry")
    assert f"fix: helm upgrade {NAME} -n {NAMESPACE} manifests/chart" in found
    checked.follow(found)
    checked.until_well()


def test_the_service_is_deleted(checked: Checked) -> None:
    """Whether or not kube-apiserver still has a connection."""
    checked.node.kubectl("delete", f"service/{NAME}", "-n", NAMESPACE)
    checked.follow(checked.until("it does not exist", "does not exist, so kube-apiserver cannot call"))
    checked.until_well()


def test_the_service_has_another_port(checked: Checked) -> None:
    """Helm cannot change it back: for a while there would be two ports of one name. So the Service is deleted first."""
    patch(checked.node, f"service/{NAME}", {"op": "replace", "path": "/spec/ports/0/port", "value": 444})
    checked.follow(checked.until("it has no such port", "has no port 443"), commands=2)
    checked.until_well()


def test_the_service_selects_other_pods(checked: Checked) -> None:
    """The Deployment's own labels are in the command."""
    patch(checked.node, f"service/{NAME}", {"op": "replace", "path": "/spec/selector", "value": {"app": "another"}})
    found = checked.until("does not select the 2 ready pods")
    assert "its selector (app=another)" in found
    checked.follow(found)
    checked.until_well()


def test_it_is_scaled_to_nothing(checked: Checked) -> None:
    """The command scales it up again."""
    checked.node.kubectl("scale", DEPLOYMENT, "-n", NAMESPACE, "--replicas=0")
    checked.follow(checked.until("is scaled to 0"))
    await_rollout(checked.node)
    checked.until_well()


def test_the_webhook_has_lost_its_rights(checked: Checked) -> None:
    """RBAC is asked for the ServiceAccount of its pods."""
    checked.node.kubectl("delete", f"clusterrolebinding/{NAME}")
    found = checked.until("may not read ServiceAccounts: RBAC forbids")
    assert f"system:serviceaccount:{NAMESPACE}:{NAME}" in found
    checked.follow(found)
    checked.until_well()


def test_a_selector_was_changed_by_hand(checked: Checked) -> None:
    """The fix has the command for a selector that is narrower on purpose, and last the one that restores it."""
    change = {"op": "add", "path": "/webhooks/0/namespaceSelector/matchLabels", "value": {"team": "other"}}
    before = entries(checked.node)
    patch(checked.node, CONFIGURATION, change)
    found = checked.until("its namespaceSelector leaves out namespace")
    checked.follow(f" fix: {found.rpartition('restore that of scope pod-label: ')[2]}")
    checked.until_well()
    assert entries(checked.node) == before


def entries(node: AnyNode) -> Any:
    """Of the webhook configuration."""
    return json.loads(node.kubectl("get", CONFIGURATION, "-o", "json").stdout)["webhooks"]


@pytest.mark.skipif(on_kind(), reason="the rule is made in the network of a node of our own")
@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [("drop", "did not answer within 5 s; all its pods are ready"), ("reject with tcp reset", "Nothing listens at")],
)
def test_a_firewall_is_in_the_way(checked: Checked, verdict: str, sentence: str) -> None:
    """A NetworkPolicy for the pods is named if packets are dropped, since it may be the cause. The pods have a log."""
    chain = "add table inet fault; add chain inet fault out { type filter hook output priority 0; }"
    rule = f"{chain}; add rule inet fault out tcp dport 9443 {verdict}"
    policy = {"metadata": {"name": "deny-all"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
    policies = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies"
    checked.node.api.post(policies, policy).expect()
    checked.node.run("nft", rule)
    try:
        found = checked.until(sentence)
        checked.follow(found, commands=2)
        if verdict == "drop":
            assert f"here: kubectl describe networkpolicy -n {NAMESPACE} deny-all" in found
            assert "deny-all" in checked.follow(found, commands=3)
    finally:
        checked.node.run("nft", "delete table inet fault")
        checked.node.api.delete(f"{policies}/deny-all").expect()
    checked.until_well()


def test_the_ca_bundle_is_emptied(checked: Checked) -> None:
    """A replica fills it in again within its interval, without a command."""
    patch(checked.node, CONFIGURATION, {"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""})
    entry = "jsonpath={.webhooks[0].clientConfig.caBundle}"
    wait_until(lambda: bool(checked.node.kubectl("get", CONFIGURATION, "-o", entry).stdout), "caBundle")
    checked.until_well()
    assert len(replicas(checked.node)) == 2
