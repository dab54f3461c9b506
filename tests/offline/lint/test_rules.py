"""Each rule of lint finds its mistake at its place, and is silent beside it."""

import pytest

from tests.offline.lint.support import ACCOUNT, LABEL, USUAL, account, codes, deployment, lines, linted, marked, pod
from webhook.core.messages import Severity
from webhook.core.policy import Policy

CLIENT = "azure.workload.identity/client-id"
TENANT = "azure.workload.identity/tenant-id"
SKIP = "azure.workload.identity/skip-containers"
USE = "azure.workload.identity/use"
INJECT = "m365.workload.identity/inject"
CLOUD = "m365.workload.identity/cloud"
PREFLIGHT = "m365.workload.identity/preflight: 'true'"
GUID = "11111111-1111-4111-8111-111111111111"


def namespace(labels: str = "{}", annotations: str = "{}") -> str:
    """A Namespace as YAML."""
    metadata = f"  name: shop\n  labels: {labels}\n  annotations: {annotations}\n"
    return f"apiVersion: v1\nkind: Namespace\nmetadata:\n{metadata}---\n"


def token(seconds: str = "172800", audience: str = "api://AzureADTokenExchange") -> str:
    """A volume with a token, as lines of a spec."""
    source = f"{{serviceAccountToken: {{audience: '{audience}', expirationSeconds: {seconds}, path: token}}}}"
    return f"  volumes: [{{name: entra, projected: {{sources: [{source}]}}}}]\n"


