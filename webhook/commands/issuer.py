"""`m365wi issuer`: can Entra use the cluster's issuer? `--export DIR` writes the documents to publish.

Exit codes: 0 all is well, 1 something is wrong, 2 wrong usage.
"""

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path

from webhook.cluster.kube import Kube, Unavailable
from webhook.cluster.kubeconfig import BadKubeconfig
from webhook.commands import clusters, reports
from webhook.commands.printed import write_stdout
from webhook.commands.progress import progress
from webhook.core.messages import Place, message
from webhook.core.messages import settings as kinds
from webhook.core.messages.entra import EXPORTED, EXPORTED_UNUSABLE
from webhook.entra import issuers
from webhook.entra.cluster_documents import cluster_discovery, cluster_keys
from webhook.entra.public_documents import compare, look_up
from webhook.findings import Finding, Status, broken, finding
from webhook.settings import SettingsError, bad_value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command; `run` checks their values."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--from-url", metavar="URL", help="where to look for the public documents (at the issuer)")
    where.add_argument("--export", metavar="DIR", type=Path, help="write the two documents there, to be published")
    reports.add_output(parser)
    clusters.add_cluster_flags(parser)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Shows what there is, or writes it. Raises SettingsError for wrong usage."""
    problems = [*reports.wrong_output(flags)]
    if flags.from_url is not None and not (flags.from_url.startswith("https://") and issuers.host(flags.from_url)):
        problems.append(bad_value("--from-url", flags.from_url, "an https URL"))
    if flags.export and flags.export.exists() and not flags.export.is_dir():
        problems.append(bad_value("--export", flags.export, "a folder"))
    chosen = clusters.choose(flags, environ, problems)
    try:
        issuer, findings = asyncio.run(_look(chosen.kube(), flags.from_url, flags.export))
    except BadKubeconfig as error:
        raise SettingsError(error.problems) from None
    as_json = flags.output == "json"
    write_stdout(reports.document(findings, issuer=issuer) if as_json else reports.text(findings))
    return 1 if broken(findings) else 0


async def _look(kube: Kube, from_url: str | None, folder: Path | None) -> tuple[str, list[Finding]]:
    """The issuer, "" if it is not known, and the findings."""
    try:
        async with kube, progress("asking the cluster"):
            discovery = await cluster_discovery(kube)
            keys = await cluster_keys(kube)
    except Unavailable as error:
        return "", [Finding("cluster", error.told())]
    if isinstance(discovery, Finding) or isinstance(keys, Finding):
        return "", [each for each in (discovery, keys) if isinstance(each, Finding)]
    issuer = str(discovery["issuer"])
    address = issuers.check_address(issuer)
    usable = address.status is Status.OK
    findings = [address, *issuers.check_keys(keys, "The cluster's key set")]
    if folder:
        findings.append(_write(folder, issuers.documents(issuer, discovery, keys), issuer, usable=usable))
    elif from_url:
        findings += await compare(issuer, keys, from_url)
    elif usable:
        findings += await look_up(issuer, keys)
    return issuer, findings


def _write(folder: Path, documents: Mapping[str, str], issuer: str, *, usable: bool) -> Finding:
    try:
        for path, content in documents.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
    except OSError as error:
        problem = message(kinds.FOLDER_UNWRITABLE, Place("--export"), value=str(folder), reason=error.strerror)
        raise SettingsError([problem]) from None
    kind = EXPORTED if usable else EXPORTED_UNUSABLE
    return finding("export", kind, folder=str(folder), files=" and ".join(documents), issuer=issuer)
