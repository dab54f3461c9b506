"""`m365wi certs`: the CA in its Secret, what kube-apiserver trusts and what is served; `certs rotate`.

Exit codes: 0 all is well, 1 there is something to fix or it cannot be rotated, 2 wrong usage.
"""

import argparse
import asyncio
import json
import ssl
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from cryptography import x509

from certs import messages
from certs.authority import renewal_time, verify
from certs.errors import CertificateError, Forbidden, NotFound, UntrustedLeaf
from certs.managed import advice
from certs.managed.advice import Area
from certs.managed.by_hand import NothingToRotate, PerhapsRotated, rotate_authority, rotate_leaves
from certs.managed.ca_bundle import PublishedBundle, our_bundles
from certs.managed.next_step import phase
from certs.managed.secret import SecretState, StoredSecret, read
from certs.managed.settings import RotationSettings
from certs.managed.steps import Observation
from certs.messages import Problem, problem
from certs.names import BACKDATED
from certs.pem import fingerprint
from webhook.cluster.certificate_objects import KubeConfiguration, KubeSecret
from webhook.cluster.kube import Kube
from webhook.cluster.kubeconfig import BadKubeconfig
from webhook.commands import clusters, reports
from webhook.commands.printed import write_stdout
from webhook.commands.progress import progress
from webhook.core.messages import Place, message
from webhook.core.messages import settings as kinds
from webhook.findings import forbidden_user
from webhook.settings import SettingsError, add_flags, bad_value

_FORMATS = ("table", "json")
_FLAGS = ("own_namespace", "secret", "service", "configuration", "ca_lifetime", "leaf_lifetime")
_UNKNOWN = "unknown"  # the phase, if the Secret or the webhook configuration could not be read
_DIAL_SECONDS = 5.0  # as long as a replica takes to connect to itself


@dataclass(frozen=True)
class CertificateRow:
    """One certificate. place: where it was found; state: what it is there for. Times are RFC 3339 in UTC."""

    place: str
    subject: str
    state: str
    renewed: str
    expires: str
    fingerprint: str


