"""The cases in tests/cases/*.yaml: a pod, its ServiceAccount, and what the webhook must make of them.

Unit tests, the tests of the offline command and the tests on a real kube-apiserver read the same files. A file holds
cases of one subject, a YAML document each:

    about: One sentence: what the webhook does here.
    namespace: shop                  # where the pod is made; left out: shop
    namespaceLabels: {}              # labels of that namespace; left out: none
    policy: {scope: pod-label}       # those that differ from Policy(): scope, tenant_id, cloud, …
    serviceAccount:                  # the one the pod names, or `default`.
      annotations: {}                #   left out: the usual one; {}: without annotations; null: there is none
    apiserver: why not               # only where a real kube-apiserver refuses or rewrites this pod
    pod: {...}                       # the whole manifest
    expect:
      outcome: injected              # left out: injected
      reason: injected               # left out: injected
      message: the whole text        # denied: required
      warnings: [the whole text]     # all of them, in order; left out: none
      volume: usual                  # the volume that is added; left out: none
      containers:                    # those that get something, by name, init containers and others alike
        app: usual
      helpers: [m365-preflight]      # the init containers that are added, in their order; left out: none
      helperEnv: usual               # what each of them has, as a container; left out: usual
      helper: {}                     # how each of them differs from the usual one; left out: not at all
      volumes: [{...}]               # whole entries that are added after `volume`; left out: none
      lint: [WI101]                  # what `m365wi lint` finds; left out: the codes of message and warnings

`message` and each warning end with their code, such as `[WI101]`; in front of it comes the fix, in brackets. Both may
also be `{contains: text}` or `{contains: [text, text]}`. Texts name the default namespace only as `shop/` or `-n shop`,
so that `Case.moved` can put the case elsewhere.

A volume is `usual` (azure-identity-token, 3600 s, the public audience) or `{name, audience, expirationSeconds}`, where
what is left out is as usual. A container is `usual` (the eight variables of the usual ServiceAccount and the usual
mount), or `{env, but, mount, endpoint, last}`:

    env:    `usual` (also when left out), or the variables that come before the container's own, in this order; {}: none
    but:    values among them that differ; null: that variable is not injected
    mount:  `usual` (also when left out), null: none, or `{name, mountPath}`, where what is left out is as usual
    endpoint: true when the two variables of the token endpoint come after the others
    last:   entries that come after those

With m365-token-endpoint among the helpers, each of them also has its two variables. `helper` is
`{behind, resources, securityContext, env, envFrom, mounts, metrics}`:

    behind:           the init container that stands right before the first helper; left out: helpers are the first
    resources:        in place of the usual ones; null: none
    securityContext:  members that differ; null: that member is not there
    env, envFrom:     entries that come after the variables of helperEnv; the list
    mounts:           entries that come before that of helperEnv
    metrics:          the port of m365-token-endpoint for metrics; left out: none

The usual ServiceAccount is annotated with azure.workload.identity/client-id and tenant-id, see CLIENT and TENANT.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
import yaml

from webhook.core import names
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.core.review import Request

FOLDER: Final = Path(__file__).parent.parent / "cases"
NAMESPACE: Final = "shop"
CLIENT: Final = "11111111-1111-4111-8111-111111111111"
TENANT: Final = "22222222-2222-4222-8222-222222222222"
USUAL_ANNOTATIONS: Final = {names.AZURE_CLIENT_ID: CLIENT, names.AZURE_TENANT_ID: TENANT}
# Written out, not built from the webhook's constants: a renamed constant must not rename what users rely on.
USUAL_ENV: Final = {
    "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token",
    "M365_CLIENT_ID": CLIENT,
    "M365_TENANT_ID": TENANT,
    "M365_AUTH_METHOD": "workload_identity",
    "M365_CLOUD": "public",
    "AZURE_CLIENT_ID": CLIENT,
    "AZURE_TENANT_ID": TENANT,
    "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
}
USUAL_MOUNT: Final = {"name": "azure-identity-token", "mountPath": "/var/run/secrets/azure/tokens"}
USUAL_VOLUME: Final = {
    "name": "azure-identity-token",
    "audience": "api://AzureADTokenExchange",
    "expirationSeconds": 3600,
}

Json = dict[str, Any]

ENDPOINT: Final[tuple[Json, ...]] = (
    {"name": "IDENTITY_ENDPOINT", "value": "http://127.0.0.1:20365/msi/token"},
    {"name": "IDENTITY_HEADER", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.uid"}}},
)
HELPER: Final[Json] = {
    "resources": {"limits": {"memory": "128Mi"}, "requests": {"cpu": "10m", "memory": "64Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsGroup": 65532,
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "terminationMessagePolicy": "FallbackToLogsOnError",
}
HELPERS: Final[Mapping[str, Json]] = {
    "m365-preflight": {"command": ["m365-identity", "preflight"]},
    "m365-token-endpoint": {
        "command": ["m365-identity", "serve"],
        "restartPolicy": "Always",
        "startupProbe": {
            "exec": {"command": ["m365-identity", "serve", "--check"]},
            "failureThreshold": 30,
            "periodSeconds": 1,
            "timeoutSeconds": 5,
        },
    },
}


@dataclass(frozen=True)
class Text:
    """What a message must be: `exact`, or, when that is None, something with every one of `parts` in it."""

    exact: str | None = None
    parts: tuple[str, ...] = ()

    def fits(self, text: str) -> bool:
        """Whether `text` is as it must be."""
        if self.exact is not None:
            return text == self.exact
        return all(part in text for part in self.parts)

    def fits_sent(self, text: str) -> bool:
        """The same for a warning that kube-apiserver passed on: without its fix, if there was no room for it."""
        return self.fits(text) or (self.exact is not None and text == _without_fix(self.exact))

    def moved(self, namespace: str) -> "Text":
        """The same in another namespace."""
        exact = None if self.exact is None else _moved(self.exact, namespace)
        return Text(exact, tuple(_moved(part, namespace) for part in self.parts))


def _moved(text: str, namespace: str) -> str:
    return text.replace(f"{NAMESPACE}/", f"{namespace}/").replace(f" -n {NAMESPACE}", f" -n {namespace}")


def _without_fix(text: str) -> str:
    """`text` without the brackets in front of its code."""
    return re.sub(r" \(.*\)( \[WI\d+\])$", r"\1", text)


@dataclass(frozen=True)
class Addition:
    """What one container gets: variables before its own, and a mount after its own."""

    env: tuple[Json, ...]
    mount: Json | None


@dataclass(frozen=True)
class Expected:
    """What the webhook must answer. additions: by container name, those that get something. volume: the whole entry.

    helpers: the init containers that are added. helper_env: what each of them has. helper: how they differ besides.
    volumes: more whole entries. lint: the codes of what `m365wi lint` finds.
    """

    outcome: str
    reason: str
    message: Text
    warnings: tuple[Text, ...]
    volume: Json | None
    additions: Mapping[str, Addition]
    helpers: tuple[str, ...]
    helper_env: Addition
    helper: Json = field(default_factory=dict)
    volumes: tuple[Json, ...] = ()
    lint: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One case. id: file and number, for pytest. apiserver: why a real kube-apiserver cannot be shown it, or ""."""

    id: str
    about: str
    pod: Json
    expect: Expected
    account: Account | None
    namespace: str = NAMESPACE
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    apiserver: str = ""

    @property
    def account_name(self) -> str:
        """The pod's ServiceAccount."""
        spec = self.pod["spec"]
        return str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")

    def request(self) -> Request:
        """The case as the core sees it."""
        return Request(uid="case", namespace=self.namespace, pod=self.pod)

    def review(self, uid: str = "case") -> Json:
        """The AdmissionReview that kube-apiserver would post."""
        gvk = {"group": "", "version": "v1", "kind": "Pod"}
        request = {
            "uid": uid,
            "kind": gvk,
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "namespace": self.namespace,
            "object": self.pod,
            "dryRun": False,
        }
        return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}

    def service_account(self) -> Json | None:
        """The manifest of the ServiceAccount, None when there is none."""
        if self.account is None:
            return None
        metadata = {
            "name": self.account.name,
            "namespace": self.namespace,
            "annotations": dict(self.account.annotations),
        }
        return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}

    def namespace_object(self) -> Json:
        """The manifest of the namespace."""
        metadata = {"name": self.namespace, "labels": dict(self.namespace_labels)}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}

    def moved(self, namespace: str) -> "Case":
        """The same case in another namespace, for tests that make one for each. Only where it is not about one."""
        assert self.namespace == NAMESPACE, f"{self.id} is about namespace {self.namespace}"
        expect = replace(
            self.expect,
            message=self.expect.message.moved(namespace),
            warnings=tuple(text.moved(namespace) for text in self.expect.warnings),
        )
        account = self.account and replace(self.account, namespace=namespace)
        return replace(self, namespace=namespace, account=account, expect=expect)

    def expected_pod(self) -> Json:
        """The pod as it must be afterwards, made from the case alone."""
        pod = copy.deepcopy(self.pod)
        spec = pod["spec"]
        for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
            addition = self.expect.additions.get(container.get("name"))
            if addition is None:
                continue
            if addition.env:
                container["env"] = [*copy.deepcopy(addition.env), *(container.get("env") or ())]
            if addition.mount:
                container["volumeMounts"] = [*(container.get("volumeMounts") or ()), copy.deepcopy(addition.mount)]
        helpers = [self._helper(name) for name in self.expect.helpers]
        if helpers:
            init = spec.get("initContainers") or []
            behind = self.expect.helper.get("behind")
            place = [each["name"] for each in init].index(behind) + 1 if behind else 0
            spec["initContainers"] = [*init[:place], *helpers, *init[place:]]
        volumes = [self.expect.volume] * bool(self.expect.volume) + list(self.expect.volumes)
        if volumes:
            spec["volumes"] = [*(spec.get("volumes") or ()), *copy.deepcopy(volumes)]
        return pod

    def _helper(self, name: str) -> Json:
        env = [entry for entry in self.expect.helper_env.env if entry not in ENDPOINT]
        env += ENDPOINT if "m365-token-endpoint" in self.expect.helpers else ()
        changed = self.expect.helper
        env += changed.get("env") or ()
        mount = self.expect.helper_env.mount
        mounts = [*(changed.get("mounts") or ()), *([mount] if mount else ())]
        own = {"name": name, "image": self.policy.helper_image, **HELPERS[name], **HELPER}
        own["resources"] = changed.get("resources", own["resources"])
        own["securityContext"] = _without_none({**own["securityContext"], **(changed.get("securityContext") or {})})
        port = changed.get("metrics") if name == "m365-token-endpoint" else None
        if port:
            own["args"] = ["--metrics-port", str(port)]
            own["ports"] = [{"name": "m365-metrics", "containerPort": port, "protocol": "TCP"}]
        own |= {"env": env, "envFrom": changed.get("envFrom"), "volumeMounts": mounts}
        return copy.deepcopy(_without_none(own))


