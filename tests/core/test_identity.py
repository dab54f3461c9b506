"""From annotations to an identity: precedence, validation, near misses. Whole pods are in tests/cases."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.core.cases import CLIENT, TENANT, USUAL_ANNOTATIONS
from tests.core.support import account, pod, request
from tests.core.tenants import OTHERS, TENANTS
from webhook.core import names
from webhook.core.formats import is_audience, is_guid, is_tenant
from webhook.core.identity import Identity, Reading, read_account_alone, read_identity
from webhook.core.messages import Place
from webhook.core.messages.annotations import (
    METHOD_WITHOUT_ENDPOINT,
    METRICS_INVALID,
    METRICS_WITHOUT_ENDPOINT,
    TENANT_ID_INVALID,
    UNKNOWN_ANNOTATION,
)
from webhook.core.policy import Policy
from webhook.settings import values

OTHER = "33333333-3333-4333-8333-333333333333"
NONE: Mapping[str, str] = {}


def reading(
    on_pod: Mapping[str, str] = NONE, on_account: Mapping[str, str] = NONE, policy: Policy = Policy()
) -> Reading:
    return read_identity(request(pod(annotations=on_pod)), account(on_account), policy)


def identity_of(
    on_pod: Mapping[str, str] = NONE, on_account: Mapping[str, str] = NONE, policy: Policy = Policy()
) -> Identity:
    found = reading(on_pod, on_account, policy)
    assert found.problems == ()
    assert found.identity is not None
    return found.identity


# what of the identity, its annotation, three good values (pod, ServiceAccount, policy or default), a bad one
SETTINGS: list[tuple[str, str, str, str, str, str]] = [
    ("client_id", names.CLIENT_ID, CLIENT, OTHER, "", "contoso-app"),
    ("tenant_id", names.TENANT_ID, "a.com", "b.com", "c.com", "a b"),
    ("auth_method", names.AUTH_METHOD, "workload_identity", "oidc", "workload_identity", "device_code"),
    ("token_expiration", names.TOKEN_EXPIRATION, "7200", "7300", "3600", "1h"),
    ("families", names.ENV, "m365", "azure", "('m365', 'azure')", "aws"),
    ("cloud", names.CLOUD, "dod", "gcchigh", "china", "AzureCloud"),
]
POLICY = Policy(tenant_id="c.com", cloud="china")


def shown(identity: Identity, field: str) -> str:
    value: Any = getattr(identity, field)
    if field == "cloud":
        return str(value.name)
    return value[0] if field == "families" and len(value) == 1 else str(value)


@pytest.mark.parametrize(("field", "key", "on_pod", "on_account", "default", "bad"), SETTINGS)
def test_the_first_that_is_set_wins(field: str, key: str, on_pod: str, on_account: str, default: str, bad: str) -> None:
    """Pod, then ServiceAccount, then policy or default; blank is not set; what is shadowed is not even read."""
    for pod_value, account_value, expected in [
        (on_pod, on_account, on_pod),
        (on_pod, None, on_pod),
        (f" {on_pod}\n", bad, on_pod),
        (None, on_account, on_account),
        ("", on_account, on_account),
        (" \t", on_account, on_account),
        (None, None, default),
        ("", " ", default),
    ]:
        pod_annotations = {} if pod_value is None else {key: pod_value}
        account_annotations = {} if account_value is None else {key: account_value}
        assert shown(identity_of(pod_annotations, account_annotations, POLICY), field) == expected


@pytest.mark.parametrize(("field", "key", "on_pod", "on_account", "default", "bad"), SETTINGS)
def test_a_wrong_value_is_reported_with_its_place(
    field: str, key: str, on_pod: str, on_account: str, default: str, bad: str
) -> None:
    """The message names the object, the annotation and the value."""
    (of_pod,) = reading({key: bad}).problems
    assert of_pod.text.startswith(f"Pod shop/terraform: annotation {key}")
    assert of_pod.place == Place("Pod shop/terraform", annotation=key)
    assert bad in of_pod.text
    (of_account,) = reading({}, {key: bad}).problems
    assert of_account.text.startswith(f"ServiceAccount shop/terraform: annotation {key}")
    assert of_account.place == Place("ServiceAccount shop/terraform", annotation=key)
    assert reading({key: bad}).identity is None


@pytest.mark.parametrize(
    ("annotations", "client", "azure"),
    [
        ({names.AZURE_CLIENT_ID: CLIENT}, CLIENT, CLIENT),
        ({names.CLIENT_ID: OTHER, names.AZURE_CLIENT_ID: CLIENT}, OTHER, CLIENT),
        ({names.CLIENT_ID: OTHER}, OTHER, ""),
        ({}, "", ""),
    ],
)
def test_the_azure_client_id_stands_in_but_never_the_other_way_round(
    annotations: dict[str, str], client: str, azure: str
) -> None:
    """An Azure SDK never signs in as the Microsoft 365 application unless the user says so."""
    found = identity_of(on_account=annotations)
    assert (found.client_id, found.azure_client_id) == (client, azure)


@pytest.mark.parametrize(
    ("annotations", "tenant", "azure"),
    [
        ({names.AZURE_TENANT_ID: TENANT}, TENANT, TENANT),
        ({names.TENANT_ID: OTHER, names.AZURE_TENANT_ID: TENANT}, OTHER, TENANT),
        ({names.TENANT_ID: OTHER}, OTHER, "c.com"),
        ({}, "c.com", "c.com"),
    ],
)
def test_the_azure_tenant_stands_in_but_never_the_other_way_round(
    annotations: dict[str, str], tenant: str, azure: str
) -> None:
    """Else the policy's tenant serves."""
    found = identity_of(on_account=annotations, policy=POLICY)
    assert (found.tenant_id, found.azure_tenant_id) == (tenant, azure)


