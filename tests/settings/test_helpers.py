"""The settings of helper containers: what they mean, and what they refuse."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from webhook.settings import helpers


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (helpers.resources, "{}", {}),
        (helpers.resources, '{"requests": {}, "limits": {"cpu": 1}}', {"limits": {"cpu": "1"}}),
        (
            helpers.resources,
            '{"requests": {"cpu": "10m", "ephemeral-storage": "1Mi"}}',
            {"requests": {"cpu": "10m", "ephemeral-storage": "1Mi"}},
        ),
        (helpers.security_context, "{}", {}),
        (helpers.security_context, '{"runAsUser": 1000, "runAsGroup": 0}', {"runAsUser": 1000, "runAsGroup": 0}),
        (helpers.security_context, '{"runAsUser": 1000650000.0}', {"runAsUser": 1000650000}),
        (helpers.environment, "{}", {}),
        (
            helpers.environment,
            '{"https_proxy": "proxy:3128", "NO_PROXY": "", "SSL_CERT_DIR": "/a:/b"}',
            {"https_proxy": "proxy:3128", "NO_PROXY": "", "SSL_CERT_DIR": "/a:/b"},
        ),
        (helpers.config_map, "corporate/ca.crt", "corporate/ca.crt"),
        (helpers.container_names, "gate, mesh-proxy", ("gate", "mesh-proxy")),
    ],
)
def test_settings_of_helper_containers_are_read(parse: Callable[[str], Any], text: str, value: Any) -> None:
    """JSON as in a container; an empty object leaves all of it out."""
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (helpers.resources, "cpu=10m", "JSON: requests and limits of cpu, memory, ephemeral-storage"),
        (helpers.resources, "[" * 100_000, "JSON: requests"),
        (helpers.resources, "[]", "JSON: requests"),
        (helpers.resources, '{"claims": {}}', "requests and limits of cpu"),
        (helpers.resources, '{"limits": {"nvidia.com/gpu": "1"}}', "requests and limits of cpu"),
        (helpers.resources, '{"limits": {"cpu": "a lot"}}', "requests and limits of cpu"),
        (
            helpers.resources,
            '{"limits": {"cpu": "1m"}, "requests": {"cpu": "1"}}',
            "not above their limits, unlike cpu",
        ),
        (helpers.security_context, '{"privileged": true}', "runAsUser and runAsGroup, or one or none"),
        (helpers.security_context, '{"runAsUser": 0}', "the user is not 0"),
        (helpers.security_context, '{"runAsUser": true}', "the user is not 0"),
        (helpers.security_context, '{"runAsUser": 2147483648}', "the user is not 0"),
        (helpers.security_context, '{"runAsGroup": "1"}', "runAsUser and runAsGroup"),
        (helpers.environment, '{"LD_PRELOAD": "/x"}', "variables out of HTTPS_PROXY, https_proxy"),
        (helpers.environment, '{"HTTPS_PROXY": 1}', "one line of text as HTTPS_PROXY"),
        (helpers.environment, '{"NO_PROXY": "a\\nb"}', "one line of text as NO_PROXY"),
        (helpers.environment, '{"HTTPS_PROXY": "http://"}', "the address of a proxy as HTTPS_PROXY"),
        (helpers.environment, '{"HTTPS_PROXY": "http://a:b"}', "the address of a proxy as HTTPS_PROXY"),
        (helpers.environment, '{"HTTPS_PROXY": "http://u:p@a"}', "no password in HTTPS_PROXY"),
        (helpers.environment, '{"SSL_CERT_FILE": "ca.pem"}', "a path in the helper's image as SSL_CERT_FILE"),
        (helpers.config_map, "corporate", "the name of a ConfigMap and a key of it"),
        (helpers.config_map, "corporate/..", "the name of a ConfigMap and a key of it"),
        (helpers.config_map, "corporate/a/b", "the name of a ConfigMap and a key of it"),
        (helpers.container_names, "a,,b", "names of containers, separated by commas"),
        (helpers.container_names, "A", "names of containers, separated by commas"),
    ],
)
def test_nothing_else_can_be_set(parse: Callable[[str], Any], text: str, expected: str) -> None:
    """What would not be `restricted`, would be a secret, or would be found by the kubelet only."""
    with pytest.raises(ValueError, match=re.escape(expected)):
        parse(text)