def helper_flags(policy: Policy) -> list[str]:
    """The settings of helper containers that make `policy`."""
    usual, flags = Policy(), []
    for name in ("resources", "security_context", "env", "authorities", "network_sidecars"):
        value = getattr(policy, f"helper_{name}")
        if value != getattr(usual, f"helper_{name}"):
            text = (
                json.dumps(value) if isinstance(value, dict) else value if isinstance(value, str) else ",".join(value)
            )
            flags.append(f"--helper-{name.replace('_', '-')}={text}")
    return [f"--helper-image={policy.helper_image}", *flags] if policy.helper_image else flags


def _without_none(value: Json) -> Json:
    return {key: each for key, each in value.items() if each is not None}


@cache
def load() -> list[Case]:
    """Every case of every file, read once. Raises ValueError that names the case with a mistake in its form."""
    return [case for file in sorted(FOLDER.glob("*.yaml")) for case in read(file)]


def read(file: Path) -> Iterator[Case]:
    """The cases of one file."""
    documents = [document for document in yaml.load_all(file.read_text("utf-8"), _Loader) if document is not None]
    for number, document in enumerate(documents, 1):
        name = f"{file.stem}-{number}"
        try:
            yield _case(name, document)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{file.name}, case {number}: {error!r}") from error


def differences(expected: Any, actual: Any, path: str = "") -> list[str]:
    """Where `actual`, an object read back from a real kube-apiserver, does not have something of `expected`.

    What the API server adds does not count as a difference: members of objects, entries of lists (matched by name or
    mountPath, in their order). Nor does what it rewrites: null and what is empty vanish, and a number that became a
    string is a quantity.
    """
    if expected is None or expected in ("", [], {}):
        return []
    if isinstance(expected, int | float) and isinstance(actual, str):
        return []
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            return [f"{path}: expected an object, found {actual!r}"]
        return [text for key in expected for text in differences(expected[key], actual.get(key), f"{path}.{key}")]
    if isinstance(expected, list):
        if not isinstance(actual, list):
            return [f"{path}: expected a list, found {actual!r}"]
        return _list_differences(expected, actual, path)
    return [] if expected == actual else [f"{path}: expected {expected!r}, found {actual!r}"]


