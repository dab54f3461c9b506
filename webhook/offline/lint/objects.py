"""One object of the files, and the pod templates in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from webhook.core.text import shown
from webhook.core.workload_kinds import OPERATOR_KINDS, is_built_in, workload_kind
from webhook.documents.files import FilePlace, Manifest
from webhook.offline.operators import templates

KUSTOMIZE: Final = "kustomize.config.k8s.io"


@dataclass(frozen=True)
class Object:
    """A manifest. default: the namespace that the user named for objects without one, or ""."""

    manifest: Manifest
    default: str

    @property
    def kind(self) -> str:
        """Such as Deployment."""
        return self.manifest.kind

    @property
    def stated(self) -> str:
        """The namespace as far as it is known; "" if neither the object nor the user names one."""
        return self.manifest.namespace(self.default)

    @property
    def namespace(self) -> str:
        """The namespace, `default` if none is named."""
        return self.stated or "default"

    @property
    def title(self) -> str:
        """Its kind, namespace and name, in ASCII."""
        place = "" if self.is_a("", "Namespace") else f"{self.namespace}/"
        return shown(f"{self.kind} {place}{self.manifest.name}", 400)

    @property
    def is_workload(self) -> bool:
        """Whether it is a kind of Kubernetes that is a pod or has a pod template."""
        return workload_kind(self.manifest.group, self.kind) is not None

    @property
    def is_operators(self) -> bool:
        """Whether it is a well-known kind whose pods an operator makes."""
        return (self.manifest.group, self.kind) in OPERATOR_KINDS

    @property
    def is_foreign(self) -> bool:
        """Whether it is of a kind that Kubernetes does not have."""
        return not is_built_in(self.manifest.group)

    def is_a(self, group: str, kind: str) -> bool:
        """Whether it is of that kind."""
        return (self.manifest.group, self.kind) == (group, kind)

    def values(self, *steps: str) -> Mapping[str, Any]:
        """What it has at a path; empty if that has no members."""
        value: Any = self.manifest.value
        for step in steps:
            value = value.get(step) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    def texts(self, *steps: str) -> dict[str, str]:
        """The labels or annotations at a path, without those that are not text."""
        return {key: value for key, value in self.values(*steps).items() if isinstance(value, str)}

    @cached_property
    def pods(self) -> tuple[tuple[str, ...], ...]:
        """The path to each pod template; the empty path for a pod."""
        kind = workload_kind(self.manifest.group, self.kind)
        if kind:
            return (kind.steps,)
        return tuple(self._templates()) if self.is_foreign else ()

    def _templates(self) -> Iterator[tuple[str, ...]]:
        for steps in templates(self.manifest.value):
            if self.values(*steps).keys() & {"metadata"} or self.is_operators:
                yield steps

    def place(self, *steps: str | int) -> FilePlace:
        """Where a part of it stands: its value if that is a single one, else its key."""
        return self.manifest.key_place(*steps)

    def head(self) -> FilePlace:
        """Where its name stands."""
        return self.place("metadata", "name") if "name" in self.manifest.metadata else self.place("kind")
