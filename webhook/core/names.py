"""Every name and limit that users see: labels, annotations, variables, paths, sizes.

These are promises. The token's path in particular never changes: tools are configured with it by hand.
"""

import re
from typing import Final

AZURE_PREFIX: Final = "azure.workload.identity/"
M365_PREFIX: Final = "m365.workload.identity/"

USE_LABEL: Final = AZURE_PREFIX + "use"
INJECT_LABEL: Final = M365_PREFIX + "inject"
MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"

# Azure's webhook reads it, with a suffix that its settings name; on AKS that is `identity-binding`.
CUSTOM_TOKEN_ENDPOINT: Final = AZURE_PREFIX + "use-"

AZURE_CLIENT_ID: Final = AZURE_PREFIX + "client-id"
AZURE_TENANT_ID: Final = AZURE_PREFIX + "tenant-id"
TOKEN_EXPIRATION: Final = AZURE_PREFIX + "service-account-token-expiration"
SKIP_CONTAINERS: Final = AZURE_PREFIX + "skip-containers"
CLIENT_ID: Final = M365_PREFIX + "client-id"
TENANT_ID: Final = M365_PREFIX + "tenant-id"
CLOUD: Final = M365_PREFIX + "cloud"
AUTH_METHOD: Final = M365_PREFIX + "auth-method"
ENV: Final = M365_PREFIX + "env"
AUDIENCE: Final = M365_PREFIX + "audience"
PREFLIGHT: Final = M365_PREFIX + "preflight"
TOKEN_ENDPOINT: Final = M365_PREFIX + "token-endpoint"
METRICS: Final = M365_PREFIX + "metrics"
# On any object; only `lint` reads it.
LINT_IGNORE: Final = M365_PREFIX + "lint-ignore"

POD_ANNOTATIONS: Final = frozenset(
    {
        TOKEN_EXPIRATION,
        SKIP_CONTAINERS,
        CLIENT_ID,
        TENANT_ID,
        CLOUD,
        AUTH_METHOD,
        ENV,
        PREFLIGHT,
        TOKEN_ENDPOINT,
        METRICS,
    }
)
ACCOUNT_ANNOTATIONS: Final = frozenset(
    {
        AZURE_CLIENT_ID,
        AZURE_TENANT_ID,
        TOKEN_EXPIRATION,
        CLIENT_ID,
        TENANT_ID,
        CLOUD,
        AUTH_METHOD,
        ENV,
        AUDIENCE,
        METRICS,
    }
)
TOKEN_FILE_VARIABLE: Final = "AZURE_FEDERATED_TOKEN_FILE"
OIDC_TOKEN_FILE_VARIABLE: Final = "M365_OIDC_TOKEN_FILE_PATH"

VOLUME: Final = "azure-identity-token"
MOUNT_PATH: Final = "/var/run/secrets/azure/tokens"
TOKEN_FILE: Final = "azure-identity-token"
# Where kube-apiserver has the token for itself mounted, unless the pod or its ServiceAccount says no.
API_SERVER_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
# Where our token goes when somebody else's volume has the name or somebody else's mount has the path.
OTHER_VOLUME: Final = "m365-identity-token"
OTHER_MOUNT_PATH: Final = "/var/run/secrets/m365/tokens"

PREFLIGHT_CONTAINER: Final = "m365-preflight"
TOKEN_ENDPOINT_CONTAINER: Final = "m365-token-endpoint"
# The managed-identity protocol of App Service; the helper's `serve` listens where the first of them says.
IDENTITY_ENDPOINT_VARIABLE: Final = "IDENTITY_ENDPOINT"
IDENTITY_HEADER_VARIABLE: Final = "IDENTITY_HEADER"
# Below the ports that Linux gives to outgoing connections (from 32768): one of those may hold any of them.
IDENTITY_ENDPOINT_PORT: Final = 20365
IDENTITY_ENDPOINT: Final = f"http://127.0.0.1:{IDENTITY_ENDPOINT_PORT}/msi/token"
# Where m365-token-endpoint shows the metrics of signing in, if it is asked to.
METRICS_PORT_NAME: Final = "m365-metrics"
METRICS_PORT: Final = 9464
MINIMUM_PORT: Final = 1024  # lower ones are for root
MAXIMUM_PORT: Final = 65535

DEFAULT_EXPIRATION: Final = 3600  # seconds
MINIMUM_EXPIRATION: Final = 3600
MAXIMUM_EXPIRATION: Final = 86400

DEFAULT_NAMESPACE: Final = "m365-workload-identity-system"
DEFAULT_SERVICE: Final = "m365-workload-identity"
DEFAULT_SECRET: Final = "m365-workload-identity-ca"
DEFAULT_CONFIGURATION: Final = "m365-workload-identity"
# The entries of the MutatingWebhookConfiguration, by which scope and label decide who is asked (docs/scopes.md).
WEBHOOKS: Final = ("labelled.m365.workload.identity", "unlabelled.m365.workload.identity")
SYSTEM_NAMESPACES: Final = ("kube-system", "kube-node-lease")

MAXIMUM_CONTAINERS: Final = 1000  # of a kind; each is answered with a kilobyte
# Of a whole pod, so that a decision takes 100 ms at most, in a thread (webhook.server.large_reviews); pods that run
# have hundreds.
MAXIMUM_VARIABLES: Final = 100_000
MAXIMUM_MOUNTS: Final = 25_000
MAXIMUM_VOLUMES: Final = 25_000  # with the sources of projected ones
MAXIMUM_ANNOTATIONS: Final = 256 * 1024  # characters, of all keys and values of an object; kube-apiserver's own limit
MAXIMUM_ADDED: Final = 1536 * 1024  # characters; etcd stores no object that is larger, unless it is set up to do so
MAXIMUM_NAME: Final = 253  # characters, of Kubernetes' names
MAXIMUM_PATH: Final = 4096  # characters, of Linux' paths
MAXIMUM_WARNINGS: Final = 3
MAXIMUM_WARNING_LENGTH: Final = 120  # characters; kube-apiserver's advice for the Warning header

# How Kubernetes spells names, for `fullmatch`: a namespace is a DNS label, most other objects have DNS subdomains.
NAMESPACE_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
OBJECT_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
