"""The result as YAML, JSON, JSON Patch and diff."""

import json

import jsonpatch

from tests.offline.mutating import ACCOUNT, Mutate, expected, pod


def test_one_object_is_not_put_in_a_list(mutate: Mutate) -> None:
    """As JSON, one object is itself and one List is a List."""
    for given in (ACCOUNT, {"apiVersion": "v1", "kind": "List", "items": [ACCOUNT]}):
        assert json.loads(mutate("-o", "json", given=given).out) == given


def test_patches_of_several_objects_are_lines(mutate: Mutate) -> None:
    """One line for each object with pods, even without a change; nothing if there are no pods."""
    given = [pod("a"), pod("b", labels={}), {**pod("c"), "metadata": {"generateName": "c-", "namespace": "shop"}}]
    ran = mutate("-o", "patch", accounts=ACCOUNT, pods=given)
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [(line["kind"], line["namespace"], line["name"]) for line in lines] == [
        ("Pod", "shop", "a"),
        ("Pod", "shop", "b"),
        ("Pod", "shop", "c-*"),
    ]
    assert jsonpatch.apply_patch(given[0], lines[0]["patch"]) == expected(given[0])
    assert lines[1]["patch"] == lines[2]["patch"] == []
    assert mutate("-o", "patch", accounts=ACCOUNT).out == ""


def test_json_becomes_yaml(mutate: Mutate) -> None:
    """One value after the other, as kubectl reads them, on one line or several, with tabs or without."""
    given = json.dumps(ACCOUNT) + json.dumps(pod(), indent="\t")
    ran = mutate("-f", "-", stdin=given)
    assert ran.documents == [ACCOUNT, expected(pod())]
    assert ran.out.startswith("apiVersion: v1\nkind: ServiceAccount\n")
    diff = mutate("-f", "-", "-o", "diff", stdin=given).out.splitlines()
    assert diff[0] == "--- <stdin>"
    assert not [line for line in diff[2:] if line.startswith("-")]