# What is found stands behind its mark.
FOUND = {
    "values without a pod": account(f"{{{CLIENT}: @WI120@x, {TENANT}: @WI121@common, {CLOUD}: @WI124@moon}}"),
    "a client id alone": account(f"{{{CLIENT}: {GUID}}}").replace("  annotations", "  @WI102@annotations"),
    "a tenant alone": account(f"{{{TENANT}: contoso.com}}").replace("  annotations", "  @WI101@annotations"),
    "not text": account(USUAL[:-1] + ", azure.workload.identity/service-account-token-expiration: @WI423@3600}"),
    "a setting as a label": account(USUAL, labels=f"{{{CLOUD}: @WI705@public}}"),
    "the label on the account": account(USUAL, labels=f'{{{USE}: @WI704@"true"}}'),
    "a misspelt label": ACCOUNT
    + pod(labels='{a: b, azure.workload.identity/usee: @WI470@"true"}').replace("web", "app"),
    "the label with the other prefix": pod(labels='{m365.workload.identity/use: @WI470@"true"}'),
    "the label with a misspelt prefix": pod(labels='{azure.worklod.identity/use: @WI470@"true"}'),
    "the label on the namespace": namespace(f'{{{USE}: @WI471@"true"}}'),
    "the label of the namespace, another value": namespace(f'{{{INJECT}: @WI473@"yes"}}'),
    "the label of the namespace, unquoted": namespace(f"{{{INJECT}: @WI423@true}}"),
    "the label of the namespace, misspelt": namespace('{m365.workload.identity/injct: @WI470@"true"}'),
    "the label of the namespace, as annotation": namespace(annotations=f'{{{INJECT}: @WI478@"true"}}'),
    "a setting on the namespace": namespace(annotations=f"{{{CLOUD}: @WI107@public}}"),
    "a setting on a ConfigMap": (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations: {{{CLIENT}: @WI107@{GUID}}}\n"
    ),
    "the label of the namespace on a pod": pod(labels=f'{{{INJECT}: @WI472@"true"}}'),
    "the label of the namespace on an account": account(USUAL, labels=f'{{{INJECT}: @WI472@"true"}}'),
    "a setting as a label of a pod": ACCOUNT + pod(labels=f'{{{USE}: "true", {CLOUD}: @WI724@dod}}'),
    "settings of a pod without the label": pod(labels="{}", annotations=f"{{{CLOUD}: @WI475@dod}}"),
    "an annotation of the account on a pod": pod(labels="{}", annotations=f"{{{CLIENT}: @WI107@x}}"),
    "a label on the workload": ACCOUNT + deployment(labels=f'{{{USE}: @WI430@"true"}}', template="{a: b}"),
    "a setting of a pod on the workload": ACCOUNT + deployment(annotations=f"{{{CLOUD}: @WI723@dod}}"),
    "a setting of the account on the workload": ACCOUNT + deployment(annotations=f"{{{TENANT}: @WI722@x}}"),
    "no label, though the account has a client id": (
        ACCOUNT + deployment(template="{a: b}").replace("      labels", "      @WI433@labels")
    ),
    "the label as an annotation of the workload": (
        ACCOUNT + deployment(annotations=f'{{{USE}: @WI431@"true"}}', template="{a: b}")
    ),
    "the label in the selector": ACCOUNT + deployment(selector=f'{{{USE}: @WI474@"true"}}'),
    "the label unquoted": pod(labels=f"{{{USE}: @WI423@true}}"),
    "another value of the label": ACCOUNT + pod(labels=f'{{{USE}: @WI432@"yes"}}'),
    "a value that Helm should have filled in": account(f'{{{CLIENT}: @WI480@"{{{{ .x }}}}", {TENANT}: contoso.com}}'),
    "a variable of Kustomize": ACCOUNT + pod(annotations="{m365.workload.identity/tenant-id: @WI480@$(TENANT)}"),
    "variables of envsubst": account(f"{{{CLIENT}: @WI481@'${{CLIENT_ID}}', {TENANT}: @WI481@'${{TENANT:-x}}'}}"),
    "a label that is filled in later": ACCOUNT + pod(labels=f"{{{USE}: @WI481@'${{USE}}'}}"),
    "the name of an account that is filled in later": (
        ACCOUNT + pod().replace("serviceAccountName: web", "serviceAccountName: @WI480@$(ACCOUNT)")
    ),
    "a token for two days, not selected": pod(labels="{}", spec=token("@WI218@172800")),
    "a token by subPath, not selected": pod(
        labels="{}",
        spec=token("3600"),
        container="{name: app, volumeMounts: [{name: entra, mountPath: /x, subPath: @WI213@token}]}",
    ),
    "somebody's own file by subPath": ACCOUNT
    + pod(
        container="{name: app, env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /x/token}], "
        "volumeMounts: [{name: own, mountPath: /x, subPath: @WI213@token}]}"
    ),
    "a container that is not there": ACCOUNT + pod(annotations=f"{{{SKIP}: @WI202@sidecar}}"),
    "all containers skipped": ACCOUNT + pod(annotations=f"{{{SKIP}: @WI714@app}}"),
    "an account whose name is misspelt": (
        account(USUAL, name="accountant") + pod().replace("Name: web", "Name: @WI482@acountant")
    ),
    "an account elsewhere": (
        ACCOUNT.replace("shop", "prod") + pod().replace("serviceAccountName: web", "serviceAccountName: @WI483@web")
    ),
    "a proxy in front of the token endpoint": ACCOUNT
    + pod(
        annotations="{m365.workload.identity/token-endpoint: 'true'}",
        container="{name: app, env: [{name: @WI233@HTTP_PROXY, value: x}, {name: NO_PROXY, value: .svc}]}",
    ),
    "metrics without a token endpoint": ACCOUNT + pod(annotations="{m365.workload.identity/metrics: @WI133@'true'}"),
    "a port for metrics that is not one": account(f"{USUAL[:-1]}, m365.workload.identity/metrics: @WI132@'80'}}"),
    "a port for metrics that a container has": account(f"{USUAL[:-1]}, m365.workload.identity/metrics: 'true'}}")
    + pod(
        annotations="{m365.workload.identity/token-endpoint: 'true'}",
        container="{name: app, ports: [{containerPort: 80}, {containerPort: @WI234@9464}]}",
    ),
    "a proxy in the pod that starts after preflight": ACCOUNT
    + pod(
        annotations=f"{{{PREFLIGHT}}}",
        container="{name: app, env: [{name: @WI231@HTTPS_PROXY, value: 'http://localhost:3128'}]}",
    ),
    "a mesh that comes later": ACCOUNT
    + pod(
        labels=f"{{{USE}: 'true', sidecar.istio.io/inject: 'true'}}",
        annotations=f"{{{PREFLIGHT.replace(': ', ': @WI485@')}}}",
    ),
    "a mesh by the namespace": namespace("{istio-injection: enabled}")
    + ACCOUNT
    + pod(annotations=f"{{{PREFLIGHT.replace(': ', ': @WI485@')}}}"),
    "an operator's pods": ACCOUNT
    + "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: w, namespace: shop}\n"
    "spec:\n  serviceAccountName: @WI433@web\n  templates: []\n",
    "an operator's template": ACCOUNT
    + deployment(labels=f'{{{USE}: @WI430@"true"}}', template="{a: b}")
    .replace("apps/v1", "argoproj.io/v1alpha1")
    .replace("Deployment", "Rollout"),
    "an operator that is not known": ACCOUNT
    + deployment(template=f"{{{USE}: @WI432@'yes'}}")
    .replace("apps/v1", "example.com/v1")
    .replace("Deployment", "Shop"),
    "a namespace that the webhook leaves alone": pod(
        labels=f'{{{USE}: @WI715@"true"}}', annotations=f"{{{CLOUD}: dod}}"
    ).replace("shop", "kube-system"),
    "a key that stands twice": ACCOUNT + pod().replace("  labels:", "  labels: {a: b}\n  @WI413@labels:"),
    "labels of a kustomization": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\ncommonLabels:\n"
    f'  {USE}: @WI476@"true"\nlabels:\n  - pairs: {{{USE}: @WI477@"true"}}\n  - pairs: {{{USE}: @WI476@"true"}}\n'
    f"    includeSelectors: true\n  - pairs: {LABEL}\n    includeTemplates: true\n",
    "a patch of Kustomize": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\n"
    "spec:\n  template:\n    metadata:\n      annotations: {m365.workload.identity/clouds: @WI106@x}\n",
    "a shape that is not a pod's": pod().replace("containers:\n    -", "@WI312@containers:"),
}

