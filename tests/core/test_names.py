"""How Kubernetes spells names."""

import pytest

from webhook.core.names import NAMESPACE_NAME, OBJECT_NAME

LONG = "a" * 63


@pytest.mark.parametrize(
    ("text", "namespace", "name"),
    [
        ("shop", True, True),
        ("a", True, True),
        ("7-up", True, True),
        (LONG, True, True),
        (LONG + "a", False, True),
        ("kube-root-ca.crt", False, True),
        (".".join([LONG, LONG, LONG, "a" * 61]), False, True),
        (".".join([LONG, LONG, LONG, "a" * 62]), False, False),
        ("a" * 254, False, False),
        ("", False, False),
        ("Shop", False, False),
        ("-a", False, False),
        ("a-", False, False),
        ("a..b", False, False),
        ("a.-b", False, False),
        ("a/b", False, False),
        ("a\n", False, False),
        ("bär", False, False),
    ],
)
def test_a_name_is_what_kubernetes_takes(text: str, namespace: bool, name: bool) -> None:
    """A namespace has at most 63 characters and no dots; the name of another object has at most 253."""
    assert (NAMESPACE_NAME.fullmatch(text) is not None) is namespace
    assert (OBJECT_NAME.fullmatch(text) is not None) is name
