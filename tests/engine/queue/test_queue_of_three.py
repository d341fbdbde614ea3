"""A queue of three loses nothing that it confirmed: killed, cut off, rolled, its volume lost.

The tests share the brokers and leave them as they found them, all three up and holding every queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from tests.engine.conftest import EngineImages
from tests.engine.containers import Engines, until
from tests.engine.queue.three_brokers import ThreeBrokers

from hcs_services.queue import Broker, Consumer, Delivery, NotAccepted, Publisher, connect, declare
from hcs_services.queue.session import HEARTBEAT_SECONDS
from hcs_services.queue.topology import CLASS_QUEUES, DEFAULT

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def brokers(engines: Engines, engine_images: EngineImages) -> ThreeBrokers:
    """Three brokers that were started for the first time, the first one last."""
    brokers = ThreeBrokers(engines, engine_images.rabbitmq)
    for ordinal in (2, 1, 0):
        brokers.make(ordinal, f"data-{ordinal}").start()
    brokers.until_up()
    asyncio.run(_declare(brokers.broker))
    brokers.until_held(0)
    return brokers


async def _declare(broker: Broker) -> None:
    session = await connect(broker, "test-fixture")
    await declare(session)
    await session.close()


@dataclass
class Ledger:
    """What was sent and confirmed, and what had an effect: like the services' inbox, it takes each task once."""

    queue: str = DEFAULT
    sent: set[bytes] = field(default_factory=set)
    confirmed: dict[bytes, float] = field(default_factory=dict)
    effects: set[bytes] = field(default_factory=set)

    async def publish(self, publisher: Publisher) -> None:
        """Publishes a hundred a second, each to be confirmed, until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                body = secrets.token_hex(8).encode()
                self.sent.add(body)
                group.create_task(self._one(publisher, body))
                await asyncio.sleep(0.01)

    async def _one(self, publisher: Publisher, body: bytes) -> None:
        with contextlib.suppress(NotAccepted):
            await publisher.publish(self.queue, body, {}, 10)
            self.confirmed[body] = time.monotonic()

    def take(self, delivery: Delivery) -> None:
        """Has a task's effect, unless it is another ledger's that was never confirmed, and acknowledges it."""
        if delivery.body in self.sent:
            self.effects.add(delivery.body)
        delivery.ack()

    async def until(self, what: str, more: int) -> None:
        """Waits for so many more confirms."""
        wanted = len(self.confirmed) + more
        await asyncio.to_thread(until, what, lambda: len(self.confirmed) >= wanted, 60)
        print(f"  {what}: {len(self.confirmed)} of {len(self.sent)} confirmed")

    async def until_balanced(self) -> None:
        """Waits until all that was confirmed has had its effect."""
        await asyncio.to_thread(until, "each had its effect", lambda: self.confirmed.keys() <= self.effects, 60)
        print(f"  {len(self.confirmed)} confirmed, lost 0; longest gap between confirms {self.longest_gap:.2f} s")

    @property
    def longest_gap(self) -> float:
        """The longest time between two confirms, in seconds."""
        return max(later - earlier for earlier, later in itertools.pairwise(sorted(self.confirmed.values())))


@contextlib.asynccontextmanager
async def publishing(broker: Broker, ledger: Ledger) -> AsyncIterator[None]:
    publisher = Publisher(broker, "test-publisher")
    connection = asyncio.create_task(publisher.run())
    load = asyncio.create_task(ledger.publish(publisher))
    try:
        yield
    finally:
        await _ended(load)
        await _ended(connection)


@contextlib.asynccontextmanager
async def consuming(broker: Broker, ledger: Ledger) -> AsyncIterator[None]:
    consumer = asyncio.create_task(Consumer(broker, "test-consumer", [ledger.queue], 50, ledger.take).run())
    try:
        yield
    finally:
        await _ended(consumer)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _kill_all(brokers: ThreeBrokers) -> None:
    async with asyncio.TaskGroup() as group:
        for container in brokers.containers.values():
            group.create_task(asyncio.to_thread(container.kill))


@contextlib.asynccontextmanager
async def under_load(broker: Broker, ledger: Ledger) -> AsyncIterator[None]:
    """Publishes and consumes meanwhile; at the end nothing confirmed is lost."""
    async with publishing(broker, ledger), consuming(broker, ledger):
        await ledger.until("before", 200)
        yield
        await ledger.until("after", 200)
    async with consuming(broker, ledger):
        await ledger.until_balanced()


@contextlib.asynccontextmanager
async def cut_off(engines: Engines, brokers: ThreeBrokers, ordinal: int) -> AsyncIterator[None]:
    """One broker meanwhile without a network; it is whole again afterwards."""
    await asyncio.to_thread(brokers.containers[ordinal].cut_off, engines.network)
    try:
        yield
    finally:
        await asyncio.to_thread(brokers.containers[ordinal].put_back, engines.network, brokers.aliases(ordinal))
    await asyncio.to_thread(_whole, brokers, ordinal)


def _whole(brokers: ThreeBrokers, asked: int = 0) -> None:
    brokers.until_up()
    brokers.until_held(asked)


async def test_nothing_confirmed_is_lost_when_the_leader_is_killed_and_comes_back(brokers: ThreeBrokers) -> None:
    ledger = Ledger()
    async with under_load(brokers.broker, ledger):
        leader = await asyncio.to_thread(brokers.leader, DEFAULT)
        await asyncio.to_thread(brokers.containers[leader].kill)
        await ledger.until(f"without broker {leader}", 300)
        await asyncio.to_thread(brokers.containers[leader].start)
        await asyncio.to_thread(_whole, brokers, leader)


async def test_a_broker_that_is_gone_without_a_word_is_left_before_its_heartbeats_are_missed(
    engines: Engines, brokers: ThreeBrokers
) -> None:
    ledger = Ledger()
    async with under_load(brokers.broker, ledger):
        gone = await asyncio.to_thread(brokers.until_serving, "test-publisher")
        async with cut_off(engines, brokers, gone):
            await ledger.until(f"without broker {gone}", 300)
    assert ledger.longest_gap < 2 * HEARTBEAT_SECONDS


async def test_a_publisher_that_connects_while_the_leader_is_cut_off_is_heard_by_the_next_leader(
    engines: Engines, brokers: ThreeBrokers
) -> None:
    leaders = {queue: await asyncio.to_thread(brokers.leader, queue) for queue in CLASS_QUEUES}
    # Without the first broker nobody connects before there is a new leader.
    queue, leader = max(leaders.items(), key=lambda item: item[1] > 0)
    async with cut_off(engines, brokers, leader), under_load(brokers.broker, Ledger(queue)):
        pass


async def test_nothing_confirmed_is_lost_in_a_roll_of_all_three(brokers: ThreeBrokers) -> None:
    ledger = Ledger()
    async with under_load(brokers.broker, ledger):
        for ordinal in (2, 1, 0):
            await asyncio.to_thread(brokers.before_stop, ordinal)
            await asyncio.to_thread(brokers.containers[ordinal].stop)
            await asyncio.to_thread(brokers.containers[ordinal].start)
            await asyncio.to_thread(brokers.until_up)
    await asyncio.to_thread(_whole, brokers)


async def test_two_that_come_back_do_not_wait_for_the_one_that_was_killed_last(brokers: ThreeBrokers) -> None:
    ledger = Ledger()
    async with publishing(brokers.broker, ledger):
        await ledger.until("before", 100)
        for ordinal in (2, 0, 1):
            await asyncio.to_thread(brokers.containers[ordinal].kill)
    for ordinal in (2, 0):
        await asyncio.to_thread(brokers.containers[ordinal].start)
    async with consuming(brokers.broker, ledger):
        await ledger.until_balanced()
    await asyncio.to_thread(brokers.containers[1].start)
    await asyncio.to_thread(_whole, brokers)


def test_a_broker_that_lost_its_volume_holds_every_queue_again_and_before_that_none_may_stop(
    brokers: ThreeBrokers,
) -> None:
    brokers.containers[0].kill()
    brokers.until_held(1, nodes=2)
    assert not _may_stop(brokers, 1), "another one is down"
    brokers.make(0, "data-0-new", formed=True).start()
    _whole(brokers, 1)
    forgotten = "removing member (replica) on node 'rabbit@three-queue-0."
    assert forgotten in brokers.containers[1].logs(5000), "it voted in queues without what it had voted for before"
    assert _may_stop(brokers, 1)


def _may_stop(brokers: ThreeBrokers, ordinal: int) -> bool:
    """Whether a broker that is to stop goes on before its time is over."""
    began = time.monotonic()
    brokers.before_stop(ordinal)
    return time.monotonic() - began < 25


async def test_nothing_confirmed_is_lost_when_all_are_killed_and_one_without_data_waits_for_a_majority_to_forget_it(
    brokers: ThreeBrokers,
) -> None:
    ledger = Ledger()
    async with publishing(brokers.broker, ledger):
        await ledger.until("before", 200)
        await _kill_all(brokers)
    empty = brokers.make(2, "data-2-new", formed=True)
    empty.start()
    await asyncio.to_thread(brokers.containers[0].start)
    await asyncio.to_thread(until, "it waits", lambda: empty.logs().count("waits until another broker") >= 2, 180)
    await asyncio.to_thread(brokers.containers[1].start)
    async with consuming(brokers.broker, ledger):
        await ledger.until_balanced()
    await asyncio.to_thread(_whole, brokers)


def test_a_broker_whose_cookie_is_no_longer_that_of_the_secret_is_restarted(brokers: ThreeBrokers) -> None:
    cookie = "/etc/hcs/queue/erlang-cookie"
    assert brokers.probe(2, "livenessProbe").code == 0
    brokers.containers[2].put({cookie: "ANOTHERCOOKIE"}, owner=999)
    assert brokers.probe(2, "livenessProbe").code == 1
    brokers.containers[2].put({cookie: brokers.secret["erlang-cookie"]}, owner=999)
    assert brokers.probe(2, "livenessProbe").code == 0


def test_a_volume_of_a_single_node_is_neither_joined_nor_emptied(engines: Engines, brokers: ThreeBrokers) -> None:
    volume = {"single-data-0": "/var/lib/rabbitmq"}
    engines.start(brokers.image, "before", ["mkdir", "-p", "/var/lib/rabbitmq/mnesia/kept"], volumes=volume)
    single = ThreeBrokers(engines, brokers.image, "single").make(0, "data-0")
    single.start()
    until("it has ended", lambda: single.state["Status"] == "exited", 60)
    assert single.state["ExitCode"] == 1
    assert "spec.queue.replicas 1" in single.logs()
    look = engines.start(brokers.image, "after", ["ls", "/var/lib/rabbitmq/mnesia"], volumes=volume)
    until("it has been looked at", lambda: look.state["Status"] == "exited", 30)
    assert "kept" in look.logs()
