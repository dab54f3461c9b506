"""Every case of tests/cases, decided by the pure core and answered by the reviewer; and the form of the cases."""

import base64
import copy
import re
from dataclasses import replace
from pathlib import Path

import jsonpatch
import orjson
import pytest

from tests.core.cases import FOLDER, USUAL_ENV, Case, differences, load, read
from tests.core.support import Accounts, answered
from webhook.core.decision import Decision, decide, decide_early
from webhook.core.messages import one_line
from webhook.core.mutation import apply
from webhook.core.policy import NAMESPACE_LABEL
from webhook.reviewer import Reviewer

CASES = load()
INJECTED = [case for case in CASES if case.expect.outcome == "injected"]
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
injected = pytest.mark.parametrize("case", INJECTED, ids=lambda case: case.id)


def decided(case: Case) -> Decision:
    request = case.request()
    early = decide_early(request, case.policy, case.namespace_labels)
    return early or decide(request, case.account, case.policy)


@every
def test_a_case_is_decided_as_it_says(case: Case) -> None:
    """Outcome, reason, message and each warning."""
    found = decided(case)
    assert (found.outcome, found.reason) == (case.expect.outcome, case.expect.reason)
    assert case.expect.message.fits(one_line(found.problems)), one_line(found.problems)
    assert len(found.warnings) == len(case.expect.warnings), found.warnings
    for expected, warning in zip(case.expect.warnings, found.warnings, strict=True):
        assert expected.fits(str(warning)), warning


@every
def test_a_case_leaves_the_pod_it_says(case: Case) -> None:
    """What is added, where, and nothing else; by our own way to apply a patch and by jsonpatch's."""
    sent = copy.deepcopy(case.pod)
    operations = decided(case).operations
    assert apply(case.pod, operations) == case.expected_pod()
    assert jsonpatch.apply_patch(copy.deepcopy(sent), copy.deepcopy(list(operations))) == case.expected_pod()
    assert case.pod == sent


@injected
def test_a_case_has_nothing_to_add_to_its_own_result(case: Case) -> None:
    """kube-apiserver may ask again."""
    found = decided(replace(case, pod=case.expected_pod()))
    assert (found.outcome, found.reason, found.operations) == ("unchanged", "already-injected", ())


@every
async def test_a_case_is_answered_as_it_says(case: Case) -> None:
    """The same through the AdmissionReview that kube-apiserver sends and receives."""
    if case.policy.scope == NAMESPACE_LABEL and case.expect.reason == "not-selected":
        return  # kube-apiserver's namespaceSelector keeps such a pod from us; alone we do not know the labels
    accounts = Accounts(*([case.account] if case.account else []))
    answer = await answered(Reviewer(accounts, case.policy).review(orjson.dumps(case.review("some-uid")), timeout=5))
    assert answer.status == 200
    response = orjson.loads(answer.body)["response"]
    assert response["uid"] == "some-uid"
    assert response["allowed"] is (case.expect.outcome != "denied")
    assert len(response.get("warnings", ())) == min(3, len(case.expect.warnings))
    if case.expect.outcome == "injected":
        patch = orjson.loads(base64.b64decode(response["patch"]))
        assert jsonpatch.apply_patch(copy.deepcopy(case.pod), patch) == case.expected_pod()
    else:
        assert not {"patch", "patchType"} & set(response)


def test_every_about_is_one_sentence_and_said_once() -> None:
    """The cases are read by people too."""
    abouts = [case.about for case in CASES]
    assert len(set(abouts)) == len(abouts)
    assert all(about.endswith(".") and ". " not in about and about[0].isupper() for about in abouts)


def test_every_outcome_and_reason_has_a_case() -> None:
    """As the table in webhook/core/decision.py lists them; errors are not decided."""
    assert {(case.expect.outcome, case.expect.reason) for case in CASES} == {
        ("injected", "injected"),
        ("unchanged", "already-injected"),
        ("unchanged", "opted-out"),
        ("unchanged", "not-selected"),
        ("unchanged", "not-annotated"),
        ("unchanged", "mirror-pod"),
        ("unchanged", "all-skipped"),
        ("unchanged", "account-not-found"),
        ("denied", "invalid-annotation"),
    }


