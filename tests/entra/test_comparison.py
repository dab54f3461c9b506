"""What is in Entra against what the cluster needs: each state once, and what holds of any mixture of them."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.entra.comparison import MOST, Change, Cluster, Existing, Item, State, Wanted, after, compare
from webhook.entra.mark import Mark, mark, read_mark

ISSUER = "https://issuer.example.com/prod/"
BEFORE = "https://issuer.example.com/before/"
ELSEWHERE = "https://issuer.example.com/stage/"
AUDIENCE = "api://AzureADTokenExchange"
US = Cluster(ISSUER)
NAMED = Cluster(ISSUER, name="prod")


def subject(name: str) -> str:
    return f"system:serviceaccount:shop:{name}"


def wanted(name: str = "terraform") -> Wanted:
    return Wanted(f"shop/{name}", f"shop-{name}-1", ISSUER, subject(name), AUDIENCE)


def existing(who: str = "terraform", /, **changes: Any) -> Existing:
    """The credential of the ServiceAccount `who`, made by hand unless `made` says for which cluster: ("", ISSUER)."""
    cluster, issuer = changes.pop("made", (None, ""))
    issuer = issuer or changes.get("issuer", ISSUER)
    whose = changes.pop("whose", subject(who))
    text = "" if cluster is None else mark(issuer, whose, cluster)
    found = Existing(f"id-{who}", f"shop-{who}-1", ISSUER, whose, (AUDIENCE,), text, is_marked=cluster is not None)
    return replace(found, **changes)


def only(needed: list[Wanted], known: list[Existing], cluster: Cluster = US) -> Item:
    (item,) = compare(needed, known, cluster)
    return item


def states(needed: list[Wanted], known: list[Existing], cluster: Cluster = US) -> list[tuple[State, Change]]:
    return [(item.state, item.change) for item in compare(needed, known, cluster)]


def test_what_is_right_stays() -> None:
    """Marked or not."""
    for known in (existing(), existing(made=("", ISSUER))):
        assert only([wanted()], [known]) == Item(State.OK, Change.NOTHING, wanted(), known)


def test_what_is_missing_is_created() -> None:
    """With the name that `fic` prints."""
    assert only([wanted()], []) == Item(State.MISSING, Change.CREATE, wanted())


def test_another_audience_is_changed() -> None:
    """A second credential of this issuer and subject would be refused, so whoever made it, it is this one."""
    known = existing(audiences=("api://AzureADTokenExchangeChina",))
    assert only([wanted()], [known]) == Item(State.AUDIENCE, Change.UPDATE, wanted(), known)
    assert only([wanted()], [replace(known, audiences=())]).state is State.AUDIENCE


@pytest.mark.parametrize(
    "changes", [{"whose": subject("Terraform")}, {"issuer": ISSUER.upper()}, {"issuer": ISSUER.removesuffix("/")}]
)
def test_other_letters_are_changed(changes: dict[str, Any]) -> None:
    """Upper and lower case, and the slash at the end, which Entra compares letter by letter."""
    known = existing(**changes)
    assert only([wanted()], [known]) == Item(State.LETTERS, Change.UPDATE, wanted(), known)


def test_a_mark_without_the_clusters_name_is_changed() -> None:
    """Before the cluster is rebuilt; what a person made stays without a mark, and another name stays."""
    assert states([wanted()], [existing(made=("", ISSUER))], NAMED) == [(State.MARK, Change.UPDATE)]
    assert states([wanted()], [existing(made=("", ISSUER))], US) == [(State.OK, Change.NOTHING)]
    for known in (existing(), existing(made=("prod", ISSUER)), existing(made=("other", ISSUER))):
        assert states([wanted()], [known], NAMED) == [(State.OK, Change.NOTHING)]


def test_the_credential_of_a_rebuilt_cluster_is_changed() -> None:
    """Known by the name of the cluster in the mark, or because the user says which issuer it was."""
    known = existing(issuer=BEFORE, made=("prod", BEFORE))
    assert states([wanted()], [known], NAMED) == [(State.OTHER_ISSUER, Change.UPDATE)]
    by_hand = existing(issuer=BEFORE)
    assert states([wanted()], [by_hand], Cluster(ISSUER, former=frozenset({BEFORE}))) == [
        (State.OTHER_ISSUER, Change.UPDATE)
    ]


def test_another_issuer_of_which_nothing_is_known_keeps_its_credential() -> None:
    """It may be this cluster before it was rebuilt, or another cluster that works: the plan says so, and apply adds."""
    known = existing(issuer=BEFORE, made=("", BEFORE), name="shop-terraform-2")
    made, another = sorted(compare([wanted()], [known], US), key=lambda item: item.change)
    assert made == Item(State.OTHER_ISSUER, Change.CREATE, wanted(), others=(BEFORE,))
    assert another == Item(State.ANOTHER, Change.NOTHING, None, known)


def test_two_clusters_in_one_application_are_told_apart_by_the_mark() -> None:
    """The other cluster's is neither an earlier one of ours nor left over, whatever it is called."""
    known = existing(issuer=ELSEWHERE, made=("stage", ELSEWHERE), name="shop-terraform-2")
    for cluster in (US, NAMED):
        assert states([wanted()], [known], cluster) == [
            (State.ANOTHER, Change.NOTHING),
            (State.MISSING, Change.CREATE),
        ]
        assert states([], [known], cluster) == [(State.ANOTHER, Change.NOTHING)]


