"""The annotations of a pod and of its ServiceAccount: what is set, and where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from webhook.core.messages import Place
from webhook.core.review import Request
from webhook.core.text import shown


class Value(NamedTuple):
    """The text of an annotation, without white space around it, and where it stands."""

    text: str
    owner: str
    key: str
    on_pod: bool

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.owner, annotation=self.key)


@dataclass(frozen=True)
class Annotations:
    """The annotations of one object. owner: the object, such as `Pod shop/terraform`."""

    kind: Literal["Pod", "ServiceAccount"]
    owner: str
    values: Mapping[str, str]

    def value(self, key: str) -> Value | None:
        """The annotation `key`; None if it is not set or nothing but white space."""
        text = self.values.get(key, "").strip()
        return Value(text, self.owner, key, on_pod=self.kind == "Pod") if text else None

    def place(self, key: str) -> Place:
        """Where the annotation `key` stands, or is missing."""
        return Place(self.owner, annotation=key)


def pod_annotations(request: Request) -> Annotations:
    """Those of the pod."""
    owner = f"Pod {shown(request.namespace)}/{shown(request.pod_name)}"
    return Annotations("Pod", owner, raw_annotations(request))


def raw_annotations(request: Request) -> Mapping[str, str]:
    """Those of the pod, as they stand in it."""
    return (request.pod.get("metadata") or {}).get("annotations") or {}
