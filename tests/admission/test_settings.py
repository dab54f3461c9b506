"""The cases of tests/cases whose policy is not the usual one, with a webhook that was started with those settings."""

from collections.abc import Callable
from itertools import groupby

import pytest

from demo.server import Running
from testbed.cluster.cluster import Cluster
from tests.admission.test_cases import CASES, check
from tests.core.cases import Case, helper_flags
from webhook.core.policy import Policy

OTHERS = [case for case in CASES if case.policy != Policy() and case.policy.scope == Policy().scope]


def flags(policy: Policy) -> tuple[str, ...]:
    """The settings that make this policy."""
    values = {"--tenant-id": policy.tenant_id, "--cloud": policy.cloud, "--audience": policy.audience}
    values["--env"] = ",".join(policy.env)
    return (*(word for flag, value in values.items() if value for word in (flag, value)), *helper_flags(policy))


def by_policy() -> list[tuple[Policy, list[Case]]]:
    """The cases whose policy is not the usual one, those of one policy together."""
    ordered = sorted(OTHERS, key=lambda case: repr(case.policy))
    return [(policy, list(cases)) for policy, cases in groupby(ordered, key=lambda case: case.policy)]


@pytest.mark.parametrize(("policy", "cases"), by_policy(), ids=[" ".join(flags(policy)) for policy, _ in by_policy()])
def test_the_cases_of_another_policy_are_stored_as_expected(
    control_plane: Cluster, another_webhook: Callable[..., Running], policy: Policy, cases: list[Case]
) -> None:
    """The policy comes as settings, as a platform engineer gives it."""
    another_webhook(*flags(policy))
    for case in cases:
        namespace = control_plane.create_namespace()
        try:
            check(control_plane, case.moved(namespace))
        finally:
            control_plane.delete_namespace(namespace)