def test_a_duplicate_is_removed_if_it_is_ours() -> None:
    """Only what is marked: another one is shown."""
    twin = {"id": "twin", "name": "twin", "issuer": ISSUER.removesuffix("/")}
    ours = existing(**twin, made=("", ISSUER))
    assert states([wanted()], [existing(), ours]) == [(State.DUPLICATE, Change.REMOVE), (State.OK, Change.NOTHING)]
    assert (State.DUPLICATE, Change.NOTHING) in states([wanted()], [existing(), existing(**twin)])


def test_left_over_is_what_is_marked_and_not_needed() -> None:
    """The ServiceAccount is gone, or the cluster of which it was."""
    assert states([], [existing(made=("", ISSUER))]) == [(State.LEFT_OVER, Change.PRUNE)]
    old = existing(issuer=BEFORE, made=("prod", BEFORE), id="old", name="old")
    assert (State.LEFT_OVER, Change.PRUNE) in states([wanted()], [existing(), old], NAMED)
    assert (State.ANOTHER, Change.NOTHING) in states([wanted()], [existing(), old], US)
    assert (State.LEFT_OVER, Change.PRUNE) in states(
        [wanted()], [existing(), old], Cluster(ISSUER, former=frozenset({BEFORE}))
    )


@pytest.mark.parametrize(
    "known",
    [
        existing(),
        existing(made=("", ELSEWHERE)),
        existing(made=("prod", ISSUER), issuer=ELSEWHERE),
        existing(issuer=ELSEWHERE, made=("stage", ELSEWHERE)),
        replace(existing(made=("", ISSUER)), subject="repo:contoso/shop"),
    ],
    ids=["not marked", "another issuer's mark", "changed by hand", "another cluster's", "another subject"],
)
def test_nothing_else_is_ever_left_over(known: Existing) -> None:
    """A credential that a person made or changed, or that another cluster made."""
    for cluster in (US, NAMED):
        assert states([], [known], cluster) == [(State.ANOTHER, Change.NOTHING)]


def test_what_was_not_looked_at_is_not_left_over() -> None:
    """Another namespace, or a ServiceAccount whose annotations are wrong."""
    known = existing(made=("", ISSUER))
    assert states([], [known], Cluster(ISSUER, covers=lambda _: False)) == [(State.ANOTHER, Change.NOTHING)]
    assert states([], [known], Cluster(ISSUER, known=frozenset({subject("terraform")}))) == [
        (State.ANOTHER, Change.NOTHING)
    ]


def test_an_application_takes_twenty() -> None:
    """What does not fit is named; a duplicate that is removed makes room."""
    others = [existing(f"other-{number}", issuer=ELSEWHERE) for number in range(MOST - 1)]
    items = compare([wanted("a"), wanted("b")], others, US)
    assert [item.state for item in items][-2:] == [State.MISSING, State.NO_ROOM]
    twin = existing("a", id="twin", name="twin", whose=subject("A"), made=("", ISSUER))
    items = compare([wanted("a"), wanted("b")], [*others[1:], existing("a"), twin], US)
    assert [item.state for item in items if item.change is not Change.NOTHING] == [State.DUPLICATE, State.MISSING]


