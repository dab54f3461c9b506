"""`doctor` and what the token says: issuer, subject, audience and times."""

from pathlib import Path
from typing import Any

import pytest

from m365_identity._checks import Found, LinkStatus
from m365_identity._checks.assertion import audience, issuer, subject
from m365_identity._checks.lifetime import lifetime
from m365_identity._text import duration, listed, shown, stamp
from m365_identity.settings import settings
from tests.helper_commands.doctor_support import NOW, doctor, found, one, write
from tests.helper_commands.processes import Pod

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        ("https://oidc.example.com/cluster/", LinkStatus.OK, "must end with the slash too"),
        ("https://oidc.example.com/cluster", LinkStatus.OK, "without a slash at the end"),
        ("https://8.8.8.8/", LinkStatus.OK, ""),
        ("http://oidc.example.com", LinkStatus.FAIL, "not an https address"),
        ("kubernetes/serviceaccount", LinkStatus.FAIL, "not an https address"),
        (" https://oidc.example.com", LinkStatus.FAIL, "not an https address"),
        ("https://kubernetes.default.svc", LinkStatus.FAIL, "can never reach"),
        ("https://kubernetes.default.svc.cluster.local", LinkStatus.FAIL, "can never reach"),
        ("https://kubernetes.default", LinkStatus.FAIL, "can never reach"),
        ("https://10.0.0.1:6443", LinkStatus.WARN, "looks like a private address"),
        ("https://[fd00::1]/", LinkStatus.WARN, "looks like a private address"),
        ("https://localhost:6443", LinkStatus.WARN, "looks like a private address"),
        ("https://issuer.corp.internal", LinkStatus.WARN, "looks like a private address"),
        ("https://[", LinkStatus.WARN, "looks like a private address"),
        (None, LinkStatus.FAIL, "names no issuer"),
    ],
)
def test_an_issuer_that_entra_cannot_fetch_is_found(url: str | None, status: LinkStatus, says: str) -> None:
    """What Entra can never fetch fails; what it may not reach is warned about; the slash is reported either way."""
    finding = one(issuer, found(iss=url))
    assert finding.status is status
    assert says in finding.detail
    assert ("--service-account-issuer" in finding.fix) is (status is not LinkStatus.OK and url is not None)


def test_the_subject_is_a_service_account() -> None:
    """Told with its namespace and name; a user's or Entra's token is a foreign one."""
    finding = one(subject, found())
    assert finding.detail == "system:serviceaccount:shop:terraform (ServiceAccount terraform in namespace shop)"
    for name in ("user@contoso.com", "system:serviceaccount:shop", None):
        finding = one(subject, found(sub=name))
        assert (finding.status, "is not a ServiceAccount" in finding.detail) == (LinkStatus.FAIL, True)
        assert "projected volume" in finding.fix


def test_a_token_of_another_namespace_is_found(tmp_path: Path) -> None:
    """Copied from another pod: this pod's namespace is known where the kubelet says it."""
    known = found()
    known.namespace_file = tmp_path / "namespace"
    assert one(subject, known).status is LinkStatus.OK
    known.namespace_file.write_text("shop\n")
    assert one(subject, known).status is LinkStatus.OK
    known.namespace_file.write_text("bank")
    *_, finding = subject(known)
    assert (finding.status, finding.detail) == (
        LinkStatus.WARN,
        "the token is of namespace shop, and this pod is in bank",
    )


def in_cloud(cloud: str, **claims: Any) -> Found:
    """A token with these claims, in a cloud."""
    known = found(**claims)
    known.place = settings(
        tenant_id="contoso.com",
        client_id="66666666-7777-4888-9999-000000000000",
        token_file="/t",
        cloud=cloud,
        environ={},
    )
    return known