# What must not be found: each is right, or somebody else's business.
SILENT = {
    "nothing of ours": deployment(template="{a: b}"),
    "a pod that opts out": ACCOUNT + pod(labels=f'{{{USE}: "false"}}', annotations=f"{{{CLOUD}: x}}"),
    "the label on the account, too": account(USUAL, labels=LABEL) + pod(),
    "an account without an identity": account("{iam.example.com/role: x}"),
    "annotations of Azure's webhook": ACCOUNT + pod(annotations="{azure.workload.identity/proxy-sidecar-port: '8000'}"),
    "the label for Azure's webhook": pod(labels=LABEL).replace("shop", "kube-system"),
    "the label of the namespace": namespace(f'{{{INJECT}: "true"}}'),
    "labels like ours": pod(labels="{workload.identity.example.com/use: x, azure.example.com/use: x}"),
    "the same annotations everywhere": ACCOUNT + deployment(annotations=USUAL),
    "a token of another audience": pod(labels="{}", spec=token(audience="vault")),
    "references between variables": ACCOUNT
    + pod(container="{name: app, env: [{name: A, value: $(B)}, {name: C, value: '${D}'}]}"),
    "a tenant in each container": account(f"{{{CLIENT}: {GUID}}}")
    + pod(container="{name: app, env: [{name: M365_TENANT_ID, value: contoso.com}]}"),
    "a client id of the pod": account(f"{{{TENANT}: contoso.com}}")
    + pod(annotations=f"{{m365.workload.identity/client-id: {GUID}}}"),
    "an operator that copies labels": "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata:\n  name: t\n"
    f"  labels: {LABEL}\nspec: {{}}\n",
    "annotations that an operator may copy": "apiVersion: example.com/v1\nkind: Shop\nmetadata:\n  name: t\n"
    f"  annotations: {USUAL}\nspec: {{}}\n",
    "a mesh with native sidecars": ACCOUNT
    + pod(
        labels=f"{{{USE}: 'true', sidecar.istio.io/inject: 'true'}}",
        annotations=f"{{{PREFLIGHT}, sidecar.istio.io/nativeSidecar: 'true'}}",
    ),
    "a mesh that leaves port 443 alone": namespace("{istio-injection: enabled}")
    + ACCOUNT
    + pod(annotations=f"{{{PREFLIGHT}, traffic.sidecar.istio.io/excludeOutboundPorts: '443'}}"),
    "a pod that the mesh of its namespace leaves alone": namespace("{istio-injection: enabled}")
    + ACCOUNT
    + pod(labels=f"{{{USE}: 'true', sidecar.istio.io/inject: 'false'}}", annotations=f"{{{PREFLIGHT}}}"),
    "helpers, since the chart sets their image": ACCOUNT + pod(annotations=f"{{{PREFLIGHT}}}"),
    "values of a chart in another object": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n"
    f"metadata: {{name: x}}\nspec:\n  values:\n    podLabels: {LABEL}\n    serviceAccount: {{annotations: {USUAL}}}\n",
    "accounts with similar names": account(USUAL, name="web-1") + ACCOUNT + pod(),
    "a key that stands twice in somebody else's object": deployment(template="{a: b}").replace(
        "  labels:", "  labels: {a: b}\n  labels:", 1
    ),
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
def test_a_mistake_is_found_where_it_is(text: str) -> None:
    """And nothing else is; the note about a ServiceAccount that is not there is not what these are about."""
    plain, expected = marked(text)
    assert expected
    report = linted(plain)
    assert [each for each in lines(report) if "WI460" not in each] == expected, [each.text for each in report.findings]


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT)
def test_what_is_right_is_not_found(text: str) -> None:
    """Nor what is somebody else's business."""
    report = linted(text)
    assert [each.text for each in report.findings if each.severity is not Severity.NOTE] == []
    assert {each.message.code for each in report.findings} <= {"WI460"}


