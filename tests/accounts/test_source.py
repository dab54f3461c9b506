"""An Account from the JSON or YAML of a ServiceAccount."""

from typing import Any

import pytest

from tests.core.cases import USUAL_ANNOTATIONS
from webhook.accounts.source import BadAccount, account_from
from webhook.core import names
from webhook.core.identity import Account
from webhook.core.messages import Place


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "expected a ServiceAccount with metadata.name"),
        ([], "expected a ServiceAccount with metadata.name"),
        ({"metadata": {}}, "expected a ServiceAccount with metadata.name"),
        ({"metadata": {"name": 7}}, "expected a ServiceAccount with metadata.name"),
        ({"metadata": {"name": "a", "annotations": ["b"]}}, "metadata.annotations: expected an object of strings"),
        ({"metadata": {"name": "a", "annotations": {"b": True}}}, "annotation b is the boolean true, expected text"),
    ],
)
def test_what_is_not_a_service_account_is_reported(document: Any, message: str) -> None:
    """With its place."""
    with pytest.raises(BadAccount) as caught:
        account_from(document, place=Place("here"))
    assert str(caught.value).startswith(f"here: {message}")


def test_an_account_comes_from_the_api_servers_json() -> None:
    """Only our annotations are kept in memory."""
    metadata = {"name": "a", "namespace": "b", "annotations": {**USUAL_ANNOTATIONS, "x": "y"}, "uid": "1"}
    assert account_from({"kind": "ServiceAccount", "metadata": metadata}) == Account("b", "a", USUAL_ANNOTATIONS)
    empty = account_from({"metadata": {"name": "a", "annotations": {names.AZURE_CLIENT_ID: None}}})
    assert empty.annotations == {names.AZURE_CLIENT_ID: ""}, "as kube-apiserver has it"
    assert account_from({"metadata": {"name": "a", "annotations": None}}) == Account("default", "a", {})