def test_a_name_that_is_taken_is_not_written_over() -> None:
    """A person has changed what one of ours was made for; in small letters or not, a name exists once."""
    known = existing(issuer=ELSEWHERE, made=("", ISSUER), name="Shop-terraform-1")
    item = compare([wanted()], [known], US)[-1]
    assert (item.change, item.wanted and item.wanted.name) == (Change.CREATE, "shop-terraform-1-2")


def test_a_mark_says_for_what_it_was_made() -> None:
    """Within the 600 characters of a description; a longer issuer is known by its hash."""
    assert read_mark(mark(ISSUER, subject("a"))) == Mark(ISSUER, subject("a"))
    assert read_mark(mark(ISSUER, subject("a"), "prod")) == Mark(ISSUER, subject("a"), "prod")
    long = f"https://{'i' * 592}"
    text = mark(long, subject("a" * 253), "p" * 63)
    found = read_mark(text)
    assert len(text) <= 600
    assert found is not None
    assert (found.is_of(long), found.is_of(ISSUER), found.cluster) == (True, False, "p" * 63)
    for other in (
        "",
        "m365wi",
        "m365wi: a",
        "Kubernetes ServiceAccount shop/terraform",
        "m365wi: a b c d",
        "m365wi:  a",
    ):
        assert read_mark(other) is None


NAMES = ["a", "A", "b", "c"]
ISSUERS = [ISSUER, ISSUER.removesuffix("/"), ISSUER.upper(), BEFORE, ELSEWHERE]
CLUSTERS = [US, NAMED, Cluster(ISSUER, former=frozenset({BEFORE})), Cluster(ISSUER, covers=lambda each: "b" in each)]


@st.composite
def credentials(draw: st.DrawFn) -> list[Existing]:
    """What Entra may have: issuer and subject once, names once, at most twenty."""
    keys = draw(st.lists(st.tuples(st.sampled_from(ISSUERS), st.sampled_from(NAMES)), unique=True, max_size=12))
    found = []
    for number, (issuer, name) in enumerate(keys):
        made = draw(st.sampled_from([(None, ""), ("", issuer), ("prod", issuer), ("stage", issuer), ("", ISSUER)]))
        audience = draw(st.sampled_from([AUDIENCE, "api://other"]))
        known = existing(name, issuer=issuer, made=made, id=f"{number}", audiences=(audience,))
        found.append(replace(known, name=draw(st.sampled_from([f"n{number}", f"N{number}-x"]))))
    fill = draw(st.integers(0, MOST - len(found)))
    return found + [existing(f"other-{number}", issuer="https://other.example.com") for number in range(fill)]


NEEDED = st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True).map(lambda names: [*map(wanted, names)])


@given(needed=NEEDED, known=credentials(), cluster=st.sampled_from(CLUSTERS), seed=st.integers())
def test_what_holds_of_every_comparison(
    needed: list[Wanted], known: list[Existing], cluster: Cluster, seed: int
) -> None:
    """Nothing foreign is touched, Entra's rules hold at each step, and afterwards there is nothing to do."""
    items = compare(needed, known, cluster)
    shuffled = random.Random(seed)
    assert items == compare(shuffled.sample(needed, len(needed)), shuffled.sample(known, len(known)), cluster)
    assert sorted(item.existing.id for item in items if item.existing) == sorted(each.id for each in known)
    assert {item.wanted.key for item in items if item.wanted} == {each.key for each in needed}
    for item in items:
        if item.change in (Change.REMOVE, Change.PRUNE):
            assert item.existing
            assert item.existing.is_marked
            assert item.existing.key not in {each.key for each in needed}
            assert cluster.has(read(item.existing).issuer) or read(item.existing).cluster == cluster.name
        if item.change is Change.PRUNE:
            assert item.existing
            assert cluster.covers(item.existing.subject)
    step = [*known]
    for item in items:
        step = after(step, [item], cluster, pruned=False)
        assert len({each.key for each in step}) == len(step) <= MOST
        assert len({each.name.casefold() for each in step}) == len(step)
    again = compare(needed, step, cluster)
    assert {item.change for item in again} <= {Change.NOTHING, Change.PRUNE}
    assert [item.existing for item in again if item.change is Change.PRUNE] == [
        item.existing for item in items if item.change is Change.PRUNE
    ]
    pruned = after(step, again, cluster, pruned=True)
    assert {item.change for item in compare(needed, pruned, cluster)} <= {Change.NOTHING, Change.CREATE}


def read(known: Existing) -> Mark:
    found = read_mark(known.description)
    assert found
    return found
