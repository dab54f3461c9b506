"""WI1xx: annotations of ServiceAccounts and pods, and the identity that they make."""

from typing import Final

from webhook.core.messages.message import Kind, Severity

CLIENT_ID_MISSING: Final = Kind(
    "WI101",
    Severity.WARNING,
    "no client id: annotation {annotation} is missing on {object}",
    fix="kubectl annotate {command} {annotation}=GUID",
    help="A pod without a client id does not know which application it is. It gets its token and the other variables.",
    edit="add {annotation} to its annotations, with the application's GUID",
)
TENANT_ID_MISSING: Final = Kind(
    "WI102",
    Severity.WARNING,
    "no tenant id: annotation {annotation} is missing on {object}",
    fix="kubectl annotate {command} {annotation}=TENANT",
    help="The webhook has no --tenant-id either, so the pod does not know in which tenant it signs in.",
    edit="add {annotation} to its annotations; if the webhook has a --tenant-id, give it to this command, too",
)
CLIENT_ID_PLACEHOLDER: Final = Kind(
    "WI103",
    Severity.WARNING,
    "client id {value} is a placeholder on {object}",
    fix="set {annotation} to the application's GUID",
    help="Somebody copied an example and did not fill it in. Entra refuses this client id.",
)
TENANT_ID_PLACEHOLDER: Final = Kind(
    "WI104",
    Severity.WARNING,
    "tenant id {value} is a placeholder on {object}",
    fix="set {annotation} to your tenant's GUID or domain",
    help="Somebody copied an example and did not fill it in. Entra refuses this tenant id.",
)
CLOUD_GCC: Final = Kind(
    "WI105",
    Severity.WARNING,
    'cloud "gcc": GCC tenants use the public endpoints',
    fix='set {annotation} to "public"',
    help="The Terraform provider microsoft365 sends gcc to the US Government's Graph, although Microsoft serves GCC "
    "tenants from the public endpoints. The value may also come from the webhook's --cloud. Power Platform's provider "
    "has a cloud gcc: set POWER_PLATFORM_CLOUD to it in the container.",
)
UNKNOWN_ANNOTATION: Final = Kind(
    "WI106",
    Severity.WARNING,
    "unknown annotation {unknown}, did you mean {similar}?",
    fix="rename it to {meant}",
    help="An annotation with one of our two prefixes, or with a prefix like them, has a name that resembles a known "
    "one. It has no effect.",
)
MISPLACED_ANNOTATION: Final = Kind(
    "WI107",
    Severity.WARNING,
    "annotation {annotation} has no effect on a {kind}",
    fix="move it to the {owner}",
    help="Some annotations are read from the ServiceAccount only, and some from the pod only.",
)
LABEL_AS_ANNOTATION: Final = Kind(
    "WI108",
    Severity.WARNING,
    "annotation {annotation} has no effect: it is a label",
    fix="put azure.workload.identity/use into the pod's labels",
    help="kube-apiserver selects pods by their labels; it cannot select them by annotations.",
)
CLOUD_WITHOUT_TOKEN: Final = Kind(
    "WI109",
    Severity.WARNING,
    'cloud "{cloud}": Terraform\'s provider microsoft365 asks for no token there, and Graph refuses it',
    help="With every auth method, the provider's SDK sends tokens only to the Graph hosts that it knows, and it does "
    "not know those of ex and rx. The helper and the Azure SDKs work there.",
)
CLOUD_UNKNOWN: Final = Kind(
    "WI110",
    Severity.WARNING,
    'cloud "{cloud}": the tools of the family {families} do not know it',
    help="No value of ARM_ENVIRONMENT or AZURE_CLOUD_ENVIRONMENT stands for this cloud, so none is set and the tools "
    "go to the public cloud.",
)
AZURE_LEFT_OUT: Final = Kind(
    "WI111",
    Severity.WARNING,
    "env without azure: {tools} read only AZURE_* and do not sign in",
    fix="add azure to {annotation} if the pod runs them",
    help="The annotation env, or the webhook's --env, leaves out the family azure. docs/variables.md says which tool "
    "reads which variables.",
)
NEAR_MISSES: Final = frozenset({UNKNOWN_ANNOTATION, MISPLACED_ANNOTATION, LABEL_AS_ANNOTATION})
"""Annotations under our prefixes that have no effect where they stand: the user meant something else."""

