"""What the form has beside the manifests."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from webhook.core.clouds import CLOUDS
from webhook.core.formats import is_tenant
from webhook.core.messages import Message
from webhook.core.names import NAMESPACE_NAME
from webhook.core.policy import SCOPES, Policy
from webhook.settings import bad_value


@dataclass(frozen=True)
class Form:
    """What the form has beside the manifests: settings of the webhook, and the namespace of objects that name none."""

    scope: str
    cloud: str
    tenant: str
    namespace: str = "default"

    @classmethod
    def of(cls, policy: Policy) -> "Form":
        """As it is first shown."""
        return cls(policy.scope, policy.cloud, policy.tenant_id)

    @classmethod
    def sent(cls, sent: Mapping[str, str], policy: Policy) -> "Form":
        """As it was sent; what is missing is as it is first shown."""
        first = cls.of(policy)
        values = {name: sent.get(name, value).strip() for name, value in asdict(first).items()}
        return cls(**values)

    def problems(self) -> Iterator[Message]:
        """What is wrong with the values."""
        if self.scope not in SCOPES:
            yield bad_value("scope", self.scope, f"one of {', '.join(SCOPES)}")
        if self.cloud not in CLOUDS:
            yield bad_value("cloud", self.cloud, f"one of {', '.join(CLOUDS)}")
        if self.tenant and not is_tenant(self.tenant):
            yield bad_value("tenant id", self.tenant, "a GUID or a domain, or nothing")
        if not NAMESPACE_NAME.fullmatch(self.namespace):
            yield bad_value("namespace", self.namespace, "a namespace's name")

    def policy(self, policy: Policy) -> Policy:
        """`policy` with these values."""
        return replace(policy, scope=self.scope, cloud=self.cloud, tenant_id=self.tenant)
