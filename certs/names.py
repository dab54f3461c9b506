"""What a process needs to know of certificates without loading the code that makes them, as gunicorn's parent."""

from __future__ import annotations

from datetime import timedelta

__all__ = ["BACKDATED", "service_names"]

BACKDATED = timedelta(hours=1)
"""How far an authority's NotBefore is in the past: the clocks of nodes and of kube-apiserver may differ by this."""


def service_names(service: str, namespace: str) -> tuple[str, ...]:
    """The names of a Service, the one that kube-apiserver asks for (`<service>.<namespace>.svc`) third."""
    return (
        service,
        f"{service}.{namespace}",
        f"{service}.{namespace}.svc",
        f"{service}.{namespace}.svc.cluster.local",
    )