@pytest.mark.parametrize(
    ("annotation", "policy", "cloud", "expected"),
    [
        ("api://a", "api://p", "china", "api://a"),
        (" ", "api://p", "china", "api://p"),
        (None, "api://p", "china", "api://p"),
        (None, "", "china", "api://AzureADTokenExchangeChina"),
        (None, "", "public", "api://AzureADTokenExchange"),
    ],
)
def test_the_audience_is_the_accounts_then_the_policys_then_the_clouds(
    annotation: str | None, policy: str, cloud: str, expected: str
) -> None:
    """A pod has no say in it."""
    annotations = {} if annotation is None else {names.AUDIENCE: annotation}
    found = identity_of({names.AUDIENCE: "api://pod"}, annotations, Policy(audience=policy, cloud=cloud))
    assert found.audience == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CLIENT, True),
        ("ABCDEF01-2345-6789-abcd-ef0123456789", True),
        ("00000000-0000-0000-0000-000000000000", True),
        ("{" + CLIENT + "}", False),
        (CLIENT + "\n", False),
        (CLIENT[:-1], False),
        (CLIENT.replace("-", ""), False),
        ("g" * 8 + CLIENT[8:], False),
        ("１" * 8 + CLIENT[8:], False),
        ("urn:uuid:" + CLIENT, False),
        ("", False),
    ],
)
def test_a_guid_has_hyphens_and_nothing_else(text: str, expected: bool) -> None:
    """Digits of other scripts and line breaks included."""
    assert is_guid(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TENANT, True),
        ("contoso.onmicrosoft.com", True),
        ("CONTOSO.com", True),
        ("a-b.c1", True),
        (f"{'x' * 63}.com", True),
        (f"{'x' * 64}.com", False),
        (f"{'a.' * 126}a", True),
        (f"{'a.' * 126}aa", False),
        ("contoso", False),
        ("common", False),
        ("organizations", False),
        ("consumers", False),
        (".", False),
        ("..", False),
        ("a..b", False),
        (".com", False),
        ("contoso.com.", False),
        ("-a.com", False),
        ("a-.com", False),
        ("contoso.com\n", False),
        ("contoso.com/", False),
        ("a b", False),
        ("münchen.de", False),
        ("a\n", False),
        ("", False),
    ],
)
def test_a_tenant_is_a_guid_or_a_domain(text: str, expected: bool) -> None:
    """Anything else could change the path of the login URL, or stand for all tenants."""
    assert is_tenant(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api://a", True),
        ("a" * 600, True),
        ("a" * 601, False),
        ("a b", False),
        ("é", False),
        ("a\n", False),
        ("", False),
    ],
)
def test_an_audience_is_printable_and_short(text: str, expected: bool) -> None:
    """Entra takes at most 600 characters."""
    assert is_audience(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ()),
        ("", ()),
        ("container1", ("container1",)),
        ("container1;container2", ("container1", "container2")),
        ("container1; container2", ("container1", "container2")),
        ("container1,container2", ("container1", "container2")),
        (" a ;b,, c;\n", ("a", "b", "c")),
        ("b;a;b", ("b", "a")),
        (";", ()),
    ],
)
def test_names_to_skip_are_separated_by_semicolons_or_commas(text: str | None, expected: tuple[str, ...]) -> None:
    """Azure's cases, and AWS's commas."""
    annotations = None if text is None else {names.SKIP_CONTAINERS: text}
    assert tuple(request(pod(annotations=annotations)).skipped) == expected


