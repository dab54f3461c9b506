"""WI2xx: token volumes, mounts, variables and containers of a pod; why a pod is left alone.

The place of most is a container, as `object`. Names come last: kube-apiserver passes on 120 characters of a warning.
"""

from typing import Final

from webhook.core.messages.message import Kind, Severity

ACCOUNT_NOT_FOUND: Final = Kind(
    "WI201",
    Severity.WARNING,
    "nothing was injected: cannot find {object}",
    fix="kubectl create {command}",
    help="The pod names a ServiceAccount that does not exist. kube-apiserver refuses such a pod later.",
)
UNKNOWN_CONTAINER: Final = Kind(
    "WI202",
    Severity.WARNING,
    "skip-containers: this pod has no container {container}",
    help="A misspelt name in the annotation skip-containers leaves the container that was meant with an identity.",
)
TOO_LARGE: Final = Kind(
    "WI203",
    Severity.ERROR,
    "{object}: the variables and mounts for {count} containers have {size} characters, expected at most {limit}",
    fix="shorten the paths of the token volume and its mounts, or name containers in azure.workload.identity/"
    "skip-containers",
    help="Each container gets variables and a mount, so a long path is repeated in each. etcd stores no object of more "
    "than 1.5 MiB, so kube-apiserver could not store this pod.",
)
VARIABLES_KEPT: Final = Kind(
    "WI210",
    Severity.WARNING,
    "the pod's own value is kept: {variables} of {object}",
    help="The container sets the variable to something else than the webhook would. Its value is not replaced.",
)
TOKEN_FILE_EMPTY: Final = Kind(
    "WI211",
    Severity.WARNING,
    "{variable} is empty, so no token is used: {object}",
    fix="remove the variable from the pod",
    help="The container sets the variable itself, to nothing. The webhook does not replace it.",
)
TOKEN_FILE_IN_NO_VOLUME: Final = Kind(
    "WI212",
    Severity.WARNING,
    "{variable} names a file in no volume, so no token was added: {object}",
    fix="remove the variable, or mount a token there",
    help="The container says where its token is, and no volume is mounted there.",
)
TOKEN_FILE_IN_SUB_PATH: Final = Kind(
    "WI213",
    Severity.WARNING,
    "the token is mounted with subPath and will never be renewed: {object}",
    fix="mount the whole volume",
    help="The kubelet does not update a file that is mounted with subPath. The token expires while the pod runs.",
)
TOKEN_OF_OTHER_AUDIENCE: Final = Kind(
    "WI214",
    Severity.WARNING,
    "the token is not for the audience {audience}: {object}",
    help="The container reads a token that somebody else mounted, for another audience. Entra refuses it.",
)
TOKEN_MOVED: Final = Kind(
    "WI215",
    Severity.WARNING,
    "the token is in {path}, because {taken} is taken: {object}",
    help="The variables name the new path. A tool that is configured with the usual path by hand does not find it.",
)
TOKEN_BESIDE: Final = Kind(
    "WI216",
    Severity.WARNING,
    "the token of AZURE_* is not for {audience}; Microsoft 365 has its own: {object}",
    help="AZURE_FEDERATED_TOKEN_FILE names a token for another audience, which stays. Azure SDKs that send it to Entra "
    "are refused. M365_OIDC_TOKEN_FILE_PATH names a token of the right audience beside it.",
)
TOKEN_FILE_LEFT: Final = Kind(
    "WI217",
    Severity.WARNING,
    "{variable} is left to Azure's webhook, as the pod's use- annotation says: {object}",
    help="The pod has an annotation such as azure.workload.identity/use-identity-binding, so Azure's webhook is to "
    "name the token of the Azure SDKs. If it does not run in this cluster, they have none. Microsoft 365 has a token "
    "of its own.",
)
TOKEN_LIVES_TOO_LONG: Final = Kind(
    "WI218",
    Severity.WARNING,
    "volume {volume}: a token that lives {seconds} s is refused (AADSTS70023)",
    fix="set its expirationSeconds to at most {limit}",
    help="Entra refuses a token that lives longer than 25 hours; the kubelet renews a shorter one in time.",
)
SECRET_LEFT_OVER: Final = Kind(
    "WI219",
    Severity.WARNING,
    "a secret stands beside the injected client id: {variables} of {object}",
    fix="remove it, or set the client id beside it",
    help="Tools prefer a secret, a certificate or a password to the token, and sign in with it as the application that "
    "was injected, which it may not belong to.",
)
TOKEN_FILE_NOT_THERE: Final = Kind(
    "WI221",
    Severity.WARNING,
    "{variable} names a file that its volume does not have: {object}",
    fix="set it to {right}",
    help="The container names a file in a volume of projected tokens, and the path of each token there is another one.",
)
PROVIDER_WITHOUT_CLOUD: Final = Kind(
    "WI220",
    Severity.WARNING,
    'env without m365: each provider block "microsoft365" needs cloud itself: {object}',
    fix='set cloud = "{cloud}" and auth_method = "workload_identity" in it, or M365_CLOUD in the container',
    help="The container looks like Terraform. The provider has no default for cloud and auth_method, and without the "
    "family m365 no variable sets them. Ignore this if the provider is another one.",
)
OTHER_FILE_IN_NO_VOLUME: Final = Kind(
    "WI222",
    Severity.WARNING,
    "{variable} names a file in no volume: {object}",
    fix="remove the variable, or mount a token there",
    help="The container says itself where the token for its tools is, and no volume is mounted there. The token that "
    "AZURE_FEDERATED_TOKEN_FILE names is another one.",
)
PREFLIGHT_BEFORE_MESH: Final = Kind(
    "WI230",
    Severity.WARNING,
    "{helper} has no network, because the mesh's proxy starts after it: {object}",
    fix="let the mesh inject a native sidecar, or exclude port 443 from it (docs/helper-containers.md)",
    help="An ordinary container starts after all init containers. If a CNI plugin sends the pod's traffic to it, "
    "connections of init containers are refused. The webhook puts preflight behind a native sidecar.",
)
PREFLIGHT_BEFORE_PROXY: Final = Kind(
    "WI231",
    Severity.WARNING,
    "{helper} starts before the proxy that {variable} names in the pod itself",
    fix="make the proxy a native sidecar: an init container with restartPolicy Always",
    help="The helper containers use the proxies of the pod's own containers. A proxy on the loopback address must run "
    "before preflight does.",
)
AUTHORITIES_NOT_SHARED: Final = Kind(
    "WI232",
    Severity.WARNING,
    "helper containers cannot use {variable}, which {problem}: {object}",
    fix="mount the file from a ConfigMap, or set helper.authorities of the chart",
    help="The helper containers take over the trusted authorities of the pod's own container, if the file is in a "
    "volume. They cannot read the image of another container.",
)
ENDPOINT_BEHIND_PROXY: Final = Kind(
    "WI233",
    Severity.WARNING,
    "requests for the token endpoint may go to {variable}: {object}",
    fix="put 127.0.0.1 into NO_PROXY",
    help="Many clients send requests to 127.0.0.1 to the proxy, IDENTITY_HEADER with them, unless NO_PROXY names the "
    "address. The webhook adds NO_PROXY only to containers that do not set it.",
)
METRICS_PORT_TAKEN: Final = Kind(
    "WI234",
    Severity.WARNING,
    "{helper} has no metrics, because port {port} is taken: {object}",
    fix='set {key}: "{other}"',
    help="The containers of a pod share its ports, and another one has this port among its own. 9464 is also the usual "
    "port of OpenTelemetry's exporter for Prometheus.",
)
MORE_WARNINGS: Final = Kind(
    "WI290",
    Severity.NOTE,
    "{count} more warnings",
    help="The log has at most 50 warnings of one pod.",
)
WARNINGS_NOT_SENT: Final = Kind(
    "WI291",
    Severity.NOTE,
    "{count} more warnings",
    fix="see the webhook's log, or run its command mutate",
    help="kube-apiserver drops all warnings if there are too many, so the webhook sends at most three.",
)
