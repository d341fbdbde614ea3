"""Publishing is done when the broker says so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.unit.queue.broker import PlayedBroker

from hcs_services.queue.publisher import NotAccepted, Publisher, SilenceCheck
from hcs_services.queue.session import Broker

pytestmark = pytest.mark.unit

NOWHERE = Broker("amqp://nowhere", lambda: "")


@contextlib.asynccontextmanager
async def running(silence_check: SilenceCheck | None = None) -> AsyncIterator[tuple[Publisher, PlayedBroker]]:
    broker = PlayedBroker()
    publisher = Publisher(NOWHERE, "test", open_session=broker.open, silence_check=silence_check)
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher, broker
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def published(
    publisher: Publisher, broker: PlayedBroker, count: int, patience: float = 5.0
) -> list[asyncio.Task[None]]:
    """`count` publishes in flight, all on the wire."""
    tasks = [asyncio.create_task(publisher.publish("hcs.default", b"%d" % n, {}, patience)) for n in range(count)]
    async with asyncio.timeout(5):
        while not (broker.sessions and len(broker.channel.published) == count):  # noqa: ASYNC110 - a played broker has no event to wait on
            await asyncio.sleep(0)
    return tasks


async def confirmed_on_the_next(publisher: Publisher, broker: PlayedBroker) -> None:
    """A publish that goes out on a second connection and is confirmed there."""
    again = asyncio.create_task(publisher.publish("hcs.default", b"again"))
    async with asyncio.timeout(5):
        while len(broker.sessions) < 2 or not broker.channel.published:  # noqa: ASYNC110 - a played broker has no event to wait on
            await asyncio.sleep(0.01)
    broker.channel.confirm(1)
    await again


async def test_a_publish_returns_only_after_its_own_confirm() -> None:
    async with running() as (publisher, broker):
        first, second = await published(publisher, broker, 2)
        broker.channel.confirm(2)
        await second
        assert not first.done()
        broker.channel.confirm(1)
        await first


async def test_one_confirm_can_settle_all_up_to_its_tag() -> None:
    async with running() as (publisher, broker):
        tasks = await published(publisher, broker, 3)
        broker.channel.confirm(2, multiple=True)
        await asyncio.gather(*tasks[:2])
        assert not tasks[2].done()
        broker.channel.confirm(3)
        await tasks[2]


async def test_a_message_that_no_queue_takes_is_not_accepted_though_the_broker_confirms_it() -> None:
    async with running() as (publisher, broker):
        (task,) = await published(publisher, broker, 1)
        broker.channel.send_back(0)
        broker.channel.confirm(1)
        with pytest.raises(NotAccepted, match="NO_ROUTE"):
            await task


async def test_a_refused_message_is_not_accepted() -> None:
    async with running() as (publisher, broker):
        (task,) = await published(publisher, broker, 1)
        broker.channel.confirm(1, name="Basic.Nack")
        with pytest.raises(NotAccepted, match="refused"):
            await task


async def test_a_confirm_that_does_not_come_in_time_is_not_accepted() -> None:
    async with running() as (publisher, broker):
        (task,) = await published(publisher, broker, 1, patience=0.01)
        with pytest.raises(NotAccepted, match="no confirm"):
            await task


async def test_a_lost_connection_fails_what_is_in_flight_and_the_next_one_works() -> None:
    async with running() as (publisher, broker):
        (task,) = await published(publisher, broker, 1)
        broker.sessions[0].hang_up()
        with pytest.raises(NotAccepted, match="lost"):
            await task
        await confirmed_on_the_next(publisher, broker)


class Clock:
    """Seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_channel_whose_publishes_are_never_confirmed_is_replaced() -> None:
    clock = Clock()
    async with running(SilenceCheck(0.001, 5.0, clock)) as (publisher, broker):
        (task,) = await published(publisher, broker, 1)
        clock.now += 5.1
        with pytest.raises(NotAccepted, match="lost before the confirm"):
            await task
        await confirmed_on_the_next(publisher, broker)


async def test_a_queue_that_confirms_does_not_hide_one_that_is_silent() -> None:
    clock = Clock()
    async with running(SilenceCheck(0.001, 5.0, clock)) as (publisher, broker):
        (silent,) = await published(publisher, broker, 1)
        clock.now += 3
        other = asyncio.create_task(publisher.publish("hcs.bulk", b""))
        await asyncio.sleep(0.01)
        broker.channel.confirm(2)
        await other
        clock.now += 2.1
        with pytest.raises(NotAccepted, match="lost before the confirm"):
            await silent


async def test_a_confirm_of_what_was_given_up_keeps_the_channel() -> None:
    clock = Clock()
    async with running(SilenceCheck(0.001, 5.0, clock)) as (publisher, broker):
        (task,) = await published(publisher, broker, 1, patience=0.05)
        with pytest.raises(NotAccepted, match="no confirm within"):
            await task
        clock.now += 4
        broker.channel.confirm(1)
        clock.now += 4
        await asyncio.sleep(0.02)
        assert publisher.connected


@pytest.mark.parametrize("why", ["confirmed", "idle", "alarm"])
async def test_a_channel_is_kept_while_it_confirms_is_not_used_or_is_under_an_alarm(why: str) -> None:
    clock = Clock()
    async with running(SilenceCheck(0.001, 5.0, clock)) as (publisher, broker):
        tasks = await published(publisher, broker, 2)
        clock.now += 3
        if why == "alarm":
            broker.sessions[0].blocked = True
        else:
            broker.channel.confirm(1)
        if why == "idle":
            broker.channel.confirm(2)
        await asyncio.sleep(0.01)
        clock.now += 4
        await asyncio.sleep(0.02)
        assert len(broker.sessions) == 1
        broker.channel.confirm(2, multiple=True)
        await asyncio.gather(*tasks)


async def test_a_broker_under_alarm_is_not_asked() -> None:
    async with running() as (publisher, broker):
        (task,) = await published(publisher, broker, 1)
        broker.channel.confirm(1)
        await task
        broker.sessions[0].blocked = True
        with pytest.raises(NotAccepted, match="alarm"):
            await publisher.publish("hcs.default", b"more")
        assert len(broker.channel.published) == 1


async def test_without_a_connection_a_publish_gives_up_at_its_time_out() -> None:
    publisher = Publisher(NOWHERE, "test")
    with pytest.raises(NotAccepted, match="no connection"):
        await publisher.publish("hcs.default", b"", {}, 0.01)


async def test_messages_are_persistent() -> None:
    async with running() as (publisher, broker):
        (task,) = await published(publisher, broker, 1)
        assert broker.channel.published[0][3].delivery_mode == 2
        broker.channel.confirm(1)
        await task
