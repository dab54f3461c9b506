"""What a message shows of a value that is wrong: names and typos whole, secrets never."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.cases import NAMESPACE, USUAL_ANNOTATIONS
from tests.core.support import account, pod, request
from webhook.core import names
from webhook.core.decision import decide
from webhook.core.identity import Account
from webhook.core.likely_secrets import is_likely_secret, quoted_unless_secret
from webhook.core.messages import one_line
from webhook.core.policy import Policy

SHOWN = [
    "contoso-app",
    "my app",
    "my_app_v2",
    "hr-app-1",
    "k8s-app-prod-cluster",
    "terraform-prod-01",
    "ContosoProductionTerraform",
    "Contoso Production (EU)",
    "Anwendung für Rechnungen",
    "66666666-7777-4888-9999-00000000000",
    "66666666-7777-4888-9999-0000000000001",
    "6666666O-7777-4888-9999-000000000000",
    "{66666666-7777-4888-9999-a00000000000}",
    "api://66666666-7777-4888-9999-a00000000000",
    "https://login.microsoftonline.com/66666666-7777-4888-9999-a00000000000/v2.0",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "contoso.onmicrosoft.com/",
    "https://contoso",
    "user@contoso.com",
    "azure-workload-identity-webhook",
    "<client-id>",
    "${AZURE_CLIENT_ID}",
    "{{ .Values.clientId }}",
    "YOUR-CLIENT-ID",
    "AzureUSGovernment",
    "m365;azure",
    "client_secret",
    "3600s",
]
HIDDEN = [
    "abc8Q~QNnHcUxTvPKGWGrCmB9hd3s1k7yYvOLcRz",
    "paste of a secret: Sup3rS3cret~value",
    "Hunter2Hunter2",
    "P@ssw0rd!P@ssw0rd!",
    "0123456789abcdef0123456789abcdef",
    "01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "AKIAIOSFODNN7EXAMPLE",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=bm8gc2VjcmV0IGF0IGFsbA==",
    "Server=tcp:db;Password=correct",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n-----END PRIVATE KEY-----",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl",
    "a" * 201,
]
ENTRA = st.builds(
    "{}8Q~{}".format,
    st.text(string.ascii_letters + string.digits, min_size=3, max_size=3),
    st.text(string.ascii_letters + string.digits + "_.~-", min_size=31, max_size=34),
)


def random_bytes(least: int, most: int) -> st.SearchStrategy[bytes]:
    """Bytes as a generator of secrets makes them: hypothesis would choose zeros, which do not look like a secret."""
    return st.builds(
        lambda random, length: random.randbytes(length), st.randoms(use_true_random=False), st.integers(least, most)
    ).filter(lambda made: len(set(made)) > least // 2)


def base64url(secret: bytes) -> str:
    """As tokens have it, without padding."""
    return base64.urlsafe_b64encode(secret).decode().rstrip("=")


SECRETS = st.one_of(
    ENTRA,
    random_bytes(16, 64).map(lambda secret: base64.b64encode(secret).decode()),
    random_bytes(32, 64).map(base64url),
    random_bytes(16, 64).map(bytes.hex),
    random_bytes(16, 64).map(lambda secret: secret.hex().upper()),
    random_bytes(20, 20).map(lambda secret: base64.b32encode(secret).decode()),
    random_bytes(64, 64).map(lambda secret: f"eyJhbGciOiJSUzI1NiJ9.{base64url(secret)}.{base64url(secret[::-1])}"),
    random_bytes(96, 96).map(
        lambda secret: f"-----BEGIN PRIVATE KEY-----\n{base64.encodebytes(secret).decode()}-----END PRIVATE KEY-----"
    ),
)


@pytest.mark.parametrize("text", SHOWN)
def test_a_name_and_a_typo_are_shown_whole(text: str) -> None:
    """Its owner recognizes it and sees what is wrong."""
    assert not is_likely_secret(text)


@pytest.mark.parametrize("text", HIDDEN)
def test_what_may_be_a_secret_is_shown_by_its_beginning(text: str) -> None:
    """At most four characters, and its length."""
    assert is_likely_secret(text)
    assert quoted_unless_secret(text).endswith(f"""..." ({len(text)} characters, not shown: it may be a secret)""")
    assert quoted_unless_secret(text).startswith(f'"{text[: min(4, len(text) // 4)]}..."')


def test_no_more_than_a_quarter_is_shown() -> None:
    """A short value is a secret as well."""
    assert quoted_unless_secret("a~b") == '"..." (3 characters, not shown: it may be a secret)'
    assert quoted_unless_secret("Pa~word!") == '"Pa..." (8 characters, not shown: it may be a secret)'


KEYS = [
    names.CLIENT_ID,
    names.AZURE_CLIENT_ID,
    names.TENANT_ID,
    names.AZURE_TENANT_ID,
    names.AUDIENCE,
    names.CLOUD,
    names.AUTH_METHOD,
    names.ENV,
    names.TOKEN_EXPIRATION,
]


@given(SECRETS, st.sampled_from(KEYS))
def test_no_answer_has_a_secret_of_the_account(secret: str, key: str) -> None:
    """Wherever it was pasted, if it is wrong there: in problems and warnings, with their fixes."""
    decision = decide(request(pod()), account({**USUAL_ANNOTATIONS, key: secret}), Policy())
    if decision.outcome != "denied":
        assert key in (names.TENANT_ID, names.AZURE_TENANT_ID, names.AUDIENCE), "the pod needs the value"
        return
    answered = one_line((*decision.problems, *decision.warnings))
    assert key in answered
    assert not any(secret[at : at + 5] in answered for at in range(len(secret) - 4))


@given(SECRETS)
def test_a_name_beside_a_secret_does_not_make_it_a_name(secret: str) -> None:
    """People copy more than the secret."""
    for text in (f"secret: {secret}", f"{secret} (production)", f"contoso-app {secret}"):
        assert is_likely_secret(text)


def test_the_command_of_the_fix_does_not_have_it_either() -> None:
    """A name stands there as it is."""
    for text, expected in (("contoso-app", "--display-name contoso-app "), (HIDDEN[0], "--display-name NAME ")):
        decision = decide(request(pod()), account({names.AZURE_CLIENT_ID: text}), Policy())
        assert expected in one_line(decision.problems)


def test_a_pods_own_annotation_is_shown() -> None:
    """Who sends the pod has written it."""
    asked = request(pod(annotations={names.CLIENT_ID: HIDDEN[0]}))
    decision = decide(asked, Account(NAMESPACE, "terraform", USUAL_ANNOTATIONS), Policy())
    assert f'"{HIDDEN[0]}"' in one_line(decision.problems)
