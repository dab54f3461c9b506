"""The APIs beside Graph that tools call, with the little of each that shows that a sign-in works."""

from testbed.entra import TENANT_ID
from testbed.entra.api import Api
from testbed.entra.clouds import place

__all__ = ["APIS", "HOSTS", "SUBSCRIPTION"]

SUBSCRIPTION = "33333333-3333-4333-8333-333333333333"

_SUBSCRIPTION = {
    "id": f"/subscriptions/{SUBSCRIPTION}",
    "subscriptionId": SUBSCRIPTION,
    "tenantId": TENANT_ID,
    "displayName": "Contoso",
    "state": "Enabled",
    "authorizationSource": "RoleBased",
}
MANAGEMENT = Api(
    host="management.azure.com",
    audiences=("https://management.azure.com", "https://management.core.windows.net"),
    documents={
        "/subscriptions": {"value": [_SUBSCRIPTION]},
        f"/subscriptions/{SUBSCRIPTION}": _SUBSCRIPTION,
        f"/subscriptions/{SUBSCRIPTION}/resourcegroups": {"value": []},
        "/tenants": {"value": [{"id": f"/tenants/{TENANT_ID}", "tenantId": TENANT_ID, "displayName": "Contoso"}]},
    },
)
POWER_PLATFORM = Api(
    host="api.bap.microsoft.com",
    audiences=("https://service.powerapps.com", "https://api.bap.microsoft.com"),
    documents={"/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments": {"value": []}},
)
APIS = (MANAGEMENT, POWER_PLATFORM)

_PUBLIC = place("public")
HOSTS = (*_PUBLIC.login_hosts, *_PUBLIC.graph_hosts, *(api.host for api in APIS))
