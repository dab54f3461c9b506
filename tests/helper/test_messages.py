"""The table of messages: stable codes, and templates that can be filled in."""

import inspect
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from m365_identity import _messages, settings
from m365_identity._advice.codes import ABOUT_THE_TOKEN, BY_CODE, SEEN
from m365_identity._advice.general import BY_KIND, BY_STATUS
from m365_identity._messages import TABLE, Kind, Severity, message
from m365_identity.errors import SettingsError
from webhook.core import messages as other

PACKAGE = Path(_messages.__file__).parents[1]


def templates(kind: Kind) -> Iterator[str]:
    """Everything that is filled in."""
    yield from (kind.text, *kind.causes, kind.fix)


@pytest.mark.parametrize("kind", TABLE.values(), ids=TABLE)
def test_a_row_is_whole(kind: Kind) -> None:
    """A code of the helper, a text, a fix for what is wrong, and values that have names."""
    assert re.fullmatch("WIH[0-9]{3}", kind.code)
    assert kind.text
    if kind.severity is Severity.WARNING:
        assert kind.fix
    if kind.severity in (Severity.OK, Severity.SKIPPED):
        assert not kind.causes
        assert not kind.fix
    for template in templates(kind):
        for _, name, spec, conversion in string.Formatter().parse(template):
            assert name is None or (name.isidentifier() and not spec and not conversion)


def test_every_error_of_the_library_has_a_fix() -> None:
    """Only the text for a wrong use of a command says itself what was expected."""
    without = [kind.code for kind in TABLE.values() if kind.severity is Severity.ERROR and not kind.fix]
    assert all(code.startswith("WIH0") for code in without)


def test_every_message_is_used() -> None:
    """Outside of the tables, by its name."""
    code = "".join(path.read_text() for path in PACKAGE.rglob("*.py") if path.parent.name != "_messages")
    for table in (_messages.usage, _messages.settings, _messages.token_file, _messages.network, _messages.graph):
        for name, value in vars(table).items():
            if isinstance(value, Kind):
                assert re.search(rf"\b(messages|settings|usage)\.{name}\b", code), (table.__name__, name)
    used = {*BY_CODE.values(), *BY_KIND.values(), *BY_STATUS.values(), *SEEN}
    for table in (_messages.entra, _messages.tenant, _messages.uncoded):
        assert {value for value in vars(table).values() if isinstance(value, Kind)} <= used
    assert used >= ABOUT_THE_TOKEN


def test_a_message_is_one_line_whatever_fills_it_in() -> None:
    """Values can hold text from a token or from a server."""
    kind = Kind("WIH999", Severity.ERROR, "{value} is bad", ("because of {value}",), fix="remove {value}")
    hostile = message(kind, value="x\r\n\x1b[2J\u2028y")
    for text in (hostile.text, *hostile.causes, hostile.fix, str(hostile)):
        assert text.isprintable()
    assert str(hostile) == "x   [2J y is bad [WIH999]"


def test_two_rows_with_one_code_are_a_mistake() -> None:
    """It is found when the package is imported."""
    first = Kind("WIH999", Severity.ERROR, "a")
    with pytest.raises(ValueError, match="WIH999 stands for two messages"):
        _messages._table([first, Kind("WIH999", Severity.ERROR, "b")])


def test_the_table_has_the_shape_of_the_webhooks() -> None:
    """One page lists both, and programs that read codes find the same severities."""
    assert {each.value for each in Severity} <= {each.value for each in other.Severity}
    of_manifests = {"edit"}  # the helper has none at hand
    assert {*inspect.signature(other.Kind).parameters} - of_manifests <= {*inspect.signature(Kind).parameters}
    assert not TABLE.keys() & other.TABLE.keys()


def test_wrong_settings_have_codes() -> None:
    """One for each problem, in the same order; the text of the exception shows them."""
    with pytest.raises(SettingsError) as caught:
        settings.settings(client_id="x", cloud="y", environ={})
    error = caught.value
    assert error.codes == ("WIH103", "WIH104", "WIH101", "WIH101")
    assert [line.endswith(f" [{code}]") for line, code in zip(str(error).splitlines(), error.codes, strict=True)]
