"""Manifests in whatever style people write YAML: each comment survives, and the objects are what the patches make."""

import copy
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import jsonpatch
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import times
from tests.offline.test_splice import mutated
from webhook.documents.nodes import parse


class Writer:
    """Writes values as YAML in as many ways as people do, with comments that can be told from each other."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.comments = 0
        self.anchors: dict[int, str] = {}
        self.aliases_allowed = chance.random() < 0.5
        self.flow_allowed = chance.random() < 0.5
        self.offset = chance.choice((0, 0, 2, 2, 4))

    def document(self, value: Any) -> str:
        self.anchors = {}
        return "".join(self.lines(value, 0))

    def comment(self, start: str) -> str:
        self.comments += 1
        return f"{start}# c{self.comments}: 'x' - {{"

    def maybe(self, probability: float) -> bool:
        return self.chance.random() < probability

    def above(self, indent: int) -> Iterator[str]:
        if self.maybe(0.1):
            yield "\n"
        if self.maybe(0.15):
            yield self.comment(" " * indent) + "\n"

    def lines(self, value: Any, indent: int) -> Iterator[str]:
        """A list or an object that is not empty, in block style."""
        column = " " * indent
        if isinstance(value, list):
            for item in value:
                yield from self.above(indent)
                yield from self.after(column + "-", item, indent + 2, compact=True)
            return
        for key, member in value.items():
            yield from self.above(indent)
            quoted = f'"{key}"' if self.maybe(0.1) else key
            step = self.offset if isinstance(member, list) else self.chance.choice((1, 2, 2, 4))
            yield from self.after(f"{column}{quoted}:", member, indent + step, compact=False)

    def after(self, start: str, value: Any, indent: int, *, compact: bool) -> Iterator[str]:
        """`value` behind a key or a dash."""
        if isinstance(value, dict | list) and value and self.aliases_allowed:
            if id(value) in self.anchors:
                yield f"{start} *{self.anchors[id(value)]}{self.end()}"
                return
            if self.maybe(0.3):
                name = self.anchors[id(value)] = f"a{len(self.anchors)}"
                yield f"{start} &{name}{self.end()}"
                yield from self.lines(value, indent)
                return
        if isinstance(value, dict | list) and value and not (self.flow_allowed and self.maybe(0.15)):
            lines = [*self.lines(value, indent)]
            if compact and isinstance(value, dict) and lines[0].strip() and not lines[0].lstrip().startswith("#"):
                yield start + " " + lines[0].lstrip()
                yield from lines[1:]
            else:
                yield start + self.end()
                yield from lines
        elif isinstance(value, str) and "\n" in value and self.maybe(0.7):
            yield f"{start} |\n" if value.endswith("\n") else f"{start} |-\n"
            yield from (f"{' ' * indent} {line}\n" if line else "\n" for line in value.rstrip("\n").split("\n"))
            yield from ["\n"] * self.chance.choice((0, 0, 1))
        elif value is None:
            yield start + self.chance.choice(("", " null", " ~")) + self.end()
        elif isinstance(value, dict | list):
            yield f"{start} {self.flow(value)}{self.end()}"
        else:
            yield f"{start} {self.scalar(value)}{self.end()}"

    def end(self) -> str:
        return (self.comment("  ") if self.maybe(0.1) else "") + "\n"

    def scalar(self, value: Any) -> str:
        if (
            isinstance(value, str)
            and re.fullmatch("[a-z]{2}[a-z/.-]*", value)
            and value not in ("on", "no", "true", "false")
        ):
            return value if self.maybe(0.6) else f"'{value}'"
        return json.dumps(value, ensure_ascii=False)

    def flow(self, value: Any) -> str:
        separator = self.chance.choice((", ", ",", ",\n" + " " * 40))
        if isinstance(value, dict) and self.maybe(0.7):
            members = (f"{key}: {self.flow(member)}" for key, member in value.items())
            return "{" + separator.join(members) + self.chance.choice(("", " ", ",")) * bool(value) + "}"
        if isinstance(value, list):
            return "[" + separator.join(map(self.flow, value)) + self.chance.choice(("", " ", "")) + "]"
        return json.dumps(value, ensure_ascii=False)


def shuffled(chance: random.Random, value: dict[str, Any]) -> dict[str, Any]:
    keys = [*value]
    chance.shuffle(keys)
    return {key: value[key] for key in keys}


STRINGS = ("app", "x y", "multi\nline\n", "two\n\nlines", "true", "", "0644", "é😀", "a: b # c")


def random_pod_spec(chance: random.Random) -> dict[str, Any]:
    """The spec of a pod, whose containers may share lists: the writer makes aliases of them."""
    shared_env = [{"name": "SHARED", "value": "x"}]
    shared_list = ["a", "b"]

    def container(index: int) -> dict[str, Any]:
        result: dict[str, Any] = {"name": f"c{index}", "image": "example.com/image"}
        if chance.random() < 0.7:
            own = [{"name": f"V{n}", "value": chance.choice(STRINGS)} for n in range(chance.randint(0, 2))]
            result["env"] = chance.choice((None, shared_env, own, own))
        if chance.random() < 0.5:
            mounts = [{"name": "data", "mountPath": f"/data{n}"} for n in range(chance.randint(0, 2))]
            result["volumeMounts"] = chance.choice((None, mounts, mounts))
        if chance.random() < 0.4:
            result["args"] = chance.choice((shared_list, [chance.choice(STRINGS)], [[["deep"]]]))
        if chance.random() < 0.3:
            result["resources"] = {"limits": {"cpu": 1, "memory": "1Gi"}, "unknown": {}}
        return shuffled(chance, result)

    pod_spec: dict[str, Any] = {
        "serviceAccountName": chance.choice(("terraform", "terraform", "terraform", "other")),
        "containers": [container(index) for index in range(chance.randint(1, 3))],
    }
    if chance.random() < 0.3:
        pod_spec["initContainers"] = [container(index + 5) for index in range(chance.randint(0, 2))]
    if chance.random() < 0.3:
        pod_spec["containers"].append(pod_spec["containers"][0])
    if chance.random() < 0.5:
        volume = {"name": "data", "configMap": {"name": "x", "defaultMode": 420}}
        pod_spec["volumes"] = chance.choice((None, [], [volume]))
    return pod_spec


def random_object(chance: random.Random) -> dict[str, Any]:
    """A pod, a workload, a List of some, or a kind that the webhook does not know."""
    pod_spec = random_pod_spec(chance)
    template = shuffled(
        chance,
        {
            "metadata": {"labels": {"azure.workload.identity/use": chance.choice(("true", "true", "false"))}},
            "spec": shuffled(chance, pod_spec),
        },
    )
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("v1", "Pod", template),
        ("apps/v1", "Deployment", {"spec": shuffled(chance, {"template": template, "replicas": 1})}),
        ("batch/v1", "CronJob", {"spec": {"jobTemplate": {"spec": {"template": template}}, "schedule": "@daily"}}),
        ("v1", "ConfigMap", {"data": {"script": chance.choice(STRINGS), "list": "multi\nline"}}),
        ("example.com/v1", "Deployment", {"spec": {"template": template}}),
    ]
    if chance.random() < 0.2:
        kinds = [("v1", "List", {"items": [random_object(chance) for _ in range(chance.randint(0, 3))]})]
    version, kind, rest = chance.choice(kinds)
    return shuffled(chance, {"apiVersion": version, "kind": kind, **rest})


@given(st.integers(0, 2**32), st.sampled_from(["\n", "\r\n"]))
@times(2)
def test_a_file_says_what_the_patches_say_and_keeps_its_comments(seed: int, newline: str) -> None:
    """Whatever the style: the values are jsonpatch's, the comments in their order, unchanged documents untouched."""
    chance = random.Random(seed)
    writer = Writer(chance)
    objects = [random_object(chance) for _ in range(chance.randint(1, 3))]
    texts = [writer.document(each).replace("\n", newline) for each in objects]
    text = f"---{newline}".join(texts)
    assert [document.value for document in parse(text)] == objects

    result, _, decided = mutated(text)
    expected = copy.deepcopy(json.loads(json.dumps(objects)))
    for each in decided:
        place = "".join(f"/{step}" for step in (each.manifest.document, *each.manifest.steps))
        operations = [{**operation, "path": place + operation["path"]} for operation in each.operations]
        jsonpatch.apply_patch(expected, operations, in_place=True)
    assert [document.value for document in parse(result)] == expected
    comments = re.compile(r"# c\d+: 'x' - \{")
    assert comments.findall(result) == comments.findall(text)
    assert ("\r" in newline) == bool(re.search(r"\r\n", result))
    assert not re.search(r"(?<!\r)\n", result) or newline == "\n"
    changed = {each.manifest.document for each in decided if each.operations}
    for index, original in enumerate(texts):
        if index not in changed:
            assert original in result
    if not writer.flow_allowed and not writer.aliases_allowed and not re.search(r"null|~|\[", text):
        remaining = iter(result.split("\n"))
        assert all(line in remaining for line in text.split("\n"))
