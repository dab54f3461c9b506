"""Each case of tests/cases, decided offline: the same result as in a cluster."""

import pytest

from tests.core import cases
from tests.offline.mutating import Mutate


@pytest.mark.parametrize("case", cases.load(), ids=lambda case: case.id)
def test_a_case_ends_as_it_does_in_a_cluster(case: cases.Case, mutate: Mutate) -> None:
    """Every case of tests/cases: the same pod, outcome, message and warnings as the webhook itself gives."""
    account, policy = case.service_account(), case.policy
    flags = ["-n", case.namespace, "--scope", policy.scope, "--cloud", policy.cloud]
    flags += [f"--tenant-id={policy.tenant_id}"] * bool(policy.tenant_id)
    flags += [f"--audience={policy.audience}"] * bool(policy.audience)
    flags += [f"--env={','.join(policy.env)}"]
    flags += cases.helper_flags(policy)
    ran = mutate(*flags, accounts=[case.namespace_object(), *([account] if account else [])], pods=case.pod)

    title = f"Pod {case.namespace}/{case.request().pod_name}: "
    refused = case.expect.outcome == "denied"
    decided, *warnings = ran.err[: -1 if refused else None]
    assert decided.startswith(title)
    assert ran.code == refused
    if refused:
        assert case.expect.message.fits(decided.removeprefix(title + "refused: "))
        assert ran.out == ""
        return
    injected = case.expect.outcome == "injected"
    assert decided == title + ("injected" if injected else f"unchanged: {case.expect.reason}")
    assert ran.documents[-1] == case.expected_pod()
    if case.expect.reason != "account-not-found":
        warnings = [line for line in warnings if not line.startswith(title + "hint: ")]
        texts = [warning.removeprefix(title + "warning: ") for warning in warnings]
        assert len(texts) == len(case.expect.warnings)
        assert all(text.fits(warning) for text, warning in zip(case.expect.warnings, texts, strict=True))
