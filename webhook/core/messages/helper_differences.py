"""WI746 to WI749: what the helper containers of a running pod have other than those of a new pod (`check`)."""

from typing import Final

from webhook.core.messages.message import Kind, Severity

HELPER_MISSING: Final = Kind(
    "WI746",
    Severity.ERROR,
    "{count} of {object} must be created again: container {container} is missing (older than the annotation, or the "
    "webhook was away)",
    fix="{restart}",
    help="The pods ask for the helper container. The webhook adds it only when a pod is created.",
)
HELPER_EXTRA: Final = Kind(
    "WI747",
    Severity.ERROR,
    "{count} of {object} must be created again: container {container} is there and would not be in a new pod (older "
    "than the annotation)",
    fix="{restart}",
    help="The pods no longer ask for the helper container, or name it in azure.workload.identity/skip-containers.",
)
HELPER_EXTRA_OR_OWN: Final = Kind(
    "WI748",
    Severity.WARNING,
    "{count} of {object} may be out of date: container {container} is there and would not be in a new pod (older than "
    "the annotation, or it was set by hand)",
    fix="if it was not set by hand: {restart}",
    help="The pod template may have the container itself; with --workload it is looked at, and the finding is certain.",
)
METRICS_DIFFER: Final = Kind(
    "WI749",
    Severity.ERROR,
    "{count} of {object} must be created again: container {container} has its metrics at {there}, and in a new pod at "
    "{wanted} (older than the annotation)",
    fix="{restart}",
    help="The annotation m365.workload.identity/metrics of the pod or of its ServiceAccount says at which port.",
)
