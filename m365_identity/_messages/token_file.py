"""WIH2xx: the token file, and what the token in it says."""

from typing import Final

from m365_identity._messages.message import Kind, Severity

_LOOK: Final = "kubectl get pod POD -o yaml: a projected volume with a serviceAccountToken must be mounted there"
_RESTART: Final = (
    "mount the volume's folder without subPath, and restart the pod, which gets it a new token: kubectl delete pod POD"
)
_OWN: Final = "name the token of the pod's own ServiceAccount: a projected volume with a serviceAccountToken"
_PUBLISH: Final = (
    "give kube-apiserver a --service-account-issuer that is public, with its two documents there "
    "(`m365wi issuer` checks them and writes them for a web server)"
)
_DENIED_CAUSE: Final = "the volume's defaultMode, or runAsUser without fsGroup, keeps this user out"


def _unusable(code: str, reason: str, *causes: str, fix: str = _LOOK) -> Kind:
    return Kind(code, Severity.ERROR, f"token file {{path}} {reason}", causes, fix)


# The file.
ABSENT: Final = _unusable(
    "WIH201",
    "does not exist",
    "the pod was created before the webhook was installed, or does not opt in",
    "the container is named in skip-containers, or the variable names another file",
)
FOLDER: Final = _unusable("WIH202", "is a folder", fix="the variable must name the file in it: azure-identity-token")
NOT_REGULAR: Final = _unusable("WIH203", "is not a regular file")
TOO_LARGE: Final = _unusable("WIH204", "is larger than {limit} KiB, which no token is")
BINARY: Final = _unusable("WIH205", "is binary, expected a token")
EMPTY: Final = _unusable("WIH206", "is empty")
NOT_A_JWT: Final = _unusable("WIH207", "is not a JWT: {problem}")
DENIED: Final = _unusable(
    "WIH208",
    "cannot be read: permission denied",
    _DENIED_CAUSE,
    fix="set spec.securityContext.fsGroup of the pod to a group of the container's user",
)
UNREADABLE: Final = _unusable("WIH209", "cannot be read: {problem}")
DENIED_HERE: Final = Kind(
    "WIH210",
    Severity.ERROR,
    "{path} cannot be read: permission denied: {mode}; this process is user {user}, {groups}",
    (_DENIED_CAUSE,),
    fix="set spec.securityContext.fsGroup: {group} in the pod, so that the kubelet gives the file to that group; and "
    "have no volume with a defaultMode below 0440",
)
VANISHED: Final = Kind("WIH211", Severity.ERROR, "{path} cannot be read: {problem}", fix="try again")
NOT_NAMED: Final = Kind("WIH212", Severity.SKIPPED, "no file is named")
FILE: Final = Kind("WIH213", Severity.OK, "{name}, {size} bytes, {mode}")
WHITE_SPACE: Final = Kind(
    "WIH214",
    Severity.WARNING,
    "{path} has white space around the token: this helper takes it off, and others send it to Entra (AADSTS50027)",
    fix="have the kubelet write the file (a projected volume), or write it without the line break",
)

# Its renewal.
NO_MOUNTS: Final = Kind("WIH220", Severity.SKIPPED, "{path} cannot be read ({problem})")
SUB_PATH: Final = Kind(
    "WIH221",
    Severity.ERROR,
    "{point} is mounted with subPath: the kubelet does not renew it, and signing in fails when this token expires",
    fix="mount the volume's folder, without subPath, and let AZURE_FEDERATED_TOKEN_FILE name the file in it",
)
RENEWED: Final = Kind("WIH222", Severity.OK, "the kubelet renews it")
NOT_RENEWED: Final = Kind(
    "WIH223",
    Severity.WARNING,
    "{path} was not written by the kubelet: nothing renews it, unless the program that wrote it does",
    fix="name the file in the projected volume itself instead of a copy",
)

