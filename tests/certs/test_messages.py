"""The table of messages, and a row that is filled in."""

from __future__ import annotations

import re
from pathlib import Path

from certs import messages
from certs.errors import StoreUnavailable
from certs.messages import TABLE, Problem, ProblemKind, problem

CERTS = Path(messages.__file__).parent
ROOT = CERTS.parent


def rows() -> dict[str, ProblemKind]:
    """Each row by the name of its constant."""
    return {name: value for name, value in vars(messages).items() if isinstance(value, ProblemKind)}


def test_every_row_is_in_the_table_by_its_code() -> None:
    """In the order of the codes, each of which has the prefix of certificates."""
    assert list(TABLE) == sorted(row.code for row in rows().values())
    assert set(TABLE.values()) == set(rows().values())
    assert all(re.fullmatch(r"WIC[1-9][0-9]{2}", code) for code in TABLE)


def test_every_row_is_used() -> None:
    """By a module of the product."""
    modules = [*CERTS.rglob("*.py"), *(ROOT / "webhook").rglob("*.py")]
    text = "\n".join(path.read_text() for path in modules)
    assert [name for name in rows() if f"messages.{name}" not in text] == []


def test_no_row_knows_the_flags_or_commands_of_its_users() -> None:
    """The webhook gives settings their flags: `Problem.with_names`."""
    texts = [text for row in TABLE.values() for text in (row.text, row.fix, row.help)]
    assert [text for text in texts if re.search(r"(^|\s)--[a-z]|-m webhook", text)] == []


def test_a_problem_is_text_fix_and_code() -> None:
    filled = problem(messages.SECRET_UNREADABLE, secret="ns/ca", reason="away", configuration="not in the text")
    assert filled.text == "Secret ns/ca cannot be read: away"
    assert str(filled) == f"{filled.text} ({filled.fix}) [WIC102]"
    assert str(Problem(ProblemKind("WIC999", messages.ProblemSeverity.ERROR, "no fix"))) == "no fix [WIC999]"


def test_every_value_is_on_one_line() -> None:
    """What an API server answered may have any length and any shape; a value is never a template."""
    error = StoreUnavailable("a {brace}\n\tand " + 400 * "x")
    filled = problem(messages.SECRET_UNREADABLE, secret="ns/ca", reason=error)
    assert filled.values["reason"].startswith("a {brace} and xxx")
    assert len(filled.values["reason"]) == 300
    assert "\n" not in str(filled)
    assert problem(messages.SECRET_UNREADABLE, secret="ns/ca", reason=StoreUnavailable()).text.endswith(
        "read: StoreUnavailable"
    )