@pytest.mark.parametrize(
    ("cloud", "aud", "status", "says"),
    [
        ("public", "api://AzureADTokenExchange", LinkStatus.OK, "as the cloud public expects"),
        ("gcc", ["api://AzureADTokenExchange"], LinkStatus.OK, ""),
        ("gcchigh", "api://AzureADTokenExchangeUSGov", LinkStatus.OK, ""),
        ("china", "api://AzureADTokenExchange", LinkStatus.WARN, "which is that of the cloud public and gcc: "),
        ("public", "api://AzureADTokenExchangeChina", LinkStatus.WARN, "which is that of the cloud china: "),
        ("public", "https://kubernetes.default.svc", LinkStatus.WARN, "which is not one of the usual ones: "),
        ("public", "api://azureadtokenexchange", LinkStatus.WARN, "which is not one of the usual ones: "),
        ("public", None, LinkStatus.FAIL, "names no audience"),
        ("public", [], LinkStatus.FAIL, "names no audience"),
        ("public", ["api://AzureADTokenExchange", "b"], LinkStatus.WARN, "several audiences, and Entra expects one"),
    ],
)
def test_an_audience_of_another_cloud_is_warned_about(cloud: str, aud: object, status: LinkStatus, says: str) -> None:
    """Each cloud has its own; another works only if the credential has it too, so it is not a failure."""
    finding = one(audience, in_cloud(cloud, aud=aud))
    assert finding.status is status
    assert says in finding.detail
    if "usually have" in finding.detail:
        expected = {"public": "", "china": "China"}[cloud]
        assert finding.detail.endswith(f"usually have api://AzureADTokenExchange{expected}")
        assert f'audience: "api://AzureADTokenExchange{expected}"' in finding.fix


@pytest.mark.parametrize(
    ("after", "claims", "status", "says"),
    [
        (0, {}, LinkStatus.OK, "another 60 min"),
        (2880 + 299, {}, LinkStatus.OK, ""),
        (2880 + 301, {}, LinkStatus.WARN, "should have renewed it by now"),
        (3600, {}, LinkStatus.FAIL, "expired at 2030-03-17 18:46:40Z, 0 s ago"),
        (7300, {}, LinkStatus.FAIL, "62 min ago"),
        (-299, {}, LinkStatus.OK, ""),
        (-301, {}, LinkStatus.FAIL, "not valid before 2030-03-17 17:46:40Z, in 5 min"),
        (-301, {"nbf": None}, LinkStatus.FAIL, "not valid before"),
        (0, {"nbf": None, "iat": None}, LinkStatus.OK, "another 60 min"),
        (0, {"exp": NOW + 600}, LinkStatus.WARN, "it lives 10 min, and SDKs keep a token for 10 min"),
        (0, {"exp": NOW + 2999}, LinkStatus.WARN, "may send one that has expired"),
        (0, {"exp": NOW + 3000}, LinkStatus.OK, ""),
        # The kubelet renews after a day, however long the token lives.
        (86400 + 299, {"exp": NOW + 7 * 86400}, LinkStatus.OK, ""),
        (86400 + 301, {"exp": NOW + 7 * 86400}, LinkStatus.WARN, "should have renewed it by now"),
        (0, {"exp": None}, LinkStatus.FAIL, "does not say when it expires"),
        (0, {"exp": 1e300}, LinkStatus.OK, "valid until a time that makes no sense"),
    ],
)
def test_times(after: float, claims: dict[str, Any], status: LinkStatus, says: str) -> None:
    """At `after` seconds from when the token was made."""
    finding = one(lifetime, found(now=NOW + after, **claims))
    assert finding.status is status, finding
    assert says in finding.detail
    assert bool(finding.fix) is (status is not LinkStatus.OK)


def test_the_login_hosts_clock_decides() -> None:
    """This one may be wrong, and is not asked by Entra."""
    known = found(now=NOW + 1800)
    known.skew = 3600
    assert one(lifetime, known).status is LinkStatus.FAIL
    known = found(now=NOW + 3700)
    known.skew = -1900
    assert one(lifetime, known).status is LinkStatus.OK


def test_an_issuer_that_is_the_clusters_own_name(pod: Pod) -> None:
    """The default of kubeadm and kind: the issuer's line says what Entra's answer does not."""
    pod.federate()
    write(pod, iss="https://kubernetes.default.svc.cluster.local")
    report = doctor(pod.environ)
    assert report.document["first"] == "issuer"
    assert report.failed() == {"issuer", "exchange"}
    assert "AADSTS700211 " in report.detail("exchange")


def test_times_and_lists_are_written_for_people() -> None:
    """Times and lists for people, and text from elsewhere without what moves a cursor."""
    assert [duration(seconds) for seconds in (0, 119, -600, 7199, 7200, 172800)] == [
        "0 s",
        "119 s",
        "10 min",
        "120 min",
        "2 h",
        "2 d",
    ]
    assert duration(float("inf")) == duration(float("nan")) == "ages"
    assert stamp(0) == "1970-01-01 00:00:00Z"
    assert stamp(1e300) == "a time that makes no sense"
    assert listed(["a", "b"]) == "a, b"
    assert listed(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert shown("a\x1b[2J\n b\u202e") == "a [2J b"
    assert len(shown("x" * 1000)) == 300
