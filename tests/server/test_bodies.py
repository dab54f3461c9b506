"""Bodies in memory: in pieces, too big, and too many at once."""

import asyncio
from typing import Any

import pytest

from webhook.core.review import without_record
from webhook.server.bodies import ANSWERS, ARRIVING, BUDGET, MAX_BODY, MOST, RESERVED, Bodies, NoRoom, TooBig, cost

KIB = 1024


def receiver(*pieces: bytes, ends: bool = True) -> Any:
    """ASGI's `receive` for a body in these pieces; without `ends` its client then goes away."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if ends:
        messages[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


async def test_small_bodies_have_room_that_big_ones_cannot_take() -> None:
    """A usual pod's review does not wait for room that big bodies hold."""
    bodies = Bodies(budget=2 * 1000 * KIB)
    _, held = await bodies.read(receiver(b"x" * 1000 * KIB))
    with pytest.raises(NoRoom):
        await bodies.read(receiver(b"x" * 65 * KIB))
    assert await bodies.read(receiver(b"x" * 64 * KIB)) == (b"x" * 64 * KIB, 128 * KIB)
    assert await bodies.read(receiver(b"a", b"", b"bc")) == (b"abc", 96)
    bodies.release(held)
    assert await bodies.read(receiver(b"x" * 65 * KIB)) == (b"x" * 65 * KIB, 130 * KIB)


async def test_small_bodies_have_an_end_too() -> None:
    """While they wait for ServiceAccounts, all of them together hold what is reserved and no more."""
    bodies = Bodies(budget=0)
    body = b"[" + b"{}," * 20_000 + b"{}]"
    count = RESERVED // cost(body)
    for _ in range(count):
        await bodies.read(receiver(body))
    with pytest.raises(NoRoom):
        await bodies.read(receiver(body))
    assert 1 <= count < 10


async def test_what_a_body_held_is_given_back() -> None:
    """When it is answered, when it is refused, and when its client goes."""
    bodies = Bodies(budget=2 * MAX_BODY)
    body = b"x" * 1000 * KIB
    for _ in range(10):
        found, held = await bodies.read(receiver(body))
        assert (len(found or b""), held) == (1000 * KIB, 2000 * KIB)
        bodies.release(held)
        assert await bodies.read(receiver(body, ends=False)) == (None, 0)
        with pytest.raises(TooBig):
            await bodies.read(receiver(body, b"x" * MAX_BODY))
    await bodies.read(receiver(b"x" * MAX_BODY))
    with pytest.raises(NoRoom):
        await bodies.read(receiver(body))


