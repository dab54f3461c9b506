"""`python -m webhook certs`: the authority in its Secret, whom kube-apiserver trusts, what is served; `certs rotate`.

Exit codes: 0 all is well, 1 something is to be mended or cannot be rotated, 2 wrong usage.
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

from certs.authority import renewal_time, verify
from certs.errors import CertificateError, NotFound, UntrustedLeaf
from certs.managed import advice
from certs.managed.by_hand import NothingToRotate, PerhapsRotated, rotate_authority, rotate_leaves
from certs.managed.ca_bundle import Published, published
from certs.managed.next_step import View, phase
from certs.managed.secret import State, Stored, read
from certs.managed.settings import Settings as CertsSettings
from certs.names import BACKDATED
from certs.pem import fingerprint
from webhook.cluster.certificate_objects import KubeConfiguration, KubeSecret
from webhook.cluster.kube import Kube
from webhook.cluster.kubeconfig import BadKubeconfig
from webhook.commands import clusters
from webhook.commands.printed import write_stdout
from webhook.core.messages import Place, message
from webhook.core.messages import settings as kinds
from webhook.settings import SettingsError, add_flags, bad_value

_FLAGS = ("own_namespace", "secret", "service", "configuration", "ca_lifetime", "leaf_lifetime")
_DIAL_SECONDS = 5.0


@dataclass(frozen=True)
class Row:
    """One certificate. place: where it was found; state: what it is there for. Times are RFC 3339 in UTC."""

    place: str
    subject: str
    state: str
    renewed: str
    expires: str
    fingerprint: str


@dataclass(frozen=True)
class Report:
    """What there is, and what a person has to mend. phase: see certs.managed.next_step."""

    phase: str
    rows: tuple[Row, ...]
    problems: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument(
        "action", nargs="?", choices=("show", "rotate"), default="show", help="show (default) or rotate"
    )
    parser.add_argument("--ca", action="store_true", help="rotate: the CA too, not only each replica's certificate")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="how to show (table)")
    parser.add_argument("--connect", metavar="ADDRESS:PORT", help="also show the certificate that is served there")
    clusters.add_kubeconfig(parser)
    add_flags(parser, only=_FLAGS)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Shows or rotates. Raises SettingsError."""
    problems = []
    if flags.ca and flags.action != "rotate":
        problems.append(message(kinds.FLAG_ALONE, Place("--ca"), command="certs rotate"))
    if flags.connect and not flags.connect.rpartition(":")[2].isdigit():
        problems.append(bad_value("--connect", flags.connect, "ADDRESS:PORT"))
    chosen = clusters.choose(flags, environ, problems)
    kubeconfig, settings = chosen.kubeconfig, chosen.settings
    rotation = settings.rotation.certs(settings.policy.own_namespace)
    try:
        if flags.action == "rotate":
            return asyncio.run(_rotate(Kube(kubeconfig), rotation, authority=flags.ca))
        report = asyncio.run(_look(Kube(kubeconfig), rotation, flags.connect))
    except BadKubeconfig as error:
        raise SettingsError(error.problems) from None
    write_stdout(json.dumps(asdict(report), indent=2) + "\n" if flags.output == "json" else _table(report))
    return 1 if report.problems else 0


async def _rotate(kube: Kube, settings: CertsSettings, *, authority: bool) -> int:
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
        write_stdout("Every replica replaces its certificate at its next look at the Secret.\n")
    return 0


async def _look(kube: Kube, settings: CertsSettings, connect: str | None) -> Report:
    namespace, name = settings.secret.split("/")
    problems: list[str] = []
    state: State | None = None
    entries: tuple[Published, ...] | None = None
    async with kube:
        try:
            state = read(await _stored(KubeSecret(kube, namespace, name)), name=settings.name)
            problems += [f"Secret {settings.secret}: {problem}" for problem in state.problems]
            if state.current is None:
                problems.append(f"Secret {settings.secret} has no CA: a running replica makes one within a minute")
        except CertificateError as error:
            problems.append(str(advice.secret(error, settings)))
        try:
            configuration = await KubeConfiguration(kube, settings.configuration).get()
            entries = published(configuration, names=settings.webhooks, service=settings.service)
            if not entries:
                problems.append(str(advice.no_webhook(settings)))
        except CertificateError as error:
            problems.append(str(advice.trust(error, settings)))
    rows = [*_authorities(state), *_bundles(entries, state, problems)]
    if connect:
        rows += await _served(connect, settings, state, entries, problems)
    now = datetime.now(UTC)
    where = phase(View(asked=now, now=now, state=state, entries=entries)).value
    return Report(phase=where, rows=tuple(rows), problems=tuple(problems))


