"""What commands that look at a live cluster share: which cluster it is, and how names of its objects are spelled."""

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from webhook.cluster.kubeconfig import kubeconfig_path
from webhook.settings import Settings, SettingsError, read_settings

NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class Chosen:
    """What flags and environment say. kubeconfig: None for the cluster that this pod runs in."""

    settings: Settings
    kubeconfig: Path | None


def add_kubeconfig(parser: argparse.ArgumentParser) -> None:
    """The flag `--kubeconfig`, with what kubectl does in its absence; `serve` has another default."""
    where = "the cluster ($KUBECONFIG, else ~/.kube/config, else the one this pod runs in) [M365WI_KUBECONFIG]"
    parser.add_argument("--kubeconfig", metavar="PATH", help=where)


def choose(flags: argparse.Namespace, environ: Mapping[str, str], problems: Iterable[str] = ()) -> Chosen:
    """Settings and cluster. problems: what the command itself found. Raises SettingsError with all that is wrong."""
    found = [*problems]
    settings, kubeconfig = Settings(), None
    try:
        settings = read_settings(flags, environ)
        kubeconfig = kubeconfig_path(settings.kubeconfig, environ)
    except SettingsError as error:
        found += error.problems
    except ValueError as error:
        found.append(str(error))
    if found:
        raise SettingsError(found)
    return Chosen(settings, kubeconfig)