@pytest.mark.parametrize(
    "values", [b"[],", b"{},", b'{"":0},', b'["a"],', b'"\xc3\xa9",', b"[[0]],", b'{"123456":"12"},']
)
async def test_a_body_of_costly_values_is_refused_before_it_is_parsed(values: bytes) -> None:
    """Empty lists take 24 times their text."""
    body = b"[" + values * (6 * 1024 * KIB // len(values)) + b"0]"
    with pytest.raises(TooBig):
        await Bodies().read(receiver(body))


def largest(number: int = 60_000) -> bytes:
    """A pod of so many variables, of which kube-apiserver records who set which."""
    variables = b",".join(b'{"name":"E%x","value":"x"}' % each for each in range(number))
    record = rb'"k:{\"name\":\"E%x\"}":{".":{},"f:name":{},"f:value":{}}'
    records = b",".join(record % each for each in range(number))
    return b'{"name":"p","managedFields":[{' + records + b'}]},"spec":{"containers":[{"env":[' + variables + b"]}]}}"


async def test_the_largest_pod_that_the_cluster_takes_fits() -> None:
    """60,000 variables were the most that a real cluster took; the record is not even charged."""
    body, held = await Bodies(lean=without_record).read(receiver(largest()))
    assert body == without_record(largest())
    assert held < MOST < cost(largest())


async def test_what_is_not_needed_of_a_large_body_is_left_out() -> None:
    """Before it is charged, whether it comes whole or in pieces. Of a small one it is not worth the search."""
    lean = Bodies(lean=lambda body: body[:9000]).read
    large, small = b"x" * 65 * KIB, b"x" * 64 * KIB
    for pieces in ([large], [large[:-1], b"x"]):
        body, held = await lean(receiver(*pieces))
        assert (len(body or b""), held) == (9000, 18_000)
    assert (await lean(receiver(small)))[0] == small


async def test_what_one_body_may_cost_is_bounded_for_the_time_it_takes() -> None:
    """To the byte, even if all together may hold more."""
    number = (MOST - 2 * MAX_BODY) // 160
    body = (b"{" * number).ljust(MAX_BODY - 1, b"x")
    assert (await Bodies().read(receiver(body)))[1] == MOST - (MOST - 2 * MAX_BODY) % 160 - 2
    with pytest.raises(TooBig):
        await Bodies().read(receiver(body.replace(b"x", b"{", 1)))


async def test_bodies_in_pieces_are_looked_at_one_in_a_turn() -> None:
    """Five of 7 MiB whose last bytes come together would hold the loop for 50 ms."""
    looked: list[int] = []
    turn = 0

    def look(body: bytes | bytearray) -> bytes | bytearray:
        looked.append(turn)
        return body

    bodies = Bodies(lean=look)
    tasks = [asyncio.create_task(bodies.read(receiver(b"x" * 65 * KIB, b"x"))) for _ in range(5)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        turn += 1
    assert len(set(looked)) == 5


async def test_a_body_that_waits_to_be_looked_at_still_makes_room() -> None:
    """It is charged as if it still arrived."""
    bodies = Bodies(budget=400 * KIB)
    first = asyncio.create_task(bodies.read(receiver(b"x" * 150 * KIB, b"x")))
    await asyncio.sleep(0)
    second = asyncio.create_task(bodies.read(receiver(b"x" * 65 * KIB, b"x" * 90 * KIB)))
    results = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(each) for each in results] == [tuple, NoRoom]


def test_many_members_of_one_object_cost_more_than_those_of_many() -> None:
    """Half a million labels take 150 ms to parse; a pod has three members in an object, and kube-apiserver's limits."""
    labels = b"{" + b",".join(b'"%x":""' % number for number in range(500_000)) + b"}"
    assert cost(labels) > MOST
    few = b"[" + b",".join(b'{"%x":"","b":{}}' % number for number in range(250_000)) + b"]"
    assert cost(few) - len(few) * 2 < 250_000 * (2 * 160 + 2 * 80 + 2 * 64) + 1000


async def test_the_largest_body_that_is_not_complete_makes_room() -> None:
    """For a whole body, the oldest of equals; when the rest of it comes, it is refused."""
    bodies = Bodies(budget=4000 * KIB)
    slow: list[asyncio.Queue[dict[str, Any]]] = [asyncio.Queue() for _ in range(3)]
    readers = [asyncio.create_task(bodies.read(queue.get)) for queue in slow]
    for queue in slow:
        queue.put_nowait({"type": "http.request", "body": b"x" * 1000 * KIB, "more_body": True})
    await asyncio.sleep(0)
    _, held = await bodies.read(receiver(b"y" * 900 * KIB))
    assert held == 1800 * KIB
    bodies.release(held)
    for queue in slow:
        queue.put_nowait({"type": "http.request", "body": b"x", "more_body": False})
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert isinstance(results[0], NoRoom)
    assert [len(result[0] or b"") for result in results[1:] if isinstance(result, tuple)] == [1000 * KIB + 1]


async def test_many_bodies_that_never_end_do_not_take_the_room_of_one_that_just_arrives() -> None:
    """They are smaller, but have held what they have for a second: if room is needed, one of them is given up."""
    now = 0.0
    bodies = Bodies(clock=lambda: now)
    slow: list[asyncio.Queue[dict[str, Any]]] = [asyncio.Queue() for _ in range(400)]
    readers = [asyncio.create_task(bodies.read(queue.get)) for queue in slow]
    for queue in slow:
        queue.put_nowait({"type": "http.request", "body": b"x" * 100 * KIB, "more_body": True})
    await asyncio.sleep(0)
    now = 1.0
    body, _ = await bodies.read(receiver(*[b"y" * 100 * KIB] * 15))
    assert len(body or b"") == 1500 * KIB
    for queue in slow:
        queue.put_nowait({"type": "http.request", "body": b"x", "more_body": True})
    await asyncio.sleep(0)
    given_up = [reader for reader in readers if reader.done()]
    assert 1 <= len(given_up) <= 15
    assert all(isinstance(reader.exception(), NoRoom) for reader in given_up)
    for reader in readers:
        reader.cancel()


async def test_bodies_that_are_not_complete_share_a_part_of_the_budget() -> None:
    """So that with what connections hold, the process stays far below its limit."""
    bodies = Bodies()
    slow: list[asyncio.Queue[dict[str, Any]]] = [asyncio.Queue() for _ in range(ARRIVING // MAX_BODY + 1)]
    readers = [asyncio.create_task(bodies.read(queue.get)) for queue in slow]
    for queue in slow:
        queue.put_nowait({"type": "http.request", "body": b"x" * (MAX_BODY - 1), "more_body": True})
    await asyncio.sleep(0)
    for queue in slow:
        queue.put_nowait({"type": "http.request", "body": b"x", "more_body": False})
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert [isinstance(result, NoRoom) for result in results] == [True] + [False] * (len(slow) - 1)


async def test_bodies_that_are_not_complete_may_hold_40_mib() -> None:
    """To the byte; one more, and one of them is given up."""
    bodies = Bodies()
    sizes = [MAX_BODY] * 5 + [ARRIVING - 5 * MAX_BODY]
    slow: list[asyncio.Queue[dict[str, Any]]] = [asyncio.Queue() for _ in sizes]
    readers = [asyncio.create_task(bodies.read(queue.get)) for queue in slow]
    for queue, size in zip(slow, sizes, strict=True):
        queue.put_nowait({"type": "http.request", "body": b"x" * size, "more_body": True})
    await asyncio.sleep(0)
    slow[-1].put_nowait({"type": "http.request", "body": b"", "more_body": True})
    slow[0].put_nowait({"type": "http.request", "body": b"", "more_body": True})
    await asyncio.sleep(0)
    assert not any(reader.done() for reader in readers)
    slow[-1].put_nowait({"type": "http.request", "body": b"x", "more_body": True})
    await asyncio.sleep(0)
    slow[0].put_nowait({"type": "http.request", "body": b"", "more_body": True})
    await asyncio.sleep(0)
    assert [reader.done() for reader in readers] == [True] + [False] * 5
    assert isinstance(readers[0].exception(), NoRoom)
    for reader in readers:
        reader.cancel()


async def test_a_large_body_that_goes_on_arriving_does_not_take_the_room_of_a_small_one() -> None:
    """The largest makes room, even if a smaller one came before it: here for itself, so it is refused."""
    bodies = Bodies(budget=2000 * KIB)
    small: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    large: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    first = asyncio.create_task(bodies.read(small.get))
    small.put_nowait({"type": "http.request", "body": b"x" * 100 * KIB, "more_body": True})
    await asyncio.sleep(0)
    second = asyncio.create_task(bodies.read(large.get))
    for _ in range(25):
        large.put_nowait({"type": "http.request", "body": b"y" * 100 * KIB, "more_body": True})
    with pytest.raises(NoRoom):
        await second
    small.put_nowait({"type": "http.request", "body": b"x", "more_body": False})
    body, held = await first
    assert (len(body or b""), held) == (100 * KIB + 1, 2 * (100 * KIB + 1))


def test_answers_share_a_part_of_the_budget() -> None:
    """Small ones are not counted; what is given back can be held again."""
    bodies = Bodies()
    assert bodies.hold_answer(64 * KIB) == 0
    held = bodies.hold_answer(ANSWERS)
    with pytest.raises(NoRoom):
        bodies.hold_answer(65 * KIB)
    bodies.release_answer(held)
    assert bodies.hold_answer(65 * KIB) == 65 * KIB


def test_the_sizes_are_those_of_the_documents() -> None:
    """The chart's limit of memory is made for them."""
    sizes = [size / (1024 * KIB) for size in (MAX_BODY, MOST, BUDGET, RESERVED, ARRIVING, ANSWERS)]
    assert sizes == [7, 44, 76, 12, 40, 24]


@pytest.mark.parametrize(
    ("body", "charged"),
    [
        (b"{" * 8192, 32 * 8192),
        (b"x" * 8193, 2 * 8193),
        (b"\\n" * 5000, 2 * 10_000),
        (b"\\u00e9" * 2000, 5 * 12_000),
        ("ä".encode() * 5000, 5 * 10_000),
        ("ä\\n".encode() * 5000, 5 * 20_000),
        (b"x" * 9000 + b"{" * 10, 2 * 9010 + 160 * 10),
        (b"x" * 9000 + b"[" * 10, 2 * 9010 + 136 * 10),
        (b"x" * 9000 + b"," * 10, 2 * 9010 + 80 * 10),
        (b"x" * 9000 + b"{{{:::::", 2 * 9008 + 160 * 3 + 64 * 5),
        (b"x" * 9000 + b"{{{::::::", 2 * 9009 + 160 * 3 + 64 * 6 + 210),
        (b"x" * 9000 + b"{{{:::::::", 2 * 9010 + 160 * 3 + 64 * 7 + 420),
    ],
    ids=[
        "tiny",
        "plain",
        "an escape",
        "u",
        "not ASCII",
        "neither",
        "objects",
        "lists",
        "commas",
        "five",
        "six",
        "seven",
    ],
)
def test_a_body_costs_its_text_and_its_values(body: bytes, charged: int) -> None:
    """Text beyond ASCII takes four bytes for each character, escapes too; up to 8 KiB the worst is charged."""
    assert cost(body) == charged


async def test_a_body_of_7_mib_is_read_and_one_byte_more_is_not() -> None:
    """In pieces, whose sum counts."""
    half = b"x" * (MAX_BODY // 2)
    body, _ = await Bodies().read(receiver(half, half))
    assert len(body or b"") == MAX_BODY
    with pytest.raises(TooBig):
        await Bodies().read(receiver(half, half, b"x"))


async def test_a_body_may_have_20_000_pieces() -> None:
    """An honest one of 7 MiB comes in 5,000."""
    body, _ = await Bodies().read(receiver(*[b"x"] * 20_000))
    assert len(body or b"") == 20_000
    with pytest.raises(TooBig):
        await Bodies().read(receiver(*[b"x"] * 20_001))


async def test_a_client_that_goes_before_its_first_byte_has_no_body() -> None:
    """And holds nothing."""
    assert await Bodies(budget=0).read(gone) == (None, 0)


async def gone() -> dict[str, Any]:
    """ASGI's `receive` after the client has gone."""
    return {"type": "http.disconnect"}


async def test_a_piece_alone_of_an_unfinished_body_is_not_the_body() -> None:
    """It is if no more follows."""
    assert await Bodies().read(receiver(b"ab", ends=False)) == (None, 0)
    assert await Bodies().read(receiver(b"ab")) == (b"ab", 64)


async def test_what_is_reserved_is_for_bodies_of_up_to_64_kib() -> None:
    """One byte more, and it is a big body."""
    assert (await Bodies(budget=0).read(receiver(b"x" * 64 * KIB)))[1] == 128 * KIB
    with pytest.raises(TooBig):
        await Bodies(budget=0).read(receiver(b"x" * (64 * KIB + 1)))


async def test_nobody_is_given_up_for_a_body_that_has_no_room_alone() -> None:
    """Without another one that arrives there is nothing to take."""
    bodies = Bodies(budget=200 * KIB)
    bodies.hold_answer(199 * KIB)
    with pytest.raises(NoRoom):
        await bodies.read(receiver(b"x" * 100 * KIB, b"x"))
    bodies.release_answer(199 * KIB)
    await bodies.read(receiver(b"x" * 50 * KIB, b"x" * 50 * KIB))


def test_an_answer_of_64_kib_is_not_charged() -> None:
    """The kernel takes as much. One byte more is charged whole."""
    bodies = Bodies()
    assert (bodies.hold_answer(64 * KIB), bodies.hold_answer(64 * KIB + 1)) == (0, 64 * KIB + 1)