@pytest.mark.parametrize("seconds", ["3600", "4800", "86400", "03600", " 3601 "])
def test_an_expiration_between_an_hour_and_a_day_is_taken(seconds: str) -> None:
    """In whole seconds."""
    assert identity_of({names.TOKEN_EXPIRATION: seconds}).token_expiration == int(seconds)


@pytest.mark.parametrize(
    "seconds",
    ["3599", "86401", "0", "-3600", "+3600", "3600s", "1h", "invalid", "3600.0", "3e4", "0x1000", "٣٦٠٠", "9" * 5000],
)
def test_any_other_expiration_is_refused_in_azures_words(seconds: str) -> None:
    """A web search for the message finds the rule."""
    (problem,) = reading({names.TOKEN_EXPIRATION: seconds}).problems
    value = ascii(seconds)[1:-1] if len(seconds) <= 80 else seconds[:77] + "..."
    assert problem.text.endswith(f"token expiration {value} not valid. Expected value to be between 3600 and 86400")


ENDPOINT = {names.TOKEN_ENDPOINT: "true"}
HELPED = Policy(helper_image="m365-identity:1")


@pytest.mark.parametrize(
    ("value", "port"),
    [("true", 9464), ("false", 0), (" ", 0), ("1024", 1024), ("65535", 65535), (" 9999 ", 9999), ("09999", 9999)],
)
def test_metrics_have_a_port(value: str, port: int) -> None:
    """The usual one, or the one that is given; on the pod and on its ServiceAccount."""
    assert identity_of({**ENDPOINT, names.METRICS: value}, policy=HELPED).metrics_port == port
    assert identity_of(ENDPOINT, {names.METRICS: value}, HELPED).metrics_port == port


@pytest.mark.parametrize(
    "value", ["True", "yes", "0", "80", "1023", "20365", "65536", "-9464", "9464/tcp", "٩٤٦٤", "1e4"]
)
def test_another_port_for_metrics_is_refused(value: str) -> None:
    """One of root's, that of the token endpoint, and what is not a port."""
    for found in (reading({**ENDPOINT, names.METRICS: value}, {}, HELPED), reading({}, {names.METRICS: value})):
        assert [each.kind for each in found.problems] == [METRICS_INVALID]


def test_metrics_without_a_token_endpoint_are_told_to_who_asked() -> None:
    """A pod that asks for them is warned; an account is for pods with and without; a refused endpoint says enough."""
    assert METRICS_WITHOUT_ENDPOINT in [each.kind for each in reading({names.METRICS: "true"}).warnings]
    for on_pod, on_account in (
        ({names.METRICS: "false"}, {}),
        ({}, {names.METRICS: "true"}),
        ({**ENDPOINT, names.METRICS: "true"}, {}),  # this policy has no image for it
    ):
        found = reading(on_pod, on_account)
        assert METRICS_WITHOUT_ENDPOINT not in [each.kind for each in found.warnings]
        assert found.identity is None or found.identity.metrics_port == 0


