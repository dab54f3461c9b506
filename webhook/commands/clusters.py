"""What the commands for a live cluster share: which cluster it is, and the names of its objects."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from webhook.cluster import kubeconfig
from webhook.cluster.kube import Kube
from webhook.cluster.kubeconfig import CURRENT, BadKubeconfig, Choice, kubeconfig_path
from webhook.core.messages import Message
from webhook.settings import ServeSettings, SettingsError, bad_value, read_settings, values

_DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True)
class Chosen:
    """The settings, and the cluster. path: None for the cluster that this pod runs in. namespace: of the context."""

    settings: ServeSettings
    path: Path | None
    choice: Choice = CURRENT
    request_seconds: float = 0.0
    namespace: str = _DEFAULT_NAMESPACE

    def kube(self) -> Kube:
        """A connection, still to be opened."""
        return Kube(self.path, self.choice, request_seconds=self.request_seconds, by_person=True)


def add_cluster_flags(parser: argparse.ArgumentParser) -> None:
    """kubectl's flags that choose a cluster, with kubectl's defaults. `serve` has another default."""
    where = "the cluster ($KUBECONFIG, else ~/.kube/config, else the one this pod runs in) [M365WI_KUBECONFIG]"
    parser.add_argument("--kubeconfig", metavar="PATH", help=where)
    for kind in ("context", "cluster", "user"):
        parser.add_argument(f"--{kind}", metavar="NAME", default="", help=f"of the kubeconfig (the current {kind})")
    parser.add_argument(
        "--request-timeout", metavar="DURATION", default="", help="the limit of each request, such as 30s (by request)"
    )


def choose(flags: argparse.Namespace, environ: Mapping[str, str], problems: Iterable[Message] = ()) -> Chosen:
    """The settings and the cluster. problems: those that the command itself found. Raises SettingsError with all."""
    found = [*problems]
    settings, path, seconds, namespace = ServeSettings(), None, 0.0, ""
    choice = Choice(flags.context, flags.cluster, flags.user)
    try:
        settings = read_settings(flags, environ)
        path = kubeconfig_path(settings.kubeconfig, environ, choice)
        namespace = kubeconfig.read(path, choice).namespace if path else ""
    except (SettingsError, BadKubeconfig) as error:
        found += error.problems
    try:
        seconds = _seconds(flags.request_timeout)
    except ValueError as error:
        found.append(bad_value("--request-timeout", flags.request_timeout, error))
    if found:
        raise SettingsError(found)
    return Chosen(settings, path, choice, seconds, namespace or _DEFAULT_NAMESPACE)


def _seconds(text: str) -> float:
    """A duration, or a number of seconds, as for kubectl; 0, and "", for each request's own limit."""
    if not text or text == "0":
        return 0.0
    return float(text) if text.isdecimal() else values.duration(text).total_seconds()
