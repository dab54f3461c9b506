"""What tokens say about themselves: for diagnostics, from strangers, never shown whole."""

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365_identity._tokens import access_token, assertion, jwt_claims
from tests.helper import tokens

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def test_an_assertion_tells_who_it_is_for() -> None:
    """Issuer, subject, audiences, times, and the ServiceAccount."""
    token = tokens.jwt(
        iss="https://issuer/", sub="system:serviceaccount:shop:terraform", aud=["a", "b"], iat=1, exp=3601.5
    )
    found = assertion.decode(token)
    assert found == assertion.Assertion(
        issuer="https://issuer/",
        subject="system:serviceaccount:shop:terraform",
        audiences=("a", "b"),
        issued=1.0,
        expires=3601.5,
    )
    assert found.audience == "a"
    assert found.account == ("shop", "terraform")
    assert token not in repr(found)


@pytest.mark.parametrize("subject", ["", "shop:terraform", "system:serviceaccount:shop", "repo:contoso/x:ref"])
def test_another_subject_is_not_a_service_account(subject: str) -> None:
    """Then no name can be shown."""
    assert assertion.decode(tokens.jwt(sub=subject)).account is None


def test_an_access_token_tells_what_it_allows() -> None:
    """Tenant, application, roles, times."""
    token = tokens.jwt(tid="t", appid="c", app_displayname="shop", oid="o", roles=["A", "B"], aud="g", exp=9, iss="i")
    assert access_token.decode(token) == access_token.AccessTokenClaims(
        tenant_id="t",
        client_id="c",
        application="shop",
        object_id="o",
        roles=("A", "B"),
        audience="g",
        issuer="i",
        issued=None,
        expires=9.0,
    )


def test_an_access_token_of_the_second_version_names_its_application_elsewhere() -> None:
    """azp in place of appid."""
    assert access_token.decode(tokens.jwt(azp="c")).client_id == "c"


def test_an_opaque_access_token_is_not_an_error() -> None:
    """Entra may encrypt them; the message says so, and has nothing of it."""
    with pytest.raises(ValueError, match="which is not an error of its own") as caught:
        access_token.decode("opaque-access-token")
    assert "opaque-access" not in str(caught.value)


@hypothesis.settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "iat", "roles", "tid", "appid"]), JSON))
def test_no_claim_of_whatever_type_breaks_the_reading(claims: dict[str, object]) -> None:
    """Who made the token is not known."""
    token = tokens.jwt(**claims)
    assertion.decode(token)
    access_token.decode(token)


@hypothesis.settings(deadline=None)
@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_text_that_is_not_a_token_stays_out_of_the_error(text: str) -> None:
    """By a ValueError with nothing behind it that holds the text."""
    with pytest.raises(ValueError) as caught:
        jwt_claims.claims(text)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert len(text) < 8 or text not in str(caught.value)


@pytest.mark.parametrize("claim", [10**400, -(10**400), float("nan"), float("inf"), True, "1", None])
def test_a_time_that_makes_no_sense_is_none(claim: object) -> None:
    """JSON has numbers without end, and Python's reads NaN and Infinity as well."""
    found = assertion.decode(tokens.jwt(exp=claim, iat=claim))
    assert (found.expires, found.issued) == (None, None)
    assert access_token.decode(tokens.jwt(exp=claim)).expires is None


def test_deep_nesting_does_not_break_the_reading() -> None:
    """A token may be anything."""
    import base64

    deep = base64.urlsafe_b64encode(b"[" * 40000).decode().rstrip("=")
    with pytest.raises(ValueError, match="payload"):
        jwt_claims.claims(f"e30.{deep}.abcd")