def _list_differences(expected: list[Any], actual: list[Any], path: str) -> list[str]:
    found: list[str] = []
    position = 0
    for index, entry in enumerate(expected):
        where = next((at for at in range(position, len(actual)) if _same_entry(entry, actual[at])), None)
        if where is None:
            found.append(f"{path}[{index}]: {entry!r} is missing or out of order")
            continue
        found += differences(entry, actual[where], f"{path}[{index}]")
        position = where + 1
    return found


def _same_entry(expected: Any, actual: Any) -> bool:
    if isinstance(expected, dict) and isinstance(actual, dict):
        keys = [key for key in ("name", "mountPath") if key in expected]
        return all(expected[key] == actual.get(key) for key in keys) if keys else not differences(expected, actual)
    return bool(expected == actual)


class _Loader(yaml.CSafeLoader):
    """Refuses a key that stands twice: half of such a case would silently not be tested."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Json:
    keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"{key} stands twice, line {node.start_mark.line + 1}")
    loader.flatten_mapping(node)
    return {str(key): value for key, value in loader.construct_mapping(node, deep=True).items()}


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _only(keys: set[str], value: Mapping[str, Any], what: str) -> None:
    unknown = set(value) - keys
    if unknown:
        raise ValueError(f"{what} has unknown keys: {', '.join(sorted(unknown))}")


def _case(name: str, document: Json) -> Case:
    known = {"about", "namespace", "namespaceLabels", "policy", "serviceAccount", "apiserver", "pod", "expect"}
    _only(known, document, "the case")
    namespace = document.get("namespace", NAMESPACE)
    # Through JSON: what a YAML alias repeats must become two things, as it does on its way to the API server.
    pod = orjson.loads(orjson.dumps(document["pod"]))
    account_name = pod["spec"].get("serviceAccountName") or pod["spec"].get("serviceAccount") or "default"
    stated = document.get("serviceAccount", {"annotations": USUAL_ANNOTATIONS})
    account = None
    if stated is not None:
        _only({"annotations"}, stated, "serviceAccount")
        account = Account(namespace, account_name, stated.get("annotations") or {})
    return Case(
        id=name,
        about=document["about"],
        pod=pod,
        expect=_expected(document["expect"]),
        account=account,
        namespace=namespace,
        namespace_labels=document.get("namespaceLabels") or {},
        policy=_policy(document.get("policy") or {}),
        apiserver=document.get("apiserver", ""),
    )


def _policy(stated: Json) -> Policy:
    """YAML has no tuples."""
    values: Json = {name: tuple(value) if isinstance(value, list) else value for name, value in stated.items()}
    return Policy(**values)


def _expected(stated: Json) -> Expected:
    known = {"outcome", "reason", "message", "warnings", "volume", "volumes", "containers", "helpers"}
    known |= {"helper", "helperEnv", "lint"}
    _only(known, stated, "expect")
    helper = stated.get("helper") or {}
    _only({"behind", "resources", "securityContext", "env", "envFrom", "mounts", "metrics"}, helper, "helper")
    outcome = stated.get("outcome", "injected")
    reason = stated.get("reason", "injected")
    if (outcome == "denied") != ("message" in stated):
        raise ValueError("a message belongs to a denial, and only there")
    if outcome == "injected" and not stated.get("containers"):
        raise ValueError("injected, but into which containers?")
    if outcome != "injected" and (stated.get("containers") or stated.get("volume")):
        raise ValueError("only an injected pod gets something")
    return Expected(
        outcome=outcome,
        reason=reason,
        message=_text(stated.get("message", "")),
        warnings=tuple(_text(each) for each in stated.get("warnings") or ()),
        volume=_volume(stated.get("volume")),
        additions={name: _addition(each) for name, each in (stated.get("containers") or {}).items()},
        helpers=tuple(stated.get("helpers") or ()),
        helper_env=_addition(stated.get("helperEnv") or "usual"),
        helper=helper,
        volumes=tuple(stated.get("volumes") or ()),
        lint=tuple(sorted(stated["lint"] if "lint" in stated else _codes(stated))),
    )


def _codes(stated: Json) -> list[str]:
    """Of the message and the warnings. One whose text is not whole does not say its code."""
    texts = [each for each in (stated.get("message"), *(stated.get("warnings") or ())) if each]
    codes = [code for text in texts if isinstance(text, str) for code in re.findall(r"\[(WI\d+)\]", text)]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a case whose texts are not whole says what lint finds")
    return codes


def _text(stated: str | Json) -> Text:
    if isinstance(stated, str):
        return Text(stated)
    _only({"contains"}, stated, "a text")
    parts = stated["contains"]
    return Text(None, (parts,) if isinstance(parts, str) else tuple(parts))


def _volume(stated: str | Json | None) -> Json | None:
    if stated is None:
        return None
    values = dict(USUAL_VOLUME) if stated == "usual" else {**USUAL_VOLUME, **_as_object(stated, set(USUAL_VOLUME))}
    token = {
        "audience": values["audience"],
        "expirationSeconds": values["expirationSeconds"],
        "path": "azure-identity-token",
    }
    projected = {"defaultMode": 420, "sources": [{"serviceAccountToken": token}]}
    return {"name": values["name"], "projected": projected}


def _addition(stated: str | Json) -> Addition:
    values = {} if stated == "usual" else _as_object(stated, {"env", "but", "mount", "endpoint", "last"})
    env = values.get("env", "usual")
    env = dict(USUAL_ENV if env == "usual" else env)
    changed = values.get("but") or {}
    _only(set(env), changed, "but")
    env |= changed
    mount = values.get("mount", "usual")
    if mount is not None:
        mount = USUAL_MOUNT if mount == "usual" else {**USUAL_MOUNT, **_as_object(mount, set(USUAL_MOUNT))}
    entries = tuple({"name": name, "value": value} for name, value in env.items() if value is not None)
    entries += ENDPOINT if values.get("endpoint") else ()
    entries += tuple(values.get("last") or ())
    return Addition(entries, {**mount, "readOnly": True} if mount else None)


def _as_object(stated: Any, keys: set[str]) -> Json:
    if not isinstance(stated, dict):
        raise ValueError(f"{stated!r} is neither `usual` nor an object")
    _only(keys, stated, "it")
    return stated