@pytest.mark.parametrize(
    ("on_pod", "on_account", "annotated"),
    [
        ({}, {}, False),
        ({}, {names.AZURE_CLIENT_ID: " "}, False),
        ({}, {names.AZURE_CLIENT_ID: CLIENT}, True),
        ({}, {names.CLIENT_ID: CLIENT}, True),
        ({names.CLIENT_ID: CLIENT}, {}, True),
        ({names.AZURE_CLIENT_ID: CLIENT}, {}, False),
        ({}, {names.AZURE_CLIENT_ID: "nonsense"}, True),
    ],
)
def test_a_pod_is_annotated_once_any_client_id_is_set(
    on_pod: dict[str, str], on_account: dict[str, str], annotated: bool
) -> None:
    """A wrong client id counts: its user wants to hear of it."""
    assert reading(on_pod, on_account).annotated is annotated


def test_all_problems_come_at_once() -> None:
    """The user can fix all mistakes in one go."""
    everything = reading(
        {
            names.CLIENT_ID: "a",
            names.TENANT_ID: "a b",
            names.TOKEN_EXPIRATION: "1",
            names.CLOUD: "a",
            names.AUTH_METHOD: "a",
            names.ENV: "a",
            names.PREFLIGHT: "true",
            names.TOKEN_ENDPOINT: "maybe",
        },
        {names.AZURE_CLIENT_ID: "b", names.AZURE_TENANT_ID: "b c", names.AUDIENCE: "b c"},
    )
    assert len(everything.problems) == 11
    assert everything.identity is None


def test_quotes_and_backslashes_in_a_value_are_escaped() -> None:
    """The reader sees where the value ends."""
    (problem,) = reading({names.CLOUD: 'a"b\\c'}).problems
    assert r'is "a\"b\\c", expected' in problem.text


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("azure.workload.identity/client_id", "azure.workload.identity/client-id"),
        ("azure.workload.identity/clientid", "azure.workload.identity/client-id"),
        ("azure.workload.identity/clientID", "azure.workload.identity/client-id"),
        ("azure.workload.identity/Client.Id", "azure.workload.identity/client-id"),
        ("azure.workload.identity/cilent-id", "azure.workload.identity/client-id"),
        ("azure.workload.identity/tenant", "azure.workload.identity/tenant-id"),
        ("m365.workload.identity/client_id", "m365.workload.identity/client-id"),
        ("m365.workload.identity/tenantID", "m365.workload.identity/tenant-id"),
        ("m365.workload.identity/authmethod", "m365.workload.identity/auth-method"),
    ],
)
@pytest.mark.parametrize("where", ["pod", "account"])
def test_a_near_miss_is_warned_about(key: str, meant: str, where: str) -> None:
    """On the pod as well as on the ServiceAccount."""
    found = reading({key: "x"}) if where == "pod" else reading({}, {key: "x"})
    (warning,) = (each for each in found.warnings if each.kind is UNKNOWN_ANNOTATION)
    unknown, similar = key.partition("/")[2], meant.partition("/")[2]
    assert warning.text == f"unknown annotation {unknown}, did you mean {similar}?"
    assert warning.fix == f"rename it to {meant}"


def test_a_near_miss_of_the_other_prefix_is_shown_whole() -> None:
    """Otherwise the user would not see what is wrong with it."""
    found = reading({}, {"azure.workload.identity/auth-method": "oidc"})
    expected = (
        "unknown annotation azure.workload.identity/auth-method, did you mean m365.workload.identity/auth-method?"
    )
    assert expected in [each.text for each in found.warnings]