def test_a_case_can_be_moved_to_another_namespace() -> None:
    """Tests on a cluster give each case a namespace of its own."""
    case = next(case for case in CASES if case.id == "problems-1").moved("test-7")
    assert case.namespace == "test-7"
    assert case.account is not None
    assert case.account.namespace == "test-7"
    assert case.expect.message.fits(one_line(decided(case).problems))
    manifest = case.service_account()
    assert manifest is not None
    assert (manifest["metadata"]["namespace"], manifest["metadata"]["name"]) == ("test-7", "terraform")
    assert case.namespace_object()["metadata"]["name"] == "test-7"


GOOD = "about: A.\npod: {spec: {containers: []}}\nexpect: {outcome: unchanged, reason: opted-out}\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("about", "abuot"),
        ("about: A.", "about: A.\nabout: B."),
        ("reason", "raeson"),
        ("outcome: unchanged", "outcome: denied"),
        ("outcome: unchanged", "volume: usual"),
        ("outcome: unchanged", "outcome: unchanged, message: x"),
        ("outcome: unchanged", "outcome: unchanged, volume: usual"),
        ("outcome: unchanged", "containers: {app: {evn: {}}}"),
        ("outcome: unchanged", "containers: {app: {but: {M365_CLUOD: x}}}"),
        ("outcome: unchanged", "containers: {app: none}"),
        ("outcome: unchanged", "containers: {app: usual}, volume: {nmae: x}"),
        ("outcome: unchanged", "outcome: unchanged, warnings: [{cntains: x}]"),
        ("expect", "policy: {scoop: cluster}\nexpect"),
        ("expect", "serviceAccount: {annotation: {}}\nexpect"),
    ],
    ids=range(14),
)
def test_a_mistake_in_a_case_is_found(old: str, new: str, tmp_path: Path) -> None:
    """A misspelt key would silently not be tested."""
    (tmp_path / "good.yaml").write_text(GOOD)
    assert [case.about for case in read(tmp_path / "good.yaml")] == ["A."]
    (tmp_path / "bad.yaml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"bad\.yaml, case 1|stands twice"):
        list(read(tmp_path / "bad.yaml"))


def test_the_usual_variables_are_those_of_the_guide() -> None:
    """The five of the guide and the provider, the four of Azure's webhook, with the token file in both."""
    guide = {"M365_TENANT_ID", "M365_AUTH_METHOD", "M365_CLIENT_ID", "M365_CLOUD", "AZURE_FEDERATED_TOKEN_FILE"}
    azure = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST"}
    assert set(USUAL_ENV) == guide | azure


def test_cases_name_no_registry_and_no_machine() -> None:
    """They are published."""
    for file in FOLDER.glob("*.yaml"):
        for line in file.read_text("utf-8").splitlines():
            assert not re.search(r"image: (?!busybox|hashicorp/terraform|m365-identity:1)", line)


@pytest.mark.parametrize(
    ("expected", "actual", "count"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, 0),
        ({"a": 1}, {"b": 2}, 1),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, 1),
        ({"a": None, "b": [], "c": {}, "d": ""}, {}, 0),
        ({"cpu": 1}, {"cpu": "1"}, 0),
        ({"cpu": 1}, {"cpu": 2}, 1),
        ([{"name": "a"}, {"name": "c"}], [{"name": "a"}, {"name": "b"}, {"name": "c", "x": 1}], 0),
        ([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}], 1),
        ([{"name": "v", "mountPath": "/b"}], [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}], 0),
        ([{"name": "a", "value": "1"}], [{"name": "a", "value": "2"}], 1),
        (["a", "b"], ["a", "b"], 0),
        (["a", "b"], ["b", "a"], 1),
        ({"a": [1]}, {"a": "x"}, 1),
        ({"a": {"b": 1}}, {"a": None}, 1),
    ],
)
def test_differences_are_what_an_api_server_lost(expected: object, actual: object, count: int) -> None:
    """What it adds or rewrites does not count."""
    assert len(differences(expected, actual)) == count
