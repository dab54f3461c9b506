"""`python -m webhook issuer`: can Entra use the cluster's issuer? `--export DIR` writes the documents to publish.

Exit codes: 0 all is well, 1 something is wrong, 2 wrong usage.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from webhook.cluster.kube import Kube, Unavailable
from webhook.cluster.kubeconfig import BadKubeconfig
from webhook.commands import clusters, reports
from webhook.commands.printed import write_stdout
from webhook.core.messages import Kind, Place, Severity, message
from webhook.core.messages import settings as kinds
from webhook.entra import issuers
from webhook.entra.issuers import DISCOVERY, KEYS, NoDocument
from webhook.entra.published import addresses, fetch
from webhook.findings import Finding, Status, broken, fail, finding
from webhook.settings import SettingsError, bad_value

_SECONDS: Final = 10.0
_ACCEPTED: Final = "application/json, application/jwk-set+json"  # kube-apiserver gives keys as the latter alone


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command; `run` checks their values."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--from-url", metavar="URL", help="where to look for the public documents (at the issuer)")
    where.add_argument("--export", metavar="DIR", type=Path, help="write the two documents there, to be published")
    parser.add_argument("-o", "--output", choices=reports.FORMATS, default="text", help="how to show it (text)")
    clusters.add_kubeconfig(parser)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Shows what there is, or writes it. Raises SettingsError for wrong usage."""
    problems = []
    if flags.from_url is not None and not (flags.from_url.startswith("https://") and issuers.host(flags.from_url)):
        problems.append(bad_value("--from-url", flags.from_url, "an https URL"))
    if flags.export and flags.export.exists() and not flags.export.is_dir():
        problems.append(bad_value("--export", flags.export, "a folder"))
    chosen = clusters.choose(flags, environ, problems)
    try:
        issuer, findings = asyncio.run(_looked(Kube(chosen.kubeconfig), flags.from_url, flags.export))
    except BadKubeconfig as error:
        raise SettingsError(error.problems) from None
    as_json = flags.output == "json"
    write_stdout(reports.document(findings, issuer=issuer) if as_json else reports.text(findings))
    return 1 if broken(findings) else 0


async def _looked(kube: Kube, from_url: str | None, folder: Path | None) -> tuple[str, list[Finding]]:
    """The issuer, "" when it is not known, and the findings."""
    try:
        async with kube:
            discovery = await _own(kube, DISCOVERY)
            keys = await _own(kube, KEYS)
    except Unavailable as error:
        fix = "see whether the kubeconfig is that of the cluster, and whether it is up"
        return "", [fail("cluster", f"The API server cannot be reached: {error}.", fix=fix)]
    unread = [each for each in (discovery, keys) if isinstance(each, Finding)]
    if isinstance(discovery, Finding) or isinstance(keys, Finding):
        return "", unread
    try:
        document = issuers.read_discovery(discovery)
        found = issuers.read_keys(keys)
    except NoDocument as error:
        return "", [issuers.no_document(f"{DISCOVERY} or {KEYS}", error)]
    issuer = str(document["issuer"])
    findings = [issuers.address(issuer), *issuers.keys(found, "The cluster's key set")]
    if folder:
        usable = findings[0].status is Status.OK
        findings.append(_written(folder, issuers.documents(issuer, document, found), issuer, usable=usable))
    else:
        findings += await _public(issuer, found, from_url, reachable=findings[0].status is Status.OK)
    return issuer, findings


async def _own(kube: Kube, path: str) -> bytes | Finding:
    reply = await kube.request("GET", path, seconds=_SECONDS, accept=_ACCEPTED)
    return reply.body if reply.status == 200 else issuers.unreadable(path, reply.status, reply.reason())


async def _public(
    issuer: str, own_keys: Sequence[Mapping[str, Any]], from_url: str | None, *, reachable: bool
) -> list[Finding]:
    """What is published, at the issuer or elsewhere. reachable: whether it is worth asking at the issuer."""
    if not from_url:
        if not reachable:
            return []
        private = issuers.private_address(issuer, await addresses(issuers.host(issuer)))
        if private:
            return [private]
    base = from_url or issuer
    url = issuers.discovery_url(base)
    answer = await fetch(url)
    findings = [issuers.redirected("discovery", url, answer.final)] if answer.final else []
    if answer.problem:
        return [*findings, issuers.not_reached("discovery", url, answer.problem)]
    try:
        document = issuers.read_discovery(answer.body)
    except NoDocument as error:
        return [*findings, issuers.not_reached("discovery", url, str(error))]
    findings.append(issuers.public_issuer(issuer, document, url))
    unusable = issuers.public_keys_address(document, url)
    if unusable:
        return [*findings, unusable]
    where = issuers.keys_url(str(document["issuer"]), str(document["jwks_uri"]), base)
    answer = await fetch(where)
    if answer.final:
        findings.append(issuers.redirected("keys", where, answer.final))
    if answer.problem:
        return [*findings, issuers.not_reached("keys", where, answer.problem)]
    try:
        published = issuers.read_keys(answer.body)
    except NoDocument as error:
        return [*findings, issuers.not_reached("keys", where, str(error))]
    return [*findings, *issuers.keys(published, where), *issuers.same_keys(own_keys, published, where)]


def _written(folder: Path, documents: Mapping[str, str], issuer: str, *, usable: bool) -> Finding:
    try:
        for path, content in documents.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
    except OSError as error:
        problem = message(kinds.FOLDER_UNWRITABLE, Place("--export"), value=str(folder), reason=error.strerror)
        raise SettingsError([problem]) from None
    if not usable:
        return fail(
            "export",
            f"Written to {folder}: {' and '.join(documents)}; but they name an issuer that Entra cannot use.",
            fix="start kube-apiserver with the address of their place, --service-account-issuer, and export again",
        )
    return finding(
        "export",
        Kind("", Severity.OK, "{detail}", "{fix}"),
        detail=f"Written to {folder}: {' and '.join(documents)}.",
        fix=f"publish both below {issuer}, as application/json, for everybody; then run `issuer` without --export",
    )
