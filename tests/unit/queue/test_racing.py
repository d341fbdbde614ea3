"""Of a broker's nodes the one that answers first is taken, and nothing else stays open."""

import asyncio
from collections.abc import Callable

import pytest

from hcs_services.queue.racing import first_open

pytestmark = pytest.mark.unit


class Opened:
    """A connection that remembers whether it was closed."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.closed = False

    async def close(self) -> None:
        self.closed = True


class Nodes:
    """Nodes that answer, refuse, or say nothing."""

    def __init__(self, **how: str) -> None:
        self.how = how
        self.asked: list[str] = []
        self.opened: list[Opened] = []
        self.given_up: list[str] = []
        self.all_asked = asyncio.Event()

    async def open_at(self, address: str) -> Opened:
        self.asked.append(address)
        if len(self.asked) == len(self.how):
            self.all_asked.set()
        if self.how[address] == "refuses":
            raise ConnectionRefusedError(address)
        if self.how[address] == "is silent":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.given_up.append(address)
                raise
        self.opened.append(Opened(address))
        return self.opened[-1]

    async def first(self, head_start: float = 60.0, order: Callable[[list[str]], None] = lambda _: None) -> Opened:
        return await first_open(list(self.how), self.open_at, head_start=head_start, shuffle=order)


async def test_one_that_answers_is_the_only_one_asked() -> None:
    nodes = Nodes(a="answers", b="answers")
    assert (await nodes.first()).address == "a"
    assert nodes.asked == ["a"]


async def test_after_a_refusal_the_next_one_is_asked_at_once() -> None:
    assert (await Nodes(a="refuses", b="refuses", c="answers").first()).address == "c"


async def test_a_silent_one_is_given_up_once_another_has_answered() -> None:
    nodes = Nodes(a="is silent", b="answers")
    found = await nodes.first(head_start=0.01)
    assert (found.address, found.closed, nodes.given_up) == ("b", False, ["a"])


async def test_what_opens_beside_the_first_one_is_closed() -> None:
    gate = asyncio.Event()
    opened: list[Opened] = []

    async def open_at(address: str) -> Opened:
        if len(opened) == 0 and address == "b":
            gate.set()
        await gate.wait()
        opened.append(Opened(address))
        return opened[-1]

    found = await first_open(["a", "b"], open_at, head_start=0.01, shuffle=lambda _: None)
    assert {other.closed for other in opened if other is not found} <= {True}
    assert not found.closed


async def test_if_all_fail_the_last_failure_is_told() -> None:
    with pytest.raises(ConnectionRefusedError, match="b"):
        await Nodes(a="refuses", b="refuses").first()


async def test_each_client_has_an_order_of_its_own() -> None:
    assert (await Nodes(a="answers", b="answers").first(order=lambda found: found.reverse())).address == "b"


async def test_a_caller_that_goes_leaves_no_attempt_behind() -> None:
    nodes = Nodes(a="is silent", b="is silent")
    caller = asyncio.create_task(nodes.first(head_start=0.01))
    await nodes.all_asked.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert sorted(nodes.given_up) == ["a", "b"]
