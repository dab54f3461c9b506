"""Any value in any place of a manifest is a finding or nothing, and never a traceback."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import times
from tests.offline.lint.support import SEEDED, linted
from webhook.core.messages import Severity
from webhook.offline.lint import outputs
from webhook.offline.lint.junit import junit
from webhook.offline.lint.sarif import sarif

OBJECTS = list(yaml.safe_load_all((SEEDED / "app.yaml").read_text()))
VALUES: tuple[Any, ...] = (
    None,
    True,
    1,
    1.5,
    "",
    "x",
    "{{ x }}",
    "${A}",
    "\u00e9\n",
    [],
    {},
    [1],
    [None],
    {"a": 1},
    [{"name": "x"}],
    [{}],
)


def paths(value: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to each value in `value`."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*steps, key)
        yield from paths(inner, (*steps, key))


def put(inner: Any, steps: tuple[str | int, ...], value: Any) -> None:
    """Puts `value` there, if the way to it is still there."""
    for step in steps[:-1]:
        if isinstance(inner, list) and not inner:
            return
        inner = inner.get(step) if isinstance(inner, dict) else inner[0] if isinstance(inner, list) else None
    if isinstance(inner, dict):
        inner[steps[-1]] = value
    elif isinstance(inner, list) and inner:
        inner[0] = value


PLACES = [(number, steps) for number, each in enumerate(OBJECTS) for steps in paths(each)]


@times(1)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(VALUES)), min_size=1, max_size=5))
def test_any_value_anywhere_is_survived_in_every_format(
    changes: list[tuple[tuple[int, tuple[str | int, ...]], Any]],
) -> None:
    """In every format."""
    objects = copy.deepcopy(OBJECTS)
    for (number, steps), value in changes:
        put(objects[number], steps, copy.deepcopy(value))
    report = linted("\n".join(json.dumps(each) for each in objects))
    for form in (outputs.text, outputs.document, outputs.github, sarif):
        assert form(report)
    assert junit(report, Severity.ERROR)


@pytest.mark.parametrize("spec", ["true", "1.5", "text", "[workloadRef]"])
def test_the_label_of_an_operators_object_is_found_in_any_shape(spec: str) -> None:
    """Its label is found nevertheless; `mutate` reads it, too."""
    text = (
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  name: x\n"
        f"  labels: {{azure.workload.identity/use: 'true'}}\nspec: {spec}\n"
    )
    assert [each.message.code for each in linted(text).findings] == ["WI430"]
