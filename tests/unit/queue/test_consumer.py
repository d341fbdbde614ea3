"""Consuming: settling, pausing, reconnecting, and noticing silence."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

import pytest
from tests.unit.queue.broker import PlayedBroker

from hcs_services.queue.consumer import Consumer, ConsumerStuck, Delivery, StuckCheck
from hcs_services.queue.session import Broker, SessionLost

pytestmark = pytest.mark.unit

QUEUES = ("hcs.critical", "hcs.default")


class Running:
    def __init__(self, every: float = 10.0, stuck_after: float = 30.0) -> None:
        self.broker = PlayedBroker()
        self.deliveries: list[Delivery] = []
        self.consumer = Consumer(
            Broker("amqp://nowhere", lambda: ""),
            "test",
            QUEUES,
            2,
            self.deliveries.append,
            open_session=self.broker.open,
            stuck_check=StuckCheck(every, stuck_after),
        )

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.consumer.run())
        await self.until(lambda: self.broker.sessions and len(self.broker.channel.consumers) == 2)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConsumerStuck):
            await self.task

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - a played broker has no event to wait on
                await asyncio.sleep(0.01)


async def test_a_delivery_is_handed_over_and_acknowledged_once_settled() -> None:
    async with Running() as running:
        running.broker.channel.deliver("hcs.critical", 7, b"body", {"task-attempt": 1})
        (delivery,) = running.deliveries
        assert (delivery.queue, delivery.body, delivery.headers) == ("hcs.critical", b"body", {"task-attempt": 1})
        assert delivery.ack()
        assert running.broker.channel.settled == [("ack", 7)]


async def test_a_delivery_can_be_given_back() -> None:
    async with Running() as running:
        running.broker.channel.deliver("hcs.default", 3)
        assert running.deliveries[0].requeue()
        assert running.broker.channel.settled == [("requeue", 3)]


async def test_settling_a_delivery_of_a_lost_connection_does_nothing() -> None:
    async with Running() as running:
        running.broker.channel.deliver("hcs.default", 3)
        running.broker.sessions[0].hang_up()
        await running.until(lambda: len(running.broker.sessions) == 2 and running.broker.channel.consumers)
        assert not running.deliveries[0].ack()
        assert running.broker.channel.settled == []


async def test_a_pause_cancels_every_consumer_and_resume_brings_them_back() -> None:
    async with Running() as running:
        await running.consumer.pause()
        assert running.broker.channel.consumers == {}
        await running.consumer.resume()
        assert set(running.broker.channel.consumers) == set(QUEUES)


async def test_a_queues_window_is_changed_alone_and_stays_so_over_a_reconnect() -> None:
    async with Running() as running:
        running.broker.channel.deliver("hcs.default", 3)
        await running.consumer.resize("hcs.default", 5)
        assert set(running.broker.channel.consumers) == set(QUEUES)
        assert running.broker.channel.windows == {"hcs.critical": 2, "hcs.default": 5}
        assert running.deliveries[0].ack()
        running.broker.sessions[0].hang_up()
        await running.until(lambda: len(running.broker.sessions) == 2 and len(running.broker.channel.consumers) == 2)
        assert running.broker.channel.windows == {"hcs.critical": 2, "hcs.default": 5}


async def test_a_broker_that_does_not_answer_a_changed_window_is_connected_to_anew() -> None:
    def late(*_: object, **__: object) -> None:
        raise SessionLost("the broker did not answer")

    async with Running() as running:
        running.broker.channel.basic_cancel = late  # type: ignore[method-assign]
        await running.consumer.resize("hcs.default", 5)
        await running.until(lambda: len(running.broker.sessions) == 2 and len(running.broker.channel.consumers) == 2)
        assert running.broker.channel.windows == {"hcs.critical": 2, "hcs.default": 5}


async def test_a_window_that_is_changed_in_a_pause_begins_no_consumer() -> None:
    async with Running() as running:
        await running.consumer.pause()
        await running.consumer.resize("hcs.default", 5)
        assert running.broker.channel.consumers == {}
        await running.consumer.resume()
        assert running.broker.channel.windows == {"hcs.critical": 2, "hcs.default": 5}


async def test_a_paused_consumer_stays_paused_over_a_reconnect() -> None:
    async with Running() as running:
        await running.consumer.pause()
        running.broker.sessions[0].hang_up()
        await running.until(lambda: len(running.broker.sessions) == 2 and running.consumer.connected)
        assert running.broker.channel.consumers == {}


async def test_a_consumer_that_the_broker_cancels_starts_over() -> None:
    async with Running() as running:
        running.broker.channel.on_cancel(None)
        assert running.broker.channel.closed_by_client


async def test_ready_messages_without_a_delivery_end_the_consumer() -> None:
    async with Running(every=0.01, stuck_after=0.05) as running:
        running.broker.channel.ready["hcs.default"] = 3
        with pytest.raises(ConsumerStuck, match=r"hcs\.default has 3 messages"):
            async with asyncio.timeout(5):
                await running.task


async def test_a_full_prefetch_window_is_not_stuck() -> None:
    async with Running(every=0.01, stuck_after=0.05) as running:
        running.broker.channel.ready["hcs.default"] = 3
        running.broker.channel.deliver("hcs.default", 1)
        running.broker.channel.deliver("hcs.default", 2)
        done, _ = await asyncio.wait([running.task], timeout=0.3)
        assert not done


async def test_an_empty_queue_is_not_stuck() -> None:
    async with Running(every=0.01, stuck_after=0.02) as running:
        done, _ = await asyncio.wait([running.task], timeout=0.2)
        assert not done
