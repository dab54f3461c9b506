"""The alert rules of the chart, with everything enabled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.chart.objects import installed, one

__all__ = ["groups", "in_seconds", "is_about_sign_in", "rules"]

IDENTITY = {"enabled": True, "clientId": "11111111-2222-3333-4444-555555555555", "tenantId": "a.com"}


@cache
def groups() -> list[dict[str, Any]]:
    """The groups of the PrometheusRule."""
    values = {"prometheusRule": {"enabled": True}, "federation": IDENTITY, "canary": IDENTITY}
    found: list[dict[str, Any]] = one(installed(values), "PrometheusRule")["spec"]["groups"]
    return found


def is_about_sign_in(rule: Mapping[str, Any]) -> bool:
    """Whether programs, sidecars or the canary have the metrics of a rule, and not the webhook or the cluster."""
    return "m365_identity_" in rule["expr"]


def rules() -> dict[str, dict[str, Any]]:
    """Each rule by the name of its alert."""
    return {rule["alert"]: rule for group in groups() for rule in group["rules"]}


def in_seconds(*, sign_in: bool) -> list[dict[str, Any]]:
    """The groups with a second in place of each minute and hour that an alert waits for or looks back.

    sign_in: the rules that are about it, or else all others.
    """

    def quick(rule: dict[str, Any]) -> dict[str, Any]:
        expr = re.sub(r"(\[|offset )(\d+)m\b", r"\1\2s", rule["expr"])
        return rule | {"expr": expr} | ({"for": re.sub("[mh]$", "s", rule["for"])} if "for" in rule else {})

    return [
        group | {"rules": [quick(rule) for rule in group["rules"] if is_about_sign_in(rule) == sign_in]}
        for group in groups()
    ]
