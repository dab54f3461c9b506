"""The rights that an installation needs, from the objects that it makes. Pure.

For each object, what Helm 3 and 4 and kubectl do with it when they install, upgrade and uninstall (`--wait` watches):

    create, list, watch      of its resource; RBAC cannot limit them to a name
    get, patch, delete       of its name
    get pods/log             of a pod, for `helm test --logs`

In addition

    Secrets                  of the namespace: Helm keeps a release in Secrets whose names count up
    list replicasets, pods   of the namespace of a Deployment: Helm waits for them
    the rules of each role   kube-apiserver lets no user make a role, or bind one, without having its rights
    bind                     of a role that is bound and is not one of the objects
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

RBAC: Final = "rbac.authorization.k8s.io"
NAME: Final = "m365wi-installer"
"""Of the roles and bindings that are printed."""
CHART: Final = Path(__file__).with_name("chart.yaml")
"""What decides about rights of the objects of the chart with its defaults; `make manifests` writes it."""

_OF_RESOURCE: Final = ("create", "list", "watch")
_OF_NAME: Final = ("delete", "get", "patch")
_OF_RELEASES: Final = ("create", "delete", "get", "list", "update", "watch")
_ROLES: Final = ("ClusterRole", "Role")


class Right(NamedTuple):
    """A right. namespace: "" for the whole cluster. name: "" for all. url: of a right that is about no resource."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    url: str = ""

    @property
    def plural(self) -> str:
        """The resource as kubectl writes it, or the URL."""
        return self.url or (f"{self.resource}.{self.group}" if self.group else self.resource)

    def covers(self, other: "Right") -> bool:
        """Whether who has this one has the other."""
        return (
            (self.verb, self.group, self.resource, self.url) == (other.verb, other.group, other.resource, other.url)
            and self.namespace in ("", other.namespace)
            and self.name in ("", other.name)
        )


class Resource(NamedTuple):
    """What a cluster calls the objects of a kind."""

    plural: str
    namespaced: bool


Resources = Mapping[tuple[str, str], Resource]
"""Of a cluster: by apiVersion and kind."""


def chart(namespace: str) -> list[dict[str, Any]]:
    """The objects of the chart with its defaults, in a namespace."""
    objects: list[dict[str, Any]] = list(yaml.safe_load_all(CHART.read_text(encoding="utf-8")))
    for each in objects:
        if "namespace" in each["metadata"]:
            each["metadata"]["namespace"] = namespace
    return objects


def kind_of(document: Mapping[str, Any]) -> tuple[str, str]:
    """Its apiVersion and its kind."""
    return str(document.get("apiVersion")), str(document.get("kind"))


def needed(documents: Iterable[Mapping[str, Any]], namespace: str, resources: Resources) -> tuple[Right, ...]:
    """The rights, each once, none that another one includes. namespace: of the release.

    Objects of a kind that the cluster does not have are left out.
    """
    found = {Right(verb, "", "secrets", namespace) for verb in _OF_RELEASES}
    objects = [*documents]
    made = {(kind_of(each)[1], (each.get("metadata") or {}).get("name")) for each in objects}
    for document in objects:
        resource = resources.get(kind_of(document))
        if resource:
            found.update(_of_object(document, namespace, resource))
        role = document.get("roleRef") or {}
        if resource and role and (role.get("kind"), role.get("name")) not in made:
            where = _where(document, namespace, resource)
            found.add(Right("bind", RBAC, f"{role.get('kind')}s".lower(), where, str(role.get("name"))))
    return tuple(sorted(each for each in found if not any(other.covers(each) for other in found - {each})))


def _of_object(document: Mapping[str, Any], namespace: str, resource: Resource) -> Iterator[Right]:
    version, kind = kind_of(document)
    group, where = version.rpartition("/")[0], _where(document, namespace, resource)
    name = str((document.get("metadata") or {}).get("name") or "")
    yield from (Right(verb, group, resource.plural, where) for verb in _OF_RESOURCE)
    yield from (Right(verb, group, resource.plural, where, name) for verb in _OF_NAME)
    if kind == "Pod":
        yield Right("get", "", "pods/log", where, name)
    if kind == "Deployment":
        yield from (Right("list", *of, where) for of in (("", "pods"), ("apps", "replicasets")))
    if group == RBAC and kind in _ROLES:
        for rule in document.get("rules") or ():
            yield from _of_rule(rule, where)


def _where(document: Mapping[str, Any], namespace: str, resource: Resource) -> str:
    return str((document.get("metadata") or {}).get("namespace") or namespace) if resource.namespaced else ""


def _of_rule(rule: Mapping[str, Any], namespace: str) -> Iterator[Right]:
    for verb in rule.get("verbs") or ():
        yield from (Right(verb, url=url) for url in rule.get("nonResourceURLs") or ())
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or ("",):
                    yield Right(verb, group, resource, namespace, name)


def shown(rights: Iterable[Right]) -> str:
    """Rights in words: resources with the same verbs together, such as `create, get secrets, services; list pods`."""
    verbs: dict[str, set[str]] = {}
    for each in rights:
        verbs.setdefault(each.plural, set()).add(each.verb)
    plurals: dict[str, list[str]] = {}
    for plural, found in verbs.items():
        plurals.setdefault(", ".join(sorted(found)), []).append(plural)
    return "; ".join(f"{allowed} {', '.join(called)}" for allowed, called in plurals.items())


def as_rbac(rights: Sequence[Right], user: str) -> list[dict[str, Any]]:
    """A ClusterRole, and a Role for each namespace, with just these rights, each bound to `user`."""
    found = []
    for namespace in sorted({each.namespace for each in rights}):
        kind = "Role" if namespace else "ClusterRole"
        metadata = {"name": NAME, **({"namespace": namespace} if namespace else {})}
        head = {"apiVersion": f"{RBAC}/v1"}
        rules = _rules([each for each in rights if each.namespace == namespace])
        found += [
            {**head, "kind": kind, "metadata": dict(metadata), "rules": rules},
            {
                **head,
                "kind": f"{kind}Binding",
                "metadata": dict(metadata),
                "roleRef": {"apiGroup": RBAC, "kind": kind, "name": NAME},
                "subjects": [_subject(user)],
            },
        ]
    return found


def _rules(rights: Sequence[Right]) -> list[dict[str, Any]]:
    """As few rules as can be read: names with the same verbs share one, and so do resources of one group."""
    verbs: dict[tuple[str, str, str, str], set[str]] = {}
    for each in rights:
        verbs.setdefault((each.group, each.resource, each.url, each.name), set()).add(each.verb)
    names: dict[tuple[str, str, str, tuple[str, ...]], list[str]] = {}
    for (group, resource, url, name), those in verbs.items():
        names.setdefault((group, resource, url, tuple(sorted(those))), []).append(name)
    plurals: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, resource, url, allowed), called in names.items():
        plurals.setdefault((group, url, tuple(sorted(called)), allowed), []).append(resource)
    return [_rule(*key, found) for key, found in sorted(plurals.items())]


def _rule(group: str, url: str, names: Sequence[str], verbs: Sequence[str], plurals: list[str]) -> dict[str, Any]:
    if url:
        return {"nonResourceURLs": [url], "verbs": [*verbs]}
    named = {"resourceNames": [*names]} if any(names) else {}
    return {"apiGroups": [group], "resources": plurals, **named, "verbs": [*verbs]}


def _subject(user: str) -> dict[str, str]:
    if user.startswith("system:serviceaccount:"):
        namespace, _, name = user.removeprefix("system:serviceaccount:").partition(":")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": RBAC, "kind": "User", "name": user}
