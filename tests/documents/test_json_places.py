"""Where values stand in JSON."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.examples import times
from webhook.documents.files import objects, source_of
from webhook.documents.json_places import json_documents

KEYS = st.text(max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
)


def paths(value: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value in `value` and the way to it."""
    yield steps, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from paths(inner, (*steps, key))


@times(1)
@given(values=st.lists(VALUES, max_size=3), indent=st.sampled_from([None, 0, 2]), ascii_only=st.booleans())
def test_each_value_is_where_its_place_says(values: list[Any], indent: int | None, ascii_only: bool) -> None:
    """In any layout, and the line and column lead to the same character as the offset."""
    text = "\n".join(json.dumps(value, indent=indent, ensure_ascii=ascii_only) for value in values)
    lines = text.split("\n")
    for value, document in zip(values, json_documents(text), strict=True):
        for steps, inner in paths(value):
            key, node = document.find_entry(steps)
            assert node is not None
            assert json.loads(text[node.start : node.end]) == inner
            assert sum(len(line) + 1 for line in lines[: node.line]) + node.column == node.start
            assert (key is None) is (not steps or isinstance(steps[-1], int))
            assert key is None or key.value == steps[-1]


def test_an_object_in_a_json_file_has_places() -> None:
    """As one in YAML: of a value its beginning and its end, of what has members its key."""
    text = (
        '{"apiVersion": "v1",\n "kind": "Pod",\n "metadata": {"labels": {"a": "b"}}}\n{"apiVersion": "v1", "kind": "X"}'
    )
    source = source_of("pod.json", text.encode())
    (pod,) = objects(source, 0, [])
    value = pod.key_place("metadata", "labels", "a")
    assert (str(value.object), value.line, value.column, value.end) == ("pod.json:3:31", 3, 31, (3, 34))
    assert pod.key_place("metadata", "labels").object == "pod.json:3:15"
    assert pod.place("metadata", "labels").object == "pod.json:3:25"
    assert pod.place("metadata", "labels", "missing").object == "pod.json:3:25"
    (other,) = objects(source, 1, [])
    assert other.place("kind").object == "pod.json:4:30"