# What the token says.
NO_ISSUER: Final = Kind("WIH230", Severity.ERROR, "the token names no issuer", fix=_OWN)
ISSUER_NOT_HTTPS: Final = Kind(
    "WIH231",
    Severity.ERROR,
    '"{issuer}" is not an https address, so Entra can never reach it',
    fix=_PUBLISH,
)
ISSUER_OF_CLUSTER: Final = Kind(
    "WIH232",
    Severity.ERROR,
    "{issuer} is the cluster's own name for itself, which Entra can never reach",
    fix=_PUBLISH,
)
ISSUER_PRIVATE: Final = Kind(
    "WIH233",
    Severity.WARNING,
    "{issuer} looks like a private address: Entra must reach it from the internet",
    fix=_PUBLISH,
)
ISSUER_WITH_SLASH: Final = Kind(
    "WIH234", Severity.OK, "{issuer} (the federated credential must end with the slash too)"
)
ISSUER: Final = Kind("WIH235", Severity.OK, "{issuer} (without a slash at the end, in the federated credential too)")
NOT_AN_ACCOUNT: Final = Kind(
    "WIH240",
    Severity.ERROR,
    '"{subject}" is not a ServiceAccount of Kubernetes: the file holds a foreign token',
    fix=_OWN,
)
ACCOUNT: Final = Kind("WIH241", Severity.OK, "{subject} (ServiceAccount {name} in namespace {namespace})")
OTHER_NAMESPACE: Final = Kind(
    "WIH242", Severity.WARNING, "the token is of namespace {namespace}, and this pod is in {here}", fix=_OWN
)
NO_AUDIENCE: Final = Kind("WIH250", Severity.ERROR, "the token names no audience", fix=_OWN)
SEVERAL_AUDIENCES: Final = Kind(
    "WIH251", Severity.WARNING, "{audiences}: the token has several audiences, and Entra expects one", fix=_OWN
)
FOR_API_SERVER: Final = Kind(
    "WIH255",
    Severity.WARNING,
    "the token is for \"{audiences}\", which is not one of the usual ones: it is the API server's, as in the pod's own "
    "token for the cluster and in a volume without `audience`; a reader of such a token may act in the cluster",
    fix='mount a projected volume with a serviceAccountToken and audience: "{expected}", or let the webhook do it, and '
    "have AZURE_FEDERATED_TOKEN_FILE name its file",
)
AUDIENCE_OF_SOME_CLOUD: Final = Kind("WIH252", Severity.OK, "{audiences}")
AUDIENCE: Final = Kind("WIH253", Severity.OK, "{audiences} (as the cloud {cloud} expects)")
OTHER_AUDIENCE: Final = Kind(
    "WIH254",
    Severity.WARNING,
    "{audiences}, {whose}: federated credentials in the cloud {cloud} usually have {expected}",
    (
        "the audience in the projected volume was written by hand for another cloud",
        "the cloud or m365.workload.identity/audience of the ServiceAccount is wrong",
    ),
    fix='set audience: "{expected}" in the projected volume, or m365.workload.identity/cloud; any other works if the '
    "federated credential has it too",
)

# When it is valid.
NO_END: Final = Kind(
    "WIH260",
    Severity.ERROR,
    "the token does not say when it expires",
    fix="name the token of the pod's own ServiceAccount",
)
EXPIRED: Final = Kind(
    "WIH261",
    Severity.ERROR,
    "expired at {end}, {ago} ago",
    (
        "the file is mounted with subPath, or is a copy: the kubelet does not renew it",
        "the node, or its kubelet, cannot get a new one from kube-apiserver",
    ),
    fix=_RESTART,
)
NOT_YET_VALID: Final = Kind(
    "WIH262",
    Severity.ERROR,
    "not valid before {start}, in {wait}",
    ("the clock of the control plane is ahead, or that of this node is behind",),
    fix="have both clocks synchronised (chrony, NTP)",
)
OVERDUE: Final = Kind(
    "WIH263",
    Severity.WARNING,
    "valid until {end}, another {left}; it is {age} old, and the kubelet should have renewed it by now",
    (
        "the file is mounted with subPath, or is a copy",
        "the node, or its kubelet, cannot get a new one from kube-apiserver",
    ),
    fix=_RESTART,
)
SHORT: Final = Kind(
    "WIH264",
    Severity.WARNING,
    "valid until {end}; it lives {whole}, and SDKs keep a token for {kept} before they read the file again: they may "
    "send one that has expired",
    fix="set expirationSeconds, or azure.workload.identity/service-account-token-expiration, to 3600",
)
VALID: Final = Kind("WIH265", Severity.OK, "valid until {end}, another {left}")
