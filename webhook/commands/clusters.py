"""What the commands for a live cluster share: which cluster it is, and the names of its objects."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from webhook.cluster.kubeconfig import BadKubeconfig, kubeconfig_path
from webhook.core.messages import Message
from webhook.settings import ServeSettings, SettingsError, read_settings


@dataclass(frozen=True)
class Chosen:
    """The settings, and the cluster. kubeconfig: None for the cluster that this pod runs in."""

    settings: ServeSettings
    kubeconfig: Path | None


def add_kubeconfig(parser: argparse.ArgumentParser) -> None:
    """The flag `--kubeconfig`, with kubectl's default. `serve` has another default."""
    where = "the cluster ($KUBECONFIG, else ~/.kube/config, else the one this pod runs in) [M365WI_KUBECONFIG]"
    parser.add_argument("--kubeconfig", metavar="PATH", help=where)


def choose(flags: argparse.Namespace, environ: Mapping[str, str], problems: Iterable[Message] = ()) -> Chosen:
    """The settings and the cluster. problems: those that the command itself found. Raises SettingsError with all."""
    found = [*problems]
    settings, kubeconfig = ServeSettings(), None
    try:
        settings = read_settings(flags, environ)
        kubeconfig = kubeconfig_path(settings.kubeconfig, environ)
    except SettingsError as error:
        found += error.problems
    except BadKubeconfig as error:
        found += error.problems
    if found:
        raise SettingsError(found)
    return Chosen(settings, kubeconfig)