async def _stored(secret: KubeSecret) -> Stored | None:
    try:
        return await secret.get()
    except NotFound:
        return None


def _authorities(state: State | None) -> Iterator[Row]:
    if state is None:
        return
    for certificate in state.authorities():
        renewed = ""
        if certificate == state.current:
            said = "signs"
            issued = certificate.not_valid_before_utc + BACKDATED
            renewed = _time(renewal_time(issued, certificate.not_valid_after_utc))
        elif certificate == state.next:
            said = "comes next"
        else:
            end = state.leaves_end(certificate)
            said = f"trusted until {_time(end)}" if end else "trusted while leaves of it are served"
        yield _row("Secret", certificate, said, renewed)


def _bundles(entries: tuple[Published, ...] | None, state: State | None, problems: list[str]) -> Iterator[Row]:
    known = {fingerprint(certificate) for certificate in state.authorities()} if state else set()
    signing = fingerprint(state.current) if state and state.current else ""
    for entry in entries or ():
        problems += [f"caBundle of {entry.name}: {problem}" for problem in entry.bundle.problems]
        if signing and signing not in entry.known:
            problems.append(
                f"caBundle of {entry.name} lacks the CA that signs: a running replica adds it within a minute"
            )
        for certificate in entry.bundle.certificates:
            said = "ours" if fingerprint(certificate) in known else "somebody else's, or of a CA that is gone"
            yield _row(f"caBundle of {entry.name}", certificate, said)


async def _served(
    connect: str,
    settings: CertsSettings,
    state: State | None,
    entries: tuple[Published, ...] | None,
    problems: list[str],
) -> list[Row]:
    host, _, port = connect.rpartition(":")
    # What is served is to be seen whoever vouches for it; that is judged below.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_DIAL_SECONDS):
            _, writer = await asyncio.open_connection(
                host.strip("[]"), int(port), ssl=context, server_hostname=settings.name
            )
    except (OSError, TimeoutError) as error:
        problems.append(f"{connect}: no TLS connection: {error or 'no answer'}")
        return []
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    leaf = x509.load_der_x509_certificate(found)
    said = "trusted by every caBundle"
    for entry in entries or ():
        try:
            verify(leaf, entry.bundle.certificates, name=settings.name, now=datetime.now(UTC))
        except UntrustedLeaf as error:
            said = "not trusted"
            problems.append(f"{connect}: caBundle of {entry.name}: {error}")
    return [_row(connect, leaf, said if entries else "", _leaf_renewed(leaf, state, settings))]


def _leaf_renewed(leaf: x509.Certificate, state: State | None, settings: CertsSettings) -> str:
    """When a leaf of ours is replaced at the latest; nothing of one that ends with its authority, or is another's.

    It does not say when it was signed, as its NotBefore is the authority's: reckoned from its end and the life that the
    Secret, and the settings given here, grant it.
    """
    issuer = next((c for c in state.authorities() if c.subject == leaf.issuer), None) if state else None
    if state is None or issuer is None or issuer.not_valid_after_utc == leaf.not_valid_after_utc:
        return ""
    life = min(settings.leaf_lifetime, state.longest_leaf(issuer, setting=settings.leaf_lifetime))
    return _time(renewal_time(leaf.not_valid_after_utc - life, leaf.not_valid_after_utc))


def _row(place: str, certificate: x509.Certificate, state: str, renewed: str = "") -> Row:
    expires = certificate.not_valid_after_utc
    if expires < datetime.now(UTC):
        state = "EXPIRED"
    subject = certificate.subject.rfc4514_string()
    return Row(place, subject, state, renewed, _time(expires), fingerprint(certificate))


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def _table(report: Report) -> str:
    lines = [f"The CA is {report.phase}.", ""]
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
