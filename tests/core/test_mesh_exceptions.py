"""Which annotations of which mesh leave connections to Microsoft alone."""

import pytest

from webhook.core.mesh_exceptions import reaches_past_the_mesh

ISTIO = "traffic.sidecar.istio.io/"


def reaches(**annotations: str) -> bool:
    return reaches_past_the_mesh({"metadata": {"annotations": annotations}, "spec": {}})


@pytest.mark.parametrize(
    "annotations",
    [
        {f"{ISTIO}excludeOutboundPorts": "443"},
        {f"{ISTIO}excludeOutboundPorts": "5432, 443"},
        {"config.linkerd.io/skip-outbound-ports": "25,440-450"},
        {"traffic.kuma.io/exclude-outbound-ports": "443"},
        {"consul.hashicorp.com/transparent-proxy-exclude-outbound-ports": "443"},
        {f"{ISTIO}excludeOutboundIPRanges": "10.0.0.0/8,0.0.0.0/0"},
        {f"{ISTIO}includeOutboundIPRanges": "10.0.0.0/8, 172.16.0.0/12"},
        {f"{ISTIO}includeOutboundIPRanges": ""},
        {f"{ISTIO}includeOutboundIPRanges": "10.0.0.0/8", f"{ISTIO}includeOutboundPorts": "80"},
        {"sidecar.istio.io/interceptionMode": "NONE"},
        {"consul.hashicorp.com/transparent-proxy": "false"},
    ],
)
def test_the_mesh_leaves_them_alone(annotations: dict[str, str]) -> None:
    """By port, by network, or because it takes nothing."""
    assert reaches(**annotations)


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {f"{ISTIO}excludeOutboundPorts": "4430,44,-443,443-,440-442,1-2-900,٤٤٣"},
        {"config.linkerd.io/skip-outbound-ports": "450-440"},
        {f"{ISTIO}excludeOutboundIPRanges": "10.0.0.0/8"},
        {f"{ISTIO}includeOutboundIPRanges": "*"},
        {f"{ISTIO}includeOutboundIPRanges": "10.0.0.0/8,20.190.128.0/18"},
        {f"{ISTIO}includeOutboundIPRanges": "10.0.0.0/8", f"{ISTIO}includeOutboundPorts": "443"},
        {f"{ISTIO}includeOutboundIPRanges": "10.0.0.0/8", f"{ISTIO}includeOutboundPorts": "*"},
        {f"{ISTIO}includeOutboundIPRanges": ",".join(["10.0.0.0/8"] * 101)},
        {"sidecar.istio.io/interceptionMode": "REDIRECT"},
    ],
)
def test_the_mesh_takes_them(annotations: dict[str, str]) -> None:
    """Or it is not certain that it leaves them alone."""
    assert not reaches(**annotations)
