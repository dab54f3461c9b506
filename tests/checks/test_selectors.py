"""Label selectors, as Kubernetes defines them."""

from collections.abc import Mapping
from typing import Any

import pytest

from webhook.checks import selectors
from webhook.checks.selectors import selects


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        (None, True),
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "In", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_each_operator_of_a_selector_takes_what_kubernetes_takes(
    selector: Mapping[str, Any] | None, taken: bool
) -> None:
    """The rules are those of LabelSelector; the label is a=1."""
    assert selects(selector, {"a": "1"}) is taken


def test_selectors_become_queries() -> None:
    """The API takes queries as text. The selector of a ReplicationController is a plain map."""
    expressions = [
        {"key": "b", "operator": "In", "values": ["1", "2"]},
        {"key": "c", "operator": "NotIn", "values": ["3"]},
        {"key": "d", "operator": "Exists"},
        {"key": "e", "operator": "DoesNotExist"},
    ]
    document = {"matchLabels": {"a": "1"}, "matchExpressions": expressions}
    assert selectors.query(document) == "a=1,b in (1,2),c notin (3),d,!e"
    assert selectors.query({"a": "1"}) == "a=1"
