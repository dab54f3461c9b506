"""WI53x to WI56x: a kubeconfig, and signing in to the cluster with it."""

from typing import Final

from webhook.core.messages.message import Kind, Severity

NO_CLUSTER: Final = Kind(
    "WI530",
    Severity.ERROR,
    "outside a cluster, give --kubeconfig PATH or set KUBECONFIG",
    help="~/.kube/config is missing, too, and the command does not run in a pod.",
)
KUBECONFIG_EXPECTED: Final = Kind(
    "WI531",
    Severity.ERROR,
    "{object}: expected a kubeconfig: one document with current-context, contexts, clusters and users",
    help="The file is YAML, but another kind of document, or several.",
)
CONTEXT_MISSING: Final = Kind(
    "WI532",
    Severity.ERROR,
    "{object}: current-context is missing",
    fix="kubectl config use-context NAME",
    help="The current context names the cluster and the user.",
)
CONTEXT_UNKNOWN: Final = Kind(
    "WI533",
    Severity.ERROR,
    '{object}: current-context is "{context}", but the file has no such context',
    fix="kubectl config get-contexts",
    help="The kubeconfig has other contexts only.",
)
CONTEXT_INCOMPLETE: Final = Kind(
    "WI534",
    Severity.ERROR,
    '{object}: context "{context}" names no {kind}',
    fix="kubectl config set-context {context} --{kind}=NAME",
    help="A context has a cluster and a user.",
)
ENTRY_UNKNOWN: Final = Kind(
    "WI535",
    Severity.ERROR,
    '{object}: context "{context}" is of {kind} "{name}", but the file has no such {kind}',
    fix="kubectl config {command}",
    help="The kubeconfig has no entry of that name.",
)
SERVER_MISSING: Final = Kind(
    "WI536",
    Severity.ERROR,
    '{object}: cluster "{name}" has no server, expected the API server\'s URL',
    fix="kubectl config set-cluster {name} --server=URL",
    help="Without a URL there is nothing to connect to.",
)
NAMED_FILE_MISSING: Final = Kind(
    "WI537",
    Severity.ERROR,
    '{object}: {kind} "{name}": {member} is "{file}", but that file does not exist',
    help="A relative path counts from the folder of the kubeconfig.",
)
KUBECONFIG_REFUSED: Final = Kind(
    "WI538",
    Severity.ERROR,
    "{object}: {reason}",
    help="The Kubernetes client refuses the kubeconfig, or what is mounted into the pod.",
)
CHOICE_UNKNOWN: Final = Kind(
    "WI539",
    Severity.ERROR,
    '{object}: --{kind} is "{name}", but the file has no such {kind}',
    fix="kubectl config view",
    help="The flag chooses one of the entries of the kubeconfig.",
)
PLUGIN_INCOMPLETE: Final = Kind(
    "WI540",
    Severity.ERROR,
    '{object}: user "{name}": exec has no {member}',
    fix="sign in to the cluster again, as its provider says",
    help="`exec` names a credential plugin; kubectl refuses one without these members, too.",
)
PLUGIN_MISSING: Final = Kind(
    "WI541",
    Severity.ERROR,
    'the credential plugin "{command}" of the kubeconfig cannot be run: {reason}',
    fix="{hint}",
    help="The kubeconfig signs in by a program that is not installed here, or not in PATH. kubectl stops, too.",
)
PLUGIN_FAILED: Final = Kind(
    "WI542",
    Severity.ERROR,
    'the credential plugin "{command}" of the kubeconfig failed: {reason}',
    fix="sign in again, as the cluster's provider says; `kubectl auth whoami` must succeed, too",
    help="The login has expired, for example. No request was sent to the cluster.",
)
PLUGIN_NOT_ASKED: Final = Kind(
    "WI543",
    Severity.ERROR,
    'the credential plugin "{command}" of the kubeconfig wants to ask, but standard input is not a terminal',
    fix="run the command in a terminal",
    help="Its interactiveMode is Always.",
)
PLUGIN_VERSION_UNKNOWN: Final = Kind(
    "WI545",
    Severity.ERROR,
    '{object}: user "{name}": apiVersion of exec is "{version}", expected {known}',
    fix="sign in to the cluster again with a newer version of its provider's tools",
    help="kubectl refuses older versions, too.",
)
PLUGIN_HANGS: Final = Kind(
    "WI546",
    Severity.ERROR,
    'the credential plugin "{command}" of the kubeconfig did not end within {seconds} s',
    fix="run the command in a terminal, where the plugin can ask; or give --request-timeout, if it only needs longer",
    help="Standard input or standard error is not a terminal, so it cannot ask. It was stopped.",
)
SERVER_INVALID: Final = Kind(
    "WI550",
    Severity.ERROR,
    '{object}: cluster "{name}": server is "{server}", expected a URL such as https://HOST:6443',
    fix="kubectl config set-cluster {name} --server=URL",
    help="As for kubectl, HOST:PORT without https:// is accepted, too.",
)
PROXY_INVALID: Final = Kind(
    "WI551",
    Severity.ERROR,
    '{object}: cluster "{name}": proxy-url is "{proxy}", expected http://HOST:PORT or https://HOST:PORT',
    fix="kubectl config set-cluster {name} --proxy-url=http://HOST:PORT",
    help="kubectl knows socks5:// beside these.",
)
AUTHORITY_AND_INSECURE: Final = Kind(
    "WI552",
    Severity.ERROR,
    '{object}: cluster "{name}" has a certificate authority, and insecure-skip-tls-verify: true',
    fix="kubectl config set-cluster {name} --insecure-skip-tls-verify=false",
    help="One of them is a mistake. kubectl refuses both together, too.",
)
NOT_PEM: Final = Kind(
    "WI553",
    Severity.ERROR,
    '{object}: {kind} "{name}": {member} is not {what} (PEM)',
    fix="take the kubeconfig of the cluster again, or: {command}",
    help="The value was cut off, or is not base64 of PEM.",
)
PAIR_INCOMPLETE: Final = Kind(
    "WI554",
    Severity.ERROR,
    '{object}: user "{name}" has {there} and no {missing}',
    fix="kubectl config set-credentials {name} --{missing}=FILE --embed-certs",
    help="A client certificate is of no use without its key.",
)
TOKEN_FILE_EMPTY: Final = Kind(
    "WI555",
    Severity.ERROR,
    '{object}: user "{name}": tokenFile is "{file}", and that file is empty',
    fix="sign in to the cluster again, as its provider says",
    help="Without a token every request would be one of system:anonymous.",
)
CREDENTIAL_MISSING: Final = Kind(
    "WI556",
    Severity.ERROR,
    '{object}: user "{name}" has nothing to sign in with: neither a token, nor a client certificate, nor a credential '
    "plugin (exec)",
    fix="sign in to the cluster again, as its provider says; `kubectl auth whoami` must succeed, too",
    help="kubectl asks for a name and a password then. No request was sent as system:anonymous.",
)
PASSWORD_ONLY: Final = Kind(
    "WI557",
    Severity.ERROR,
    '{object}: user "{name}" has a name and a password, which Kubernetes does not take any more',
    fix="sign in to the cluster again, as its provider says; `kubectl auth whoami` must succeed, too",
    help="Kubernetes 1.19 ended it: every request would be one of system:anonymous.",
)
PROVIDER_REMOVED: Final = Kind(
    "WI558",
    Severity.ERROR,
    '{object}: user "{name}" signs in by auth-provider {provider}, which kubectl does not know any more',
    fix="use a credential plugin instead; for AKS: kubelogin convert-kubeconfig",
    help="kubectl 1.26 left these providers out; credential plugins (exec) took their place.",
)
SIGN_IN_REFUSED: Final = Kind(
    "WI559",
    Severity.ERROR,
    "{object}: the API server does not accept the credential of {user} (HTTP 401){why}",
    fix="sign in to the cluster again, as its provider says; `kubectl auth whoami` must succeed, too",
    help="The login has expired, was revoked, or is that of another cluster. Nothing was looked at.",
)
