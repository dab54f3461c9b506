"""YAML as kubectl reads it, and written so that it reads the same again."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.examples import times
from webhook.documents import blocks
from webhook.documents.nodes import NotYaml, parse
from webhook.documents.scalars import number


# What kubectl 1.37 makes of each, tried with `kubectl patch --local -f FILE --type merge -p {} -o json`.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("y", True),
        ("yes", True),
        ("Off", False),
        ("oN", "oN"),
        ("tRue", "tRue"),
        ("~", None),
        ("nULL", "nULL"),
        ("0", 0),
        ("12", 12),
        ("18446744073709551615", 2**64 - 1),
        ("0644", 420),
        ("0o17", 15),
        ("-0b11", -3),
        ("0x1F", 31),
        ("08", 8),
        ("0o8", "0o8"),
        ("1_000", 1000),
        ("_1", "_1"),
        ("+5", 5),
        ("+", "+"),
        (".5", 0.5),
        ("1e3", 1000),
        ("1.0", 1),
        ("1e400", "1e400"),
        ("12:30:45", "12:30:45"),
        ("2026-01-02", "2026-01-02"),
        ("'true'", "true"),
        ('"0644"', "0644"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!!float 1", 1),
        ("!!binary aGVsbG8=", "hello"),
        ("!local 12", "12"),
        ("<<", "<<"),
    ],
)
def test_a_word_means_what_it_means_to_kubectl(text: str, value: Any) -> None:
    """The YAML of kubectl is neither 1.1 nor 1.2."""
    (document,) = parse(f"key: {text}\n")
    assert document.value == {"key": value}
    assert type(document.value["key"]) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\na: 2\n", {"a": 2}),
        ("y: 1\n1: 2\n1.5: 3\n", {"true": 1, "1": 2, "1.5": 3}),
        ("b: &b {k: 1, l: 2}\nm:\n  k: 5\n  <<: *b\n", {"b": {"k": 1, "l": 2}, "m": {"k": 1, "l": 2}}),
        ("m:\n  <<: [{k: 1}, {k: 2, l: 2}]\n  l: 3\n", {"m": {"k": 1, "l": 3}}),
        ("a: &a 1\nb: &a 2\nc: *a\n", {"a": 1, "b": 2, "c": 2}),
        ('{\n\t"a": [1,\n\t2]\n}\n', {"a": [1, 2]}),
        ("# nothing\n", None),
    ],
)
def test_an_object_means_what_it_means_to_kubectl(text: str, value: Any) -> None:
    """Repeated keys, keys that are not text, merges and aliases, and tabs that indent nothing."""
    assert [document.value for document in parse(text)] == ([value] if value else [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b\n\tc: d\n", "2:1: a tab where only spaces indent"),
        ("a:\n\u00a0\u00a0b: c\n  d: e\n", "2:1: a no-break space (U+00A0) where only spaces indent"),
        ("a:\n- b: c\n -\u200bd: e\n", "3:3: a zero width space (U+200B) where only spaces indent"),
        ("```yaml\na: b\n```\n", "1:1: ``` is a mark of Markdown, not of YAML: leave it out"),
        ("  a: b\n  ---\n  c: d\n", "2:1: --- begins a line: is the whole text indented?"),
        ("a: [1,\n", "2:1: did not find expected node content"),
        ("é: \x07\n", "1:4: control characters are not allowed (U+0007)"),
        ("a: *b\n", "1:4: anchor b does not exist"),
        ("a: &b [*b]\n", "1:8: anchor b contains itself"),
        ("? [a]\n: b\n", "1:3: a key has to be text"),
        ("a: {{ .Values.a }}\n", "1:5: a key has to be text (a template)"),
        ("a: !!int x\n", "1:4: 'x' is not !!int"),
        ("a: !!binary '*'\n", "1:4: !!binary is not base64"),
        ("a: .inf\n", "1:4: JSON has neither infinity nor NaN"),
        ("<<: 1\n", "1:5: a merge (<<) takes an object or a list of objects"),
        ("[" * 300, "1:201: nested deeper than 200 levels"),
        (
            "a: &a [1, 1]\n"
            + "".join(
                f"{b}: &{b} [*{a}, *{a}]\n"
                for a, b in zip("abcdefghijklmnopqrstuv", "bcdefghijklmnopqrstuvw", strict=True)
            ),
            "19:4: excessive aliasing",
        ),
    ],
)
def test_text_that_is_not_yaml_is_refused_with_line_and_column(text: str, message: str) -> None:
    """Lines and columns count from 1, as editors count them."""
    with pytest.raises(NotYaml) as caught:
        parse(text)
    found = caught.value
    assert f"{found.line}:{found.column}: {found}{' (a template)' * found.template}" == message


def test_a_value_takes_little_memory() -> None:
    """A text may have a million. Each would take twice as much with a dictionary of its own."""
    (document,) = parse("a: &x [1, b]\nc: *x\n")
    assert document.root
    assert not hasattr(document.root, "__dict__")
    places: list[list[str | int]] = [["a"], ["a", 0], ["c"]]
    assert not any(hasattr(document.find(steps), "__dict__") for steps in places)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(-1e9, 1e9).map(abs)
        | st.text()
        | st.sampled_from(
            [
                "",
                "y",
                "null",
                "0644",
                "1e3",
                "a: b",
                "a #b",
                "-",
                "- a",
                "|\n",
                "a\nb",
                "a\n\nb\n\n",
                " a\nb",
                "a \nb",
                "1:30",
                "<<",
                "\x85",
                "\ufeff",
                "é😀",
                "100m",
                "{a",
                "*a",
                "&a",
                "!a",
                "%a",
                "@a",
                "`a",
                "'",
                '"',
                "\\",
                "a:",
                ":",
                "~",
            ]
        ),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=12,
    ),
    st.integers(0, 4),
    st.booleans(),
)
@example(value=["\x1b\n0"], offset=0, literal=True)
@times(3)
def test_written_yaml_reads_as_the_same_value(value: Any, offset: int, literal: bool) -> None:
    """Any value of JSON survives being written as YAML, in lines or in one line."""
    text = "\n".join(blocks.block(value, offset=offset, literal=literal)) + "\n"
    expected = json.loads(json.dumps(value), parse_float=lambda digits: number(float(digits)))
    assert parse(text)[0].value == expected
    assert parse(blocks.inline(value) + "\n")[0].value == expected
