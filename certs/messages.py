"""The table of what certificates report to people, and a problem: a row of it with its values.

    WIC1xx  the Secret and the webhook configuration
    WIC2xx  the certificate that is served, and time
    WIC3xx  certificates in files
    WIC4xx  settings that do not fit together
    WIC5xx  `certs`, and `certs rotate`

Code decides by `problem.kind`, never by its text. `TABLE` has every row by its code; docs/messages.md is made from it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

__all__ = ["TABLE", "Problem", "ProblemKind", "ProblemSeverity", "one_line", "problem"]

_LONGEST: Final = 300  # characters of an error: what an API server answers can be as long as the request


class ProblemSeverity(enum.StrEnum):
    """How bad it is."""

    ERROR = "error"
    """Something does not work until a person acts."""
    WARNING = "warning"
    """It was put right here; a person should find the cause."""


@dataclass(frozen=True)
class ProblemKind:
    """A row of the table.

    code: stable, and never given to another message. text: what is wrong, with values in braces. fix: what a person
    does about it, "" if nothing. help: why it matters, for docs/messages.md.
    """

    code: str
    severity: ProblemSeverity
    text: str
    fix: str = ""
    help: str = ""


@dataclass(frozen=True)
class Problem:
    """A row of the table, filled in. Nothing private is in its values."""

    kind: ProblemKind
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The code of its kind."""
        return self.kind.code

    @property
    def text(self) -> str:
        """What is wrong, on one line."""
        return self.kind.text.format_map(self.values)

    @property
    def fix(self) -> str:
        """What a person does about it; "" if nothing."""
        return self.kind.fix.format_map(self.values)

    def __str__(self) -> str:
        return self.text + (f" ({self.fix})" if self.kind.fix else "") + f" [{self.code}]"

    def with_names(self, names: Mapping[str, str]) -> Problem:
        """The same with other names for settings: `{"leaf_lifetime": "--leaf-lifetime"}`."""
        return replace(self, values={name: names.get(value, value) for name, value in self.values.items()})


def problem(kind: ProblemKind, /, **values: object) -> Problem:
    """`kind` with `values`, each as `one_line` shows it."""
    return Problem(kind, {name: one_line(value) for name, value in values.items()})


def one_line(value: object) -> str:
    """`value` as text on one line. An error has at most 300 characters; one without a text is named by its class."""
    text = " ".join(str(value).split())
    if not isinstance(value, Exception):
        return text
    text = text or type(value).__name__
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


_ERROR, _WARNING = ProblemSeverity.ERROR, ProblemSeverity.WARNING
_RULES = "`helm upgrade` sets the rules, docs/certificates.md lists them"
_ROLE = f"give the ServiceAccount its Role and RoleBinding: {_RULES}"
_CLUSTER_ROLE = f"give the ServiceAccount its ClusterRole and ClusterRoleBinding: {_RULES}"
_REACH = "serving goes on; see whether the pod reaches the API server"
_AGAIN = "the replica tries again"
_PAIR = "put a certificate and its key there; they are read again every 10 s"

