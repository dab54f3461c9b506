"""What is told to a person when the self-managed mode needs one: a sentence, and the next step."""

from __future__ import annotations

from datetime import datetime, timedelta

from certs.errors import CertificateError, Forbidden, NotFound, Rejected
from certs.managed.next_step import Create, Publish, Sign, Step
from certs.managed.settings import Settings
from certs.source import Problem

__all__ = ["authority_from_the_future", "clock", "no_webhook", "not_serving", "refused", "secret", "step", "trust"]

_RBAC = "the rules are in docs/certificates.md, and `helm upgrade` sets them"


def secret(error: CertificateError, settings: Settings) -> Problem:
    """The Secret cannot be read."""
    what = f"Secret {settings.secret} cannot be read"
    if isinstance(error, Forbidden):
        return Problem(f"{what}: RBAC forbids `get`", f"Give the ServiceAccount its Role and RoleBinding: {_RBAC}")
    return Problem(
        f"{what}: {_short(error)}", "Serving goes on; see whether the API server can be reached from the pod"
    )


def trust(error: CertificateError, settings: Settings) -> Problem:
    """The webhook configuration cannot be read."""
    what = f"MutatingWebhookConfiguration {settings.configuration}"
    if isinstance(error, NotFound):
        return Problem(
            f"{what} is absent, so no pod is sent here", "Create it again with `helm upgrade`; it is filled in then"
        )
    if isinstance(error, Forbidden):
        fix = f"Give the ServiceAccount its ClusterRole and ClusterRoleBinding: {_RBAC}"
        return Problem(f"{what} cannot be read: RBAC forbids `get`", fix)
    return Problem(
        f"{what} cannot be read: {_short(error)}",
        "Serving goes on; see whether the API server can be reached from the pod",
    )


def no_webhook(settings: Settings) -> Problem:
    """The configuration has no webhook of ours."""
    names = f" or is called {', '.join(sorted(settings.webhooks))}" if settings.webhooks else ""
    return Problem(
        f"no webhook of MutatingWebhookConfiguration {settings.configuration} calls Service {settings.service}{names}",
        "Mend clientConfig.service with `helm upgrade`",
    )


def step(step: Step, error: CertificateError, settings: Settings) -> Problem:
    """A step could not be performed."""
    if isinstance(step, Publish):
        what = f"the caBundle of MutatingWebhookConfiguration {settings.configuration} cannot be set"
        if isinstance(error, Forbidden):
            fix = f"Give the ServiceAccount its ClusterRole and ClusterRoleBinding: {_RBAC}"
            return Problem(f"{what}: RBAC forbids `patch`", fix)
        if isinstance(error, Rejected):
            return Problem(f"{what}: {_short(error)}", "See which policy or webhook of the cluster refuses the change")
        return Problem(f"{what}: {_short(error)}", "It is tried again")
    if isinstance(step, Sign):
        return Problem(f"no leaf can be signed: {_short(error)}", f"Delete Secret {settings.secret}: it is made anew")
    what = f"Secret {settings.secret} cannot be written"
    if isinstance(error, Forbidden):
        if isinstance(step, Create):
            namespace, _, name = settings.secret.partition("/")
            empty = f"kubectl create secret generic -n {namespace} {name}"
            fix = f"Give `update`, `patch` and `create` on that name, or make it empty ({empty}); {_RBAC}"
            return Problem(f"{what}: RBAC forbids it", fix)
        return Problem(f"{what}: RBAC forbids `update`", f"Give the ServiceAccount its Role and RoleBinding: {_RBAC}")
    if isinstance(error, Rejected):
        fix = "Delete it if it is immutable or of another type than Opaque: it is made anew. Else see who refuses it"
        return Problem(f"{what}: {_short(error)}", fix)
    return Problem(f"{what}: {_short(error)}", "It is tried again")


def clock(ahead: timedelta, settings: Settings) -> Problem:
    """The clock here is far from the API server's."""
    where = "ahead of" if ahead > timedelta(0) else "behind"
    return Problem(
        f"the clock of this node is more than {settings.skew} {where} the API server's; it renews only its own leaf",
        "Mend the node's time synchronisation",
    )


def authority_from_the_future(not_before: datetime, settings: Settings) -> Problem:
    """The authority in the Secret is not valid yet."""
    return Problem(
        f"the authority in Secret {settings.secret} is not valid before {not_before:%Y-%m-%d %H:%M:%SZ}",
        f"Mend the clock of the nodes; if that is right, delete Secret {settings.secret}: it is made anew",
    )


def refused(error: CertificateError) -> Problem:
    """A fresh connection to ourselves was turned away."""
    return Problem(
        f"a fresh connection to this replica fails: {_short(error)}", "Restart the pod; if it stays, report it"
    )


def not_serving(settings: Settings) -> Problem:
    """There is no leaf, and nothing else explains it."""
    return Problem("no leaf is served that kube-apiserver trusts", f"See `webhook certs` and Secret {settings.secret}")


def _short(error: CertificateError) -> str:
    """What an error says, on one line of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."
