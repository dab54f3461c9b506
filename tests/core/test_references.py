"""`$(NAME)` in variables, as the kubelet reads it."""

from typing import Any

from webhook.core.references import escaped, known_values


def entries(**values: str) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def test_a_reference_is_to_what_stands_before_it() -> None:
    """To the last of that name; what is not known may come from elsewhere."""
    found = known_values([*entries(A="1", B="$(A)$(A)"), *entries(A="2", C="$(B)-$(A)", D="$(LATER)", LATER="3")])
    assert found == {"A": "2", "B": "11", "C": "11-2", "D": None, "LATER": "3"}


def test_two_signs_are_one() -> None:
    """Whatever follows; a single one that begins no reference stays."""
    found = known_values(entries(A="x", B="$$(A)", C="$$$(A)", D="$A $ ${A}", E="$(A", F="100%$"))
    assert found == {"A": "x", "B": "$(A)", "C": "$x", "D": "$A $ ${A}", "E": "$(A", "F": "100%$"}
    assert known_values(entries(A=escaped("$(B)$")))["A"] == "$(B)$"


def test_what_comes_from_elsewhere_is_not_known() -> None:
    """Neither it nor what refers to it."""
    known = {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    assert known_values([known, *entries(B="$(A)", C="c")]) == {"A": None, "B": None, "C": "c"}
    assert known_values([{"name": "A", "value": 5}, {"name": "B"}]) == {"A": None, "B": ""}


def test_references_to_references_do_not_grow_without_bound() -> None:
    """Sixty of them would be more characters than there are atoms."""
    doubling = entries(V0="xx", **{f"V{number}": f"$(V{number - 1})" * 2 for number in range(1, 60)})
    found = known_values(doubling)
    assert found["V5"] == "xx" * 32
    assert found["V59"] is None
    many = known_values(entries(A="x" * 4000, **{f"V{number}": "$(A)" for number in range(1000)}))
    assert sum(len(value or "") for value in many.values()) < 400_000