@pytest.mark.parametrize("key", ["m365.workload.identity/colour", "m365.workload.identity/event"])
def test_a_key_that_resembles_nothing_is_not_warned_about(key: str) -> None:
    """Only the part after the prefix can be misspelt."""
    assert not [each for each in reading({key: "x"}).warnings if key in f"{each} {each.place}"]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("m365.workload.identity/skip-containers", names.SKIP_CONTAINERS),
        ("m365.workload.identity/service-account-token-expiration", names.TOKEN_EXPIRATION),
        ("azure.workload.identity/cloud", names.CLOUD),
        ("azure.workload.identity/audience", names.AUDIENCE),
        ("azure.workload.identity/env", names.ENV),
    ],
)
def test_the_right_name_under_the_wrong_prefix_is_a_near_miss(key: str, meant: str) -> None:
    """Two prefixes are one more thing to confuse."""
    assert any(key in each.text and meant in each.text for each in reading({}, {key: "x"}).warnings)


def test_only_so_many_spellings_are_compared() -> None:
    """A stranger's thousands of annotations cost little time and give few warnings."""
    many = {f"azure.workload.identity/client_id{'_' * number}": "x" for number in range(1000)}
    assert sum(each.kind is UNKNOWN_ANNOTATION for each in reading(many).warnings) == 20


def test_a_key_that_is_not_ascii_is_shown_escaped() -> None:
    """Warnings are ASCII."""
    found = reading({"azure.workload.identity/client‐id": "x"})
    assert any(r"unknown annotation client\u2010id, did" in each.text for each in found.warnings)


def test_what_a_pod_must_have_is_no_mistake_of_its_service_account() -> None:
    """`fic` and `check` read ServiceAccounts alone, in either order with the pods."""
    managed = account({**USUAL_ANNOTATIONS, names.AUTH_METHOD: "managed_identity"})
    for _ in range(2):
        assert read_account_alone(managed).identity is not None
        (problem,) = read_identity(request(pod()), managed, Policy()).problems
        assert problem.kind is METHOD_WITHOUT_ENDPOINT


@pytest.mark.parametrize("text", TENANTS)
def test_what_may_be_a_tenant_is_taken_by_webhook_and_settings(text: str) -> None:
    """The same list holds for the helper (tests/helper/test_settings.py)."""
    assert is_tenant(text)
    assert values.tenant(text) == text


@pytest.mark.parametrize("text", OTHERS)
def test_what_cannot_be_a_tenant_is_refused_by_webhook_and_settings(text: str) -> None:
    """`fic` and `check` read the annotations in the same way."""
    (problem,) = read_account_alone(account({**USUAL_ANNOTATIONS, names.TENANT_ID: text})).problems
    assert problem.kind is TENANT_ID_INVALID
    with pytest.raises(ValueError, match="GUID or domain"):
        values.tenant(text)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("azure.workload.identiy/client-id", "azure.workload.identity/client-id"),
        ("azure.worklod.identity/client-id", "azure.workload.identity/client-id"),
        ("azure-workload-identity/tenant-id", "azure.workload.identity/tenant-id"),
        ("azure.workload.identity.io/client_id", "azure.workload.identity/client-id"),
        ("m365.workload-identity/cloud", "m365.workload.identity/cloud"),
        ("m36.workload.identity/env", "m365.workload.identity/env"),
    ],
)
def test_a_misspelt_prefix_is_found(key: str, meant: str) -> None:
    """On the pod, whose annotations are not read at all otherwise, and on the ServiceAccount."""
    for found in (reading({key: "x"}).warnings, reading({}, {**USUAL_ANNOTATIONS, key: "x"}).warnings):
        (warning,) = [each for each in found if each.kind is UNKNOWN_ANNOTATION]
        assert warning.values["unknown"] == key
        assert warning.values["meant"] == meant


@pytest.mark.parametrize(
    "key",
    [
        "client-id",
        "example.com/client-id",
        "iam.gke.io/client-id",
        "eks.amazonaws.com/role-arn",
        "workloads.example.com/client-id",
        "identity.example.com/tenant-id",
        "azure.workload.identiy/blue",
        "azure.workload.identiy",
        "x" * 500 + "/client-id",
    ],
)
def test_an_annotation_of_somebody_else_is_no_near_miss(key: str) -> None:
    """There is no warning about annotations of other programs."""
    assert [each for each in reading({key: "x"}, USUAL_ANNOTATIONS).warnings if each.kind is UNKNOWN_ANNOTATION] == []