SECRET_GET_FORBIDDEN: Final = ProblemKind(
    "WIC101",
    _ERROR,
    "Secret {secret} cannot be read: RBAC forbids `get`",
    _ROLE,
    "The CA is in that Secret. The replica serves its certificate until it ends, and cannot renew it.",
)
SECRET_UNREADABLE: Final = ProblemKind(
    "WIC102",
    _ERROR,
    "Secret {secret} cannot be read: {reason}",
    _REACH,
    "The API server gave no answer three times in a row.",
)
CONFIGURATION_ABSENT: Final = ProblemKind(
    "WIC103",
    _ERROR,
    "MutatingWebhookConfiguration {configuration} is absent, so kube-apiserver sends no pod here",
    "create it again with `helm upgrade -i`; the replicas fill in caBundle",
)
CONFIGURATION_GET_FORBIDDEN: Final = ProblemKind(
    "WIC104",
    _ERROR,
    "MutatingWebhookConfiguration {configuration} cannot be read: RBAC forbids `get`",
    _CLUSTER_ROLE,
    "Without it the replica does not know which CA kube-apiserver trusts.",
)
CONFIGURATION_UNREADABLE: Final = ProblemKind(
    "WIC105",
    _ERROR,
    "MutatingWebhookConfiguration {configuration} cannot be read: {reason}",
    _REACH,
    "The API server gave no answer three times in a row.",
)
NO_WEBHOOK: Final = ProblemKind(
    "WIC106",
    _ERROR,
    "no webhook of MutatingWebhookConfiguration {configuration} {expected}",
    "correct clientConfig.service with `helm upgrade`",
    "A webhook is ours if it calls our Service or has one of our names. No other one is changed.",
)
BUNDLE_PATCH_FORBIDDEN: Final = ProblemKind(
    "WIC107",
    _ERROR,
    "the caBundle of MutatingWebhookConfiguration {configuration} cannot be set: RBAC forbids `patch`",
    _CLUSTER_ROLE,
)
BUNDLE_REJECTED: Final = ProblemKind(
    "WIC108",
    _ERROR,
    "the caBundle of MutatingWebhookConfiguration {configuration} cannot be set: {reason}",
    "see which policy or webhook of the cluster refuses the change",
)
BUNDLE_NOT_WRITTEN: Final = ProblemKind(
    "WIC109",
    _ERROR,
    "the caBundle of MutatingWebhookConfiguration {configuration} cannot be set: {reason}",
    _AGAIN,
)
SECRET_CREATE_FORBIDDEN: Final = ProblemKind(
    "WIC110",
    _ERROR,
    "Secret {secret} cannot be written: RBAC forbids it",
    "give `update`, `patch` and `create` on that name, or create it empty "
    f"(kubectl create secret generic -n {{namespace}} {{name}}); {_RULES}",
)
SECRET_UPDATE_FORBIDDEN: Final = ProblemKind(
    "WIC111", _ERROR, "Secret {secret} cannot be written: RBAC forbids `update`", _ROLE
)
SECRET_REJECTED: Final = ProblemKind(
    "WIC112",
    _ERROR,
    "Secret {secret} cannot be written: {reason}",
    "delete it if it is immutable or of another type than Opaque: a replica creates it again. Otherwise see which "
    "policy or webhook refuses the change",
)
SECRET_NOT_WRITTEN: Final = ProblemKind("WIC113", _ERROR, "Secret {secret} cannot be written: {reason}", _AGAIN)
KEY_LOST: Final = ProblemKind(
    "WIC120",
    _WARNING,
    "Secret {secret}: the authority's key is lost; {subject} was created and signs from now on",
    "see who deleted or changed the Secret; leaf certificates of the authority before stay trusted until they end",
)
SECRET_REPAIRED: Final = ProblemKind(
    "WIC121",
    _WARNING,
    "Secret {secret}: could not be kept: {problems}",
    "see who wrote it; it was replaced",
)
TRUST_RESTORED: Final = ProblemKind(
    "WIC122",
    _WARNING,
    "caBundle of {webhooks}: someone took out what we trust; put back {fingerprints}",
    "have the tool that applies the configuration ignore caBundle: docs/certificates.md",
)
BUNDLE_REPAIRED: Final = ProblemKind(
    "WIC123",
    _WARNING,
    "caBundle of {webhook}: could not be kept: {problems}",
    "see who wrote it; it was taken out",
)
AUTHORITY_REFUSED: Final = ProblemKind(
    "WIC124",
    _WARNING,
    "Secret {secret}: refused: {refused}",
    "see who wrote it; it was taken out. Do not restore an older Secret: a replica makes a new authority",
    "An authority that was retired is not trusted again: its key may be in other hands.",
)
TRUST_REFUSED: Final = ProblemKind(
    "WIC125",
    _WARNING,
    "caBundle of {webhook}: took out {subject}: no leaf certificate of it can still be served",
    "see who put it there",
    "It is an authority that was retired, or one that was never in the Secret and has had its time (WIC126).",
)
TRUST_STRANGER: Final = ProblemKind(
    "WIC126",
    _WARNING,
    "caBundle has {subject}, which is not in Secret {secret}; it is taken out after {end}",
    "if the Secret was lost, nothing: that is the authority before. Otherwise see who put it there, and take it out",
    "The authority of a lost Secret looks like any other. It stays until its last leaf certificate ends.",
)

NO_LEAF_SIGNED: Final = ProblemKind(
    "WIC201",
    _ERROR,
    "no leaf certificate can be signed: {reason}",
    "delete Secret {secret}: a replica creates it again",
)
CLOCK_DIFFERS: Final = ProblemKind(
    "WIC202",
    _ERROR,
    "the clock of this node is more than {skew} {direction} the API server's; this replica renews only its own leaf "
    "certificate",
    "correct the node's time synchronisation",
    "One of the two clocks is wrong. Until they agree, this replica changes neither the Secret nor caBundle.",
)
AUTHORITY_FROM_THE_FUTURE: Final = ProblemKind(
    "WIC203",
    _ERROR,
    "the authority in Secret {secret} is not valid before {not_before}",
    "correct the clocks of the nodes; if they are right, delete Secret {secret}: a replica creates it again",
)
DIAL_FAILED: Final = ProblemKind(
    "WIC204",
    _ERROR,
    "a fresh connection to this replica fails: {reason}",
    "restart the pod; if it still fails, report it",
    "The replica connects to itself as kube-apiserver does. If its certificate is refused, it is not ready.",
)
NOT_SERVING: Final = ProblemKind(
    "WIC205",
    _ERROR,
    "no certificate that kube-apiserver trusts is being served",
    "see the lines before this one, and Secret {secret}",
)
ROUND_FAILED: Final = ProblemKind(
    "WIC206", _ERROR, "a round failed: {error} at {place}; serving goes on", "report it as a bug"
)

