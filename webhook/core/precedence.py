"""Which annotation counts for each setting, and where a value comes from if none is set.

Precedence, the first that is set wins; a value of nothing but white space counts as not set:

    setting            pod annotation                   ServiceAccount annotation              else
    client id          M client-id                      M client-id, then A client-id          none, warned about
    Azure client id    -                                A client-id                            none
    tenant id          M tenant-id                      M tenant-id, then A tenant-id          policy
    Azure tenant id    -                                A tenant-id                            policy
    token expiration   A service-account-token-exp…     A service-account-token-expiration     3600 s
    cloud              M cloud                          M cloud                                policy
    auth method        M auth-method                    M auth-method                          workload_identity
    variable families  M env                            M env                                  policy, m365,azure
    helpers            M preflight, M token-endpoint    -                                      none
    metrics            M metrics                        M metrics                              none
    audience           -                                M audience                             policy, then by cloud
    skipped names      A skip-containers                -                                      none

with A = azure.workload.identity/ and M = m365.workload.identity/.
"""

import enum
from typing import Final, NamedTuple

from webhook.core import names
from webhook.core.annotations import Annotations, Value
from webhook.core.policy import Policy

_DEFAULTS: Final = Policy()


class Annotated(NamedTuple):
    """The annotation that counts for each setting, None if none is set: the first two columns of the table.

    Without `helpers` and `skipped names`, which only a pod has.
    """

    client_id: Value | None
    azure_client_id: Value | None
    tenant_id: Value | None
    azure_tenant_id: Value | None
    token_expiration: Value | None
    cloud: Value | None
    auth_method: Value | None
    families: Value | None
    metrics: Value | None
    audience: Value | None


def annotated(on_pod: Annotations, on_account: Annotations) -> Annotated:
    """What counts of the annotations of a pod and of its ServiceAccount."""
    pod, account = on_pod.value, on_account.value
    azure_client, azure_tenant = account(names.AZURE_CLIENT_ID), account(names.AZURE_TENANT_ID)
    return Annotated(
        pod(names.CLIENT_ID) or account(names.CLIENT_ID) or azure_client,
        azure_client,
        pod(names.TENANT_ID) or account(names.TENANT_ID) or azure_tenant,
        azure_tenant,
        pod(names.TOKEN_EXPIRATION) or account(names.TOKEN_EXPIRATION),
        pod(names.CLOUD) or account(names.CLOUD),
        pod(names.AUTH_METHOD) or account(names.AUTH_METHOD),
        pod(names.ENV) or account(names.ENV),
        pod(names.METRICS) or account(names.METRICS),
        account(names.AUDIENCE),
    )


class Origin(enum.Enum):
    """Where a value comes from that no annotation sets."""

    DEFAULT = enum.auto()
    SETTINGS = enum.auto()
    """The settings of the webhook."""
    CLOUD = enum.auto()


def otherwise(policy: Policy) -> dict[str, Origin]:
    """The last column of the table, by the fields of `Annotated`: those that are not there have the default."""
    return {
        "tenant_id": Origin.SETTINGS,
        "azure_tenant_id": Origin.SETTINGS,
        "cloud": Origin.DEFAULT if policy.cloud == _DEFAULTS.cloud else Origin.SETTINGS,
        "families": Origin.DEFAULT if policy.env == _DEFAULTS.env else Origin.SETTINGS,
        "audience": Origin.SETTINGS if policy.audience else Origin.CLOUD,
    }
