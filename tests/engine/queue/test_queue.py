"""Topology, publisher and consumer against a real broker."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.engine.brokers import RabbitmqServer

from hcs_operator.api.observed import QueueFigures
from hcs_operator.observe.queue_http import ManagementApi
from hcs_services.queue import Broker, Consumer, Delivery, NotAccepted, Publisher, SessionLost, connect, declare
from hcs_services.queue.message import ATTEMPT_HEADER
from hcs_services.queue.topology import BULK, CRITICAL, DEAD, DEFAULT, PROBE, queues, wait_exchange

pytestmark = pytest.mark.engine


class Inbox:
    """What a consumer got, with a way to wait for the delivery of one body."""

    def __init__(self) -> None:
        self.deliveries: asyncio.Queue[Delivery] = asyncio.Queue()

    async def get(self, body: bytes, seconds: float = 30) -> Delivery:
        async with asyncio.timeout(seconds):
            while True:
                delivery = await self.deliveries.get()
                if delivery.body == body:
                    return delivery
                delivery.ack()


@contextlib.asynccontextmanager
async def consuming(broker: Broker, *names: str, prefetch: int = 10) -> AsyncIterator[tuple[Consumer, Inbox]]:
    inbox = Inbox()
    consumer = Consumer(broker, "test-consumer", names, prefetch, inbox.deliveries.put_nowait)
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer, inbox
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def body() -> bytes:
    return secrets.token_hex(8).encode()


async def test_every_queue_is_a_quorum_queue_and_declaring_again_changes_nothing(
    broker: Broker, rabbitmq_server: RabbitmqServer
) -> None:
    session = await connect(broker, "test-declare")
    await declare(session)
    await declare(session)
    await session.close()
    found = {queue["name"]: queue["type"] for queue in rabbitmq_server.management("/api/queues")}
    assert {queue.name: "quorum" for queue in queues()}.items() <= found.items()


async def test_a_published_message_is_delivered_with_its_headers(publisher: Publisher, broker: Broker) -> None:
    sent = body()
    async with consuming(broker, DEFAULT) as (_, inbox):
        await publisher.publish(DEFAULT, sent, {ATTEMPT_HEADER: 2})
        delivery = await inbox.get(sent)
    assert delivery.headers[ATTEMPT_HEADER] == 2
    assert not delivery.redelivered


async def test_a_message_for_a_queue_that_does_not_exist_is_not_accepted(publisher: Publisher) -> None:
    with pytest.raises(NotAccepted, match="NO_ROUTE"):
        await publisher.publish("hcs.no-such-queue", b"{}", {}, 10)


async def test_a_queues_window_is_changed_while_its_messages_are_held(publisher: Publisher, broker: Broker) -> None:
    sent = {body() for _ in range(12)}
    for each in sent:
        await publisher.publish(BULK, each, {}, 10)
    async with consuming(broker, BULK, prefetch=8) as (consumer, inbox):
        held = [await inbox.deliveries.get() for _ in range(8)]
        await consumer.resize(BULK, 1)
        for delivery in held:
            assert delivery.ack()
        last: list[Delivery] = []
        while len(last) < 4:
            async with asyncio.timeout(30):
                last.append(await inbox.deliveries.get())
            await publisher.publish(PROBE, b"{}", {}, 10)  # a round trip to the broker: what it had to bring is here
            assert inbox.deliveries.empty(), "more than one at a time"
            assert last[-1].ack()
    assert {delivery.body for delivery in [*held, *last]} == sent


async def test_many_publishes_in_flight_are_each_confirmed(publisher: Publisher) -> None:
    await asyncio.gather(*(publisher.publish(PROBE, b"%d" % n, {}, 20) for n in range(500)))


async def test_a_waiting_message_comes_back_to_its_own_queue_after_its_delay(
    publisher: Publisher, broker: Broker
) -> None:
    sent = body()
    async with consuming(broker, BULK, CRITICAL) as (_, inbox):
        await publisher.publish(CRITICAL, b"warm-up", {}, 10)
        started = time.monotonic()
        await publisher.publish(CRITICAL, sent, {ATTEMPT_HEADER: 1}, 10, exchange=wait_exchange(900))
        delivery = await inbox.get(sent)
        assert delivery.queue == CRITICAL
        assert delivery.headers[ATTEMPT_HEADER] == 1
        assert time.monotonic() - started >= 0.9
        # once more in the same queue, as a refund does: no cycle in the broker's eyes
        await publisher.publish(CRITICAL, sent, delivery.headers, 10, exchange=wait_exchange(900))
        assert (await inbox.get(sent)).queue == CRITICAL


async def test_what_was_not_acknowledged_is_delivered_again_to_the_next_consumer(
    publisher: Publisher, broker: Broker
) -> None:
    sent = body()
    await publisher.publish(BULK, sent, {}, 10)
    async with consuming(broker, BULK) as (_, inbox):
        await inbox.get(sent)
    async with consuming(broker, BULK) as (_, inbox):
        again = await inbox.get(sent)
        assert again.redelivered
        assert again.ack()


async def test_a_paused_consumer_gets_nothing_and_a_resumed_one_does(publisher: Publisher, broker: Broker) -> None:
    sent = body()
    async with consuming(broker, BULK) as (consumer, inbox):
        await publisher.publish(BULK, b"first", {}, 10)
        (await inbox.get(b"first")).ack()
        await consumer.pause()
        await publisher.publish(BULK, sent, {}, 10)
        with pytest.raises(TimeoutError):
            await inbox.get(sent, seconds=0.5)
        await consumer.resume()
        assert (await inbox.get(sent)).ack()


async def test_a_message_that_crashes_its_consumer_too_often_ends_in_the_dead_queue(
    publisher: Publisher, broker: Broker
) -> None:
    sent = body()
    await publisher.publish(DEFAULT, sent, {}, 10)
    async with consuming(broker, DEAD) as (_, dead):
        ended = asyncio.create_task(dead.get(sent, 60))
        for _ in range(25):
            session = await connect(broker, "test-crash")
            got = asyncio.get_running_loop().create_future()
            session.channel.basic_consume(DEFAULT, lambda *args, got=got: got.done() or got.set_result(args[3]))
            await asyncio.wait([got, ended], return_when=asyncio.FIRST_COMPLETED)
            await session.close()  # as a crash: delivered, never settled
            if ended.done():
                break
        assert (await ended).ack()


async def test_the_operator_counts_the_dead_letters(
    publisher: Publisher, broker: Broker, rabbitmq_server: RabbitmqServer
) -> None:
    sent = [body() for _ in range(9)]  # more than any other test leaves in figures that are five seconds old
    for letter in sent:
        await publisher.publish(DEAD, letter, {}, 10)
    async with aiohttp.ClientSession() as http:
        asked = ManagementApi(http)

        async def dead() -> int:
            told = await asked.figures(rabbitmq_server.host, rabbitmq_server.password)
            return told.dead if isinstance(told, QueueFigures) else 0

        async with asyncio.timeout(60):  # the broker counts a quorum queue every five seconds
            while True:
                if await dead() >= len(sent):
                    break
                await asyncio.sleep(0.2)
    async with consuming(broker, DEAD) as (_, inbox):
        for letter in sent:
            assert (await inbox.get(letter)).ack()


async def test_a_wrong_password_is_a_lost_session_and_the_right_one_is_read_at_the_next_attempt(
    rabbitmq_server: RabbitmqServer,
) -> None:
    passwords = ["wrong", rabbitmq_server.password]
    broker = Broker(rabbitmq_server.url, lambda: passwords.pop(0))
    with pytest.raises(SessionLost):
        await connect(broker, "test-password")
    session = await connect(broker, "test-password")
    await session.close()