CLIENT_ID_INVALID: Final = Kind(
    "WI120",
    Severity.ERROR,
    "{object}: annotation {annotation} is {value}, expected the application's GUID",
    fix='az ad app list --display-name {name} --query "[].appId"',
    help="A client id is a GUID with hyphens: the application (client) id, neither its name nor its object id.",
)
TENANT_ID_INVALID: Final = Kind(
    "WI121",
    Severity.ERROR,
    "{object}: annotation {annotation} is {value}, expected the tenant's GUID or domain",
    fix="az account show --query tenantId",
    help="A tenant is a GUID or a domain such as contoso.com. Entra does not let a workload sign in to common, "
    "organizations or consumers.",
)
AUDIENCE_INVALID: Final = Kind(
    "WI122",
    Severity.ERROR,
    "{object}: annotation {annotation} is {value}, expected an audience of at most 600 characters without spaces",
    help="Entra compares the audience of the token with that of the federated identity credential letter by letter.",
)
EXPIRATION_INVALID: Final = Kind(
    "WI123",
    Severity.ERROR,
    "{object}: annotation {annotation}: token expiration {value} not valid. Expected value to be between {minimum} "
    "and {maximum}",
    help="The lifetime of the token in seconds. The words are those of Azure's webhook, so that a search finds them.",
)
NOT_ONE_OF: Final = Kind(
    "WI124",
    Severity.ERROR,
    "{object}: annotation {annotation} is {value}, expected one of {allowed}",
    help="The annotation takes one of a few words, in lower case.",
)
FAMILIES_INVALID: Final = Kind(
    "WI125",
    Severity.ERROR,
    "{object}: annotation {annotation} is {value}, expected one or more of {allowed}, separated by commas",
    help="The annotation says which families of variables the containers get, such as M365_… and AZURE_….",
)
NOT_TRUE_OR_FALSE: Final = Kind(
    "WI126",
    Severity.ERROR,
    '{object}: annotation {annotation} is {value}, expected "true" or "false"',
    help='The annotation takes "true" or "false", in lower case and, in YAML, in quotes.',
)
METHOD_WITHOUT_ENDPOINT: Final = Kind(
    "WI131",
    Severity.ERROR,
    '{object}: annotation {annotation} is "managed_identity", but the pod has no token endpoint to ask',
    fix='set {needed}: "true" on the pod',
    help="With this method Terraform's provider asks the token endpoint, a container in the pod. The annotation "
    "skip-containers leaves it out, too.",
)
METRICS_INVALID: Final = Kind(
    "WI132",
    Severity.ERROR,
    '{object}: annotation {annotation} is {value}, expected "true", "false" or a port from {minimum} to {maximum}',
    help='"true" stands for port 9464. The port of the token endpoint, 20365, cannot be chosen. In YAML, a port is in '
    "quotes like every annotation.",
)
METRICS_WITHOUT_ENDPOINT: Final = Kind(
    "WI133",
    Severity.WARNING,
    "{object}: annotation {annotation} has no effect, for the pod has no token endpoint",
    fix='set {needed}: "true" on the pod',
    help="Of the helper containers only the token endpoint has metrics of signing in: preflight ends before Prometheus "
    "could read any. On a ServiceAccount the annotation is for those of its pods that have a token endpoint.",
)
HELPER_WITHOUT_IMAGE: Final = Kind(
    "WI127",
    Severity.ERROR,
    '{object}: annotation {annotation} is "true", but the webhook has no image for the container',
    fix="set the webhook's --helper-image",
    help="The chart sets --helper-image unless its values turn the helper containers off.",
)
HELPER_ON_WINDOWS: Final = Kind(
    "WI128",
    Severity.ERROR,
    '{object}: annotation {annotation} is "true", but the container has no image for Windows',
    fix="remove the annotation",
    help="The helper containers run on Linux only. The pod's own containers get their identity on Windows, too.",
)
HELPER_ON_HOST_NETWORK: Final = Kind(
    "WI129",
    Severity.ERROR,
    '{object}: annotation {annotation} is "true", but with hostNetwork every process of the node could use the '
    "endpoint",
    fix="remove the annotation or hostNetwork",
    help="The token endpoint listens on loopback. With hostNetwork that is the loopback of the node.",
)
HELPER_NAME_TAKEN: Final = Kind(
    "WI130",
    Severity.ERROR,
    '{object}: annotation {annotation} is "true", but a container of the pod is already named {container}',
    fix="rename that container",
    help="The helper container has a fixed name, by which the webhook recognizes it when it is called again.",
)