def test_a_pod_is_judged_without_its_account() -> None:
    """What the ServiceAccount would decide is not said."""
    env = "[{name: AZURE_CLIENT_ID, value: x}, {name: AZURE_FEDERATED_TOKEN_FILE, value: ''}]"
    assert codes(linted(pod(container=f"{{name: app, env: {env}}}"))) == ["WI211", "WI460"]
    assert codes(linted(ACCOUNT + pod(container=f"{{name: app, env: {env}}}"))) == ["WI210", "WI211"]


def test_the_account_that_is_applied_last_counts() -> None:
    """Of two of one name in one file."""
    own = pod(container="{name: app, env: [{name: M365_CLOUD, value: dod}]}")
    cloudy = account(USUAL[:-1] + f", {CLOUD}: dod}}")
    assert codes(linted(cloudy + ACCOUNT + own)) == ["WI210"]
    assert codes(linted(ACCOUNT + cloudy + own)) == []


def test_an_object_without_a_namespace_goes_with_one_of_any() -> None:
    """kubectl -n and Helm's --namespace say it later; the flag says it here."""
    own = pod(container="{name: app, env: [{name: M365_CLOUD, value: x}]}").replace("  namespace: shop\n", "")
    assert codes(linted(ACCOUNT + own)) == ["WI210"]
    assert codes(linted(ACCOUNT + own, namespace="shop")) == ["WI210"]
    assert codes(linted(ACCOUNT + own, namespace="other")) == ["WI483"]


def test_the_scope_decides() -> None:
    """In scope cluster no label is missing, and a pod without one is judged."""
    text = ACCOUNT + pod(labels="{}", container="{name: app, env: [{name: M365_CLOUD, value: x}]}")
    assert codes(linted(text)) == ["WI210", "WI433"]
    assert codes(linted(text, Policy(scope="cluster"))) == ["WI210"]
    assert codes(linted(text, Policy(scope="namespace-label"))) == []
    opened = namespace(f'{{{INJECT}: "true"}}') + text
    assert codes(linted(opened, Policy(scope="namespace-label"))) == ["WI210"]