FILES_UNREADABLE: Final = ProblemKind("WIC301", _ERROR, "{files}: {reason}; {consequence}", _PAIR)
FILES_MISMATCHED: Final = ProblemKind("WIC302", _ERROR, "{files}: {reason}; {consequence}", _PAIR)
FILES_UNTIMELY: Final = ProblemKind("WIC303", _ERROR, "{files}: {reason}; {consequence}", _PAIR)
FILES_REFUSED: Final = ProblemKind("WIC304", _ERROR, "{files}: {reason}; {consequence}", _PAIR)
FILES_EXPIRED: Final = ProblemKind(
    "WIC305",
    _ERROR,
    "{files}: the certificate expired on {not_after}, and no other one is there",
    "see why its issuer does not renew it (with cert-manager: kubectl describe certificate)",
)
FILES_BUG: Final = ProblemKind("WIC306", _ERROR, "reading {files} failed ({error})", "report it as a bug")
CLIENT_CA_REFUSED: Final = ProblemKind(
    "WIC311",
    _ERROR,
    "{file}: {reason}; {consequence}",
    "put the PEM certificates of the authorities there that sign kube-apiserver's client certificate; it is read again "
    "every 10 s",
    "kube-apiserver's client certificate has to be of one of them.",
)
CLIENT_CA_EXPIRED: Final = ProblemKind(
    "WIC312",
    _ERROR,
    "{file}: the last authority in it expired on {not_after}, so no client's certificate is accepted",
    "put its successor there, and give kube-apiserver a certificate of it: docs/client-certificates.md",
)

NAME_NOT_COVERED: Final = ProblemKind(
    "WIC401", _ERROR, "the name {name} is not among the names of the leaf certificate"
)
OUT_OF_BOUNDS: Final = ProblemKind("WIC402", _ERROR, "{setting} is {value}, expected {low} to {high}")
LEAF_OVER_HALF: Final = ProblemKind(
    "WIC403",
    _ERROR,
    "{setting} is {value}, expected at most half of {authority_lifetime}: {most}",
    help="The authority that signed a leaf certificate renews it, too.",
)
LEAF_TOO_SHORT: Final = ProblemKind(
    "WIC404",
    _ERROR,
    "{setting} is {value}, expected at least {least}: {skew} ({skew_value}) and two of {interval} ({interval_value}) "
    "fit into its last third",
    help="A leaf certificate is renewed at two thirds of its life, by a clock that may be late.",
)
AUTHORITY_TOO_SHORT: Final = ProblemKind(
    "WIC405",
    _ERROR,
    "{setting} is {value}, expected at least {least}: {skew} ({skew_value}), {publish_wait} ({publish_wait_value}) and "
    "four of {interval} ({interval_value}) fit into its last third",
    help="The next authority must be trusted everywhere before this one ends.",
)

NO_SECRET: Final = ProblemKind("WIC501", _ERROR, "Secret {secret} is absent")
NO_AUTHORITY: Final = ProblemKind("WIC502", _ERROR, "Secret {secret} has no authority yet")
ROTATION_UNDER_WAY: Final = ProblemKind(
    "WIC503", _ERROR, "a rotation is under way: the next authority waits until it is trusted everywhere"
)
TOO_MANY_AUTHORITIES: Final = ProblemKind(
    "WIC504", _ERROR, "{count} authorities still have leaf certificates; wait until the first has none"
)
SHOWN_NO_AUTHORITY: Final = ProblemKind(
    "WIC511", _ERROR, "Secret {secret} has no CA", "a running replica creates one within a minute"
)
SHOWN_SECRET: Final = ProblemKind("WIC512", _ERROR, "Secret {secret}: {reason}", "a running replica replaces it")
SHOWN_BUNDLE: Final = ProblemKind("WIC513", _ERROR, "caBundle of {webhook}: {reason}", "a running replica takes it out")
SHOWN_NOT_TRUSTED: Final = ProblemKind(
    "WIC514",
    _ERROR,
    "the CA that signs is missing from caBundle of {webhook}",
    "a running replica adds it within a minute",
)
SHOWN_FORBIDDEN: Final = ProblemKind(
    "WIC517",
    _ERROR,
    "{document} was not looked at: RBAC forbids you, {user}, to `get` it",
    "{grant}",
    "`certs` uses your own rights, not the webhook's. The Secret has the key of the CA: not everybody should read it.",
)
SHOWN_NO_CONNECTION: Final = ProblemKind("WIC515", _ERROR, "{address}: no TLS connection: {reason}")
SHOWN_REFUSED: Final = ProblemKind("WIC516", _ERROR, "{address}: caBundle of {webhook}: {reason}")


def _table() -> Mapping[str, ProblemKind]:
    rows = [value for value in globals().values() if isinstance(value, ProblemKind)]
    table = {row.code: row for row in sorted(rows, key=lambda row: row.code)}
    if len(table) != len(rows):
        raise ValueError("a code stands for two messages")
    return MappingProxyType(table)


TABLE: Final = _table()
