"""Reads the settings from the annotations of a pod and its ServiceAccount, with every mistake found at once."""

import re
import shlex
from collections.abc import Collection, Iterator
from typing import Final

from webhook.core import names
from webhook.core.annotations import Annotations, Value
from webhook.core.families import FAMILIES, parse
from webhook.core.formats import is_audience, is_guid, is_tenant
from webhook.core.helper_obstacles import helper_obstacle
from webhook.core.likely_secrets import is_likely_secret, quoted_unless_secret
from webhook.core.messages import Kind, Message, Place, message
from webhook.core.messages import annotations as kinds
from webhook.core.policy import Policy
from webhook.core.precedence import annotated
from webhook.core.review import Request
from webhook.core.text import quoted, shown

OIDC: Final = "oidc"
MANAGED_IDENTITY: Final = "managed_identity"
AUTH_METHODS: Final = ("workload_identity", OIDC, MANAGED_IDENTITY)

_HELPERS: Final = {
    names.PREFLIGHT: names.PREFLIGHT_CONTAINER,
    names.TOKEN_ENDPOINT: names.TOKEN_ENDPOINT_CONTAINER,
}


class Reader:
    """Reads settings from the annotations of a pod and its ServiceAccount, and collects what is wrong with them.

    A value that is wrong is replaced by one that is right, so that reading can go on: all problems are found at once.
    """

    def __init__(self, on_pod: Annotations, on_account: Annotations) -> None:
        self.on_pod = on_pod
        self.on_account = on_account
        self.found = annotated(on_pod, on_account)
        self.problems: list[Message] = []

    def place(self, value: Value | None, key: str) -> Place:
        """Where an annotation stands; if it is not set, where it could."""
        return value.place if value else self.on_account.place(key)

    def check_clients(self, *values: Value | None) -> None:
        """Each must be a GUID."""
        for value in _distinct(values):
            if not is_guid(value.text):
                name = "NAME" if _is_hidden(value) else shlex.quote(shown(value.text))
                self._problem(kinds.CLIENT_ID_INVALID, value, name=name)

    def check_tenants(self, *values: Value | None) -> None:
        """Each must be a GUID or a domain."""
        for value in _distinct(values):
            if not is_tenant(value.text):
                self._problem(kinds.TENANT_ID_INVALID, value)

    def audience(self) -> str:
        """The audience, "" if it is not set."""
        value = self.found.audience
        if value and not is_audience(value.text):
            self._problem(kinds.AUDIENCE_INVALID, value)
        return value.text if value else ""

    def expiration(self) -> int:
        """The lifetime of the token in seconds."""
        value = self.found.token_expiration
        if value is None:
            return names.DEFAULT_EXPIRATION
        # Ten digits are more than enough, and Python refuses to read thousands of them.
        if re.fullmatch("[0-9]{1,10}", value.text):
            seconds = int(value.text)
            if names.MINIMUM_EXPIRATION <= seconds <= names.MAXIMUM_EXPIRATION:
                return seconds
        limits = {"minimum": names.MINIMUM_EXPIRATION, "maximum": names.MAXIMUM_EXPIRATION}
        text = _quoted(value) if _is_hidden(value) else shown(value.text)
        self.problems.append(message(kinds.EXPIRATION_INVALID, value.place, value=text, **limits))
        return names.DEFAULT_EXPIRATION

    def one_of(self, value: Value | None, allowed: Collection[str], default: str) -> str:
        """The value, which must be one of the `allowed` words."""
        if value is None:
            return default
        if value.text not in allowed:
            self._problem(kinds.NOT_ONE_OF, value, allowed=", ".join(allowed))
            return default
        return value.text

    def families(self, default: tuple[str, ...]) -> tuple[str, ...]:
        """The families of variables, in our order."""
        value = self.found.families
        if value is None:
            return default
        try:
            return parse(value.text)
        except ValueError:
            self._problem(kinds.FAMILIES_INVALID, value, allowed=", ".join(FAMILIES))
            return default

    def helpers(self, request: Request, policy: Policy) -> tuple[str, ...]:
        """The helper containers that the pod asks for and that can run in it."""
        found = []
        for key, container in _HELPERS.items():
            value = self.on_pod.value(key)
            if value is None or value.text == "false":
                continue
            if value.text != "true":
                self._problem(kinds.NOT_TRUE_OR_FALSE, value)
                continue
            obstacle = helper_obstacle(key, container, request.pod["spec"], policy)
            if obstacle:
                self._problem(obstacle, value, container=container)
            elif container not in request.skipped:
                found.append(container)
        return tuple(found)

    def metrics_port(self) -> int:
        """Where the token endpoint shows metrics, 0 if nowhere."""
        value = self.found.metrics
        if value is None or value.text == "false":
            return 0
        if value.text == "true":
            return names.METRICS_PORT
        if re.fullmatch("[0-9]{4,5}", value.text):
            port = int(value.text)
            if names.MINIMUM_PORT <= port <= names.MAXIMUM_PORT and port != names.IDENTITY_ENDPOINT_PORT:
                return port
        limits = {"minimum": str(names.MINIMUM_PORT), "maximum": str(names.MAXIMUM_PORT)}
        self._problem(kinds.METRICS_INVALID, value, **limits)
        return 0

    def binding(self) -> bool:
        """Whether the pod asks Azure's webhook for its custom token endpoint, which AKS names `identity-binding`."""
        values = self.on_pod.values
        return any(
            key.startswith(names.CUSTOM_TOKEN_ENDPOINT) and value.strip().lower() == "true"
            for key, value in values.items()
        )

    def idle_metrics(self, helpers: tuple[str, ...]) -> Iterator[Message]:
        """A warning if the pod itself asks for metrics, and nothing in it could have any."""
        value = self.on_pod.value(names.METRICS)
        if value and value.text != "false" and not self._has_endpoint(helpers):
            yield message(kinds.METRICS_WITHOUT_ENDPOINT, value.place, needed=names.TOKEN_ENDPOINT)

    def check_endpoint(self, helpers: tuple[str, ...]) -> None:
        """The token endpoint must be there, or a reason why it is not must have been found."""
        if not self._has_endpoint(helpers):
            place = self.place(self.found.auth_method, names.AUTH_METHOD)
            self.problems.append(message(kinds.METHOD_WITHOUT_ENDPOINT, place, needed=names.TOKEN_ENDPOINT))

    def _has_endpoint(self, helpers: tuple[str, ...]) -> bool:
        """Whether the token endpoint is there, or a reason why it is not has been found."""
        refused = any(each.place.annotation == names.TOKEN_ENDPOINT for each in self.problems)
        return refused or names.TOKEN_ENDPOINT_CONTAINER in helpers

    def _problem(self, kind: Kind, value: Value, **more: str) -> None:
        self.problems.append(message(kind, value.place, value=_quoted(value), **more))


def _is_hidden(value: Value) -> bool:
    """Whether no message may show it. The sender of a pod knows what is on it; a ServiceAccount may be another's."""
    return not value.on_pod and is_likely_secret(value.text)


def _quoted(value: Value) -> str:
    return quoted(value.text) if value.on_pod else quoted_unless_secret(value.text)


def _distinct(values: tuple[Value | None, ...]) -> Iterator[Value]:
    yield from dict.fromkeys(value for value in values if value)