@dataclass(frozen=True)
class Overview:
    """All certificates, and the problems that a person has to fix.

    phase: see certs.managed.next_step, or `unknown`.
    """

    phase: str
    rows: tuple[CertificateRow, ...]
    problems: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument(
        "action", nargs="?", choices=("show", "rotate"), default="show", help="show (default) or rotate"
    )
    parser.add_argument("--ca", action="store_true", help="rotate: the CA too, not only each replica's certificate")
    reports.add_output(parser, _FORMATS)
    parser.add_argument("--connect", metavar="ADDRESS:PORT", help="also show the certificate that is served there")
    clusters.add_cluster_flags(parser)
    add_flags(parser, only=_FLAGS)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Shows or rotates. Raises SettingsError."""
    problems = [*reports.wrong_output(flags, _FORMATS)]
    if flags.ca and flags.action != "rotate":
        problems.append(message(kinds.FLAG_ALONE, Place("--ca"), command="certs rotate"))
    if flags.connect and not flags.connect.rpartition(":")[2].isdigit():
        problems.append(bad_value("--connect", flags.connect, "ADDRESS:PORT"))
    chosen = clusters.choose(flags, environ, problems)
    settings = chosen.settings
    rotation = settings.rotation.certs(settings.policy.own_namespace)
    try:
        if flags.action == "rotate":
            return asyncio.run(_rotate(chosen.kube(), rotation, authority=flags.ca))
        report = asyncio.run(_overview(chosen.kube(), rotation, flags.connect))
    except BadKubeconfig as error:
        raise SettingsError(error.problems) from None
    write_stdout(json.dumps(asdict(report), indent=2) + "\n" if flags.output == "json" else _table(report))
    return 1 if report.problems else 0


async def _rotate(kube: Kube, settings: RotationSettings, *, authority: bool) -> int:
    namespace, name = settings.secret.split("/")
    rotate = rotate_authority if authority else rotate_leaves
    async with kube:
        try:
            await rotate(KubeSecret(kube, namespace, name), settings=settings)
        except PerhapsRotated as error:
            print(f"Whether it was rotated is not known, `certs` shows it: {error}", file=sys.stderr)
            return 1
        except (NothingToRotate, CertificateError) as error:
            print(f"Nothing was rotated: {error}", file=sys.stderr)
            return 1
    if authority:
        write_stdout(
            "The next CA is stored. The replicas publish it, use it and drop the old one in due time: see `certs`.\n"
        )
    else:
        write_stdout("Every replica replaces its certificate when it next reads the Secret.\n")
    return 0


async def _overview(kube: Kube, settings: RotationSettings, connect: str | None) -> Overview:
    problems: list[Problem] = []
    async with kube, progress("asking the cluster"):
        state = await _read_secret(kube, settings, problems)
        bundles = await _read_bundles(kube, settings, problems)
    rows = [*_authorities(state), *_bundles(bundles, state, problems)]
    if connect:
        rows += await _served_leaf(connect, settings, state, bundles, problems)
    now = datetime.now(UTC)
    where = _UNKNOWN
    if state and bundles is not None:
        where = phase(Observation(requested_at=now, now=now, secret=state, bundles=bundles)).value
    return Overview(phase=where, rows=tuple(rows), problems=tuple(map(str, problems)))


async def _read_secret(kube: Kube, settings: RotationSettings, problems: list[Problem]) -> SecretState | None:
    namespace, name = settings.secret.split("/")
    try:
        state = read(await _get_or_none(KubeSecret(kube, namespace, name)), name=settings.name)
    except CertificateError as error:
        problems.append(_unreadable(Area.SECRET, error, settings))
        return None
    problems += [problem(messages.SHOWN_SECRET, secret=settings.secret, reason=reason) for reason in state.problems]
    if state.current is None:
        problems.append(problem(messages.SHOWN_NO_AUTHORITY, secret=settings.secret))
    return state


def _unreadable(area: Area, error: CertificateError, settings: RotationSettings) -> Problem:
    """Why something was not looked at. If RBAC forbids it, that is about the person's rights, not the webhook's."""
    if not isinstance(error, Forbidden):
        return advice.explain(area, error, settings)
    user, role = forbidden_user(str(error)), "m365-certs"
    namespace, name = settings.secret.split("/")
    document, prefix, where = f"Secret {settings.secret}", "", f" -n {namespace}"
    resource = f"secrets --resource-name={name}"
    if area is Area.TRUST:
        document, prefix, where = f"MutatingWebhookConfiguration {settings.configuration}", "cluster", ""
        resource = f"mutatingwebhookconfigurations --resource-name={settings.configuration}"
    grant = (
        f"kubectl create {prefix}role {role}{where} --verb=get --resource={resource}; "
        f"kubectl create {prefix}rolebinding {role}{where} --{prefix}role={role} --user={user}"
    )
    return problem(messages.SHOWN_FORBIDDEN, document=document, user=user, grant=grant)


async def _read_bundles(
    kube: Kube, settings: RotationSettings, problems: list[Problem]
) -> tuple[PublishedBundle, ...] | None:
    try:
        configuration = await KubeConfiguration(kube, settings.configuration).get()
    except CertificateError as error:
        problems.append(_unreadable(Area.TRUST, error, settings))
        return () if isinstance(error, NotFound) else None
    bundles = our_bundles(configuration, names=settings.webhooks, service=settings.service)
    if not bundles:
        problems.append(advice.no_webhook(settings))
    return bundles


async def _get_or_none(secret: KubeSecret) -> StoredSecret | None:
    try:
        return await secret.get()
    except NotFound:
        return None


def _authorities(state: SecretState | None) -> Iterator[CertificateRow]:
    if state is None:
        return
    for certificate in state.authorities():
        renewed = ""
        if certificate == state.current:
            purpose = "signs"
            issued = certificate.not_valid_before_utc + BACKDATED
            renewed = _time(renewal_time(issued, certificate.not_valid_after_utc))
        elif certificate == state.next:
            purpose = "comes next"
        else:
            end = state.leaves_end(certificate)
            purpose = f"trusted until {_time(end)}" if end else "trusted while certificates of it are served"
        yield _row("Secret", certificate, purpose, renewed)


def _bundles(
    bundles: tuple[PublishedBundle, ...] | None, state: SecretState | None, problems: list[Problem]
) -> Iterator[CertificateRow]:
    known = {fingerprint(certificate) for certificate in state.authorities()} if state else set()
    signing = fingerprint(state.current) if state and state.current else ""
    for each in bundles or ():
        problems += [
            problem(messages.SHOWN_BUNDLE, webhook=each.name, reason=reason) for reason in each.bundle.problems
        ]
        if signing and signing not in each.fingerprints:
            problems.append(problem(messages.SHOWN_NOT_TRUSTED, webhook=each.name))
        for certificate in each.bundle.certificates:
            ours = fingerprint(certificate) in known
            yield _row(f"caBundle of {each.name}", certificate, "ours" if ours else _stranger(certificate, state))


def _stranger(certificate: x509.Certificate, state: SecretState | None) -> str:
    """What a certificate is that is in a caBundle and not in the Secret, with its end if a replica has set one."""
    end = state.leaves_end(certificate) if state else None
    until = f", taken out after {_time(end)}" if end else ""
    return f"somebody else's, or of a CA that is gone{until}"


async def _served_leaf(
    connect: str,
    settings: RotationSettings,
    state: SecretState | None,
    bundles: tuple[PublishedBundle, ...] | None,
    problems: list[Problem],
) -> list[CertificateRow]:
    host, _, port = connect.rpartition(":")
    # The certificate is shown whether or not it is trusted; that is judged below.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_DIAL_SECONDS):
            _, writer = await asyncio.open_connection(
                host.strip("[]"), int(port), ssl=context, server_hostname=settings.name
            )
    except (OSError, TimeoutError) as error:
        problems.append(problem(messages.SHOWN_NO_CONNECTION, address=connect, reason=str(error) or "no answer"))
        return []
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    leaf = x509.load_der_x509_certificate(found)
    trust = "trusted by every caBundle"
    for each in bundles or ():
        try:
            verify(leaf, each.bundle.certificates, name=settings.name, now=datetime.now(UTC))
        except UntrustedLeaf as error:
            trust = "not trusted"
            problems.append(problem(messages.SHOWN_REFUSED, address=connect, webhook=each.name, reason=error))
    return [_row(connect, leaf, trust if bundles else "", _renewal_of_leaf(leaf, state, settings))]


def _renewal_of_leaf(leaf: x509.Certificate, state: SecretState | None, settings: RotationSettings) -> str:
    """When one of our leaves is replaced at the latest; "" for one that ends with its authority, or is not ours.

    A leaf does not say when it was signed, since its NotBefore is the authority's. That follows from its end and from
    the life that the Secret, and the settings given here, allow.
    """
    issuer = next((c for c in state.authorities() if c.subject == leaf.issuer), None) if state else None
    if state is None or issuer is None or issuer.not_valid_after_utc == leaf.not_valid_after_utc:
        return ""
    life = min(settings.leaf_lifetime, state.longest_leaf(issuer, setting=settings.leaf_lifetime))
    return _time(renewal_time(leaf.not_valid_after_utc - life, leaf.not_valid_after_utc))


def _row(place: str, certificate: x509.Certificate, state: str, renewed: str = "") -> CertificateRow:
    expires = certificate.not_valid_after_utc
    if expires < datetime.now(UTC):
        state = "EXPIRED"
    subject = certificate.subject.rfc4514_string()
    return CertificateRow(place, subject, state, renewed, _time(expires), fingerprint(certificate))


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def _table(report: Overview) -> str:
    known = report.phase != _UNKNOWN
    lines = [f"The CA is {report.phase}." if known else "The state of the CA is not known.", ""]
    table = [("PLACE", "CERTIFICATE", "STATE", "RENEWED", "EXPIRES", "SHA-256")]
    table += [
        (row.place, row.subject, row.state, row.renewed or "-", row.expires, row.fingerprint[:16])
        for row in report.rows
    ]
    widths = [max(len(row[column]) for row in table) for column in range(6)]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    if report.problems:
        lines += ["", *(f"! {problem}" for problem in report.problems)]
    return "".join(f"{line}\n" for line in lines)
