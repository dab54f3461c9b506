"""The table of messages, and how one message reads."""

import re
import string

import pytest

from webhook.core.messages import TABLE, Kind, Place, Severity, message

KIND = Kind("WI999", Severity.WARNING, '{object}: annotation {annotation} is "{value}"', fix="set {annotation}=GUID")


def test_a_message_reads_as_one_line_with_its_fix_and_its_code() -> None:
    """The text, then the fix in brackets, then the code."""
    found = message(KIND, Place("Pod shop/web", annotation="x/client-id"), value="a\nb\u00e9")
    assert found.text == r'Pod shop/web: annotation x/client-id is "a\nb\xe9"'
    assert found.fix == "set x/client-id=GUID"
    assert str(found) == f"{found.text} ({found.fix}) [WI999]"


def test_a_long_value_leaves_a_line_that_can_be_read() -> None:
    """However long: what a stranger wrote is cut, and shows that it was."""
    found = message(KIND, value="x" * 10_000_000)
    assert len(found.text) == 500
    assert found.text.endswith("...")


@pytest.mark.parametrize("kind", TABLE.values(), ids=lambda kind: kind.code)
def test_each_row_is_complete(kind: Kind) -> None:
    """A code of the usual form, a text that begins as a sentence's middle does, and help for the page."""
    assert re.fullmatch(r"WI[1-9]\d\d", kind.code)
    assert kind.text
    assert not kind.text.endswith(".")
    assert kind.help.endswith(".")


@pytest.mark.parametrize("kind", TABLE.values(), ids=lambda kind: kind.code)
def test_each_row_names_its_values(kind: Kind) -> None:
    """By name, never by position, and without formats: any text fills them in."""
    for template in (kind.text, kind.fix):
        for _, name, form, conversion in string.Formatter().parse(template):
            assert name is None or name.isidentifier()
            assert not form
            assert not conversion
