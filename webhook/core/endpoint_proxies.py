"""Requests to the token endpoint that would leave the pod: a client in a container with a proxy asks the proxy.

Python's and curl's clients send `http://127.0.0.1:20365` to HTTP_PROXY, IDENTITY_HEADER in it, unless NO_PROXY has that
address; JavaScript's (@azure/identity) send it to HTTPS_PROXY as well, and know neither networks nor "*" in NO_PROXY.
Go's do not ask a proxy. Per container that gets the endpoint's variables:

    no proxy                                              nothing
    NO_PROXY has 127.0.0.1, as an entry between commas    nothing
    only the kubelet knows NO_PROXY                       nothing
    NO_PROXY is not set, nor can it come from envFrom     NO_PROXY=127.0.0.1 is added
    otherwise                                             the user is warned: what he set is not changed
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from webhook.core.own_containers import is_set
from webhook.core.references import known_values
from webhook.core.variables import EnvVar

_PROXIES: Final = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY")
_EXCEPTIONS: Final = ("no_proxy", "NO_PROXY")
_ADDRESS: Final = "127.0.0.1"
_ADDED: Final = EnvVar("NO_PROXY", _ADDRESS)


class BehindProxy(NamedTuple):
    """What is to be done for a container. added: variables for it. proxy: the variable to warn of, or ""."""

    added: tuple[EnvVar, ...] = ()
    proxy: str = ""


_NOTHING: Final = BehindProxy()


def behind_proxy(container: Mapping[str, Any]) -> BehindProxy:
    """What a container needs so that its requests to the token endpoint stay in the pod."""
    variables = {entry.get("name"): entry for entry in container.get("env") or ()}
    proxy = next((name for name in _PROXIES if is_set(variables.get(name))), "")
    if not proxy:
        return _NOTHING
    exceptions = [name for name in _EXCEPTIONS if name in variables]
    if not exceptions:
        return BehindProxy(proxy=proxy) if container.get("envFrom") else BehindProxy(added=(_ADDED,))
    # The small letters win in clients that read both.
    name = next((name for name in exceptions if is_set(variables[name])), exceptions[0])
    value = known_values(container["env"])[name]
    if value is None:
        return _NOTHING
    # Not all clients know networks, ports, "*", or entries that only spaces divide.
    return _NOTHING if _ADDRESS in "".join(value.split()).split(",") else BehindProxy(proxy=proxy)
