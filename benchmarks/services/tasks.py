"""Tasks: accepted by the async API, beside a bare pika publisher, and done by a worker, beside a bare pika consumer."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.services import bare, wrk
from benchmarks.services.cores import LOAD
from benchmarks.services.engines import Beside
from benchmarks.services.measurement import PRODUCT, Sample
from benchmarks.services.queued_tasks import over_queued
from benchmarks.services.rounds import Comparison, Contender
from benchmarks.services.stage import Stage

from hcs_services.queue import Broker

_PATH = "/api/v1/notifications"
_BODIES = 1000
_MOST_DONE, _MOST_TAKEN = 16_000, 80_000  # a second: more than either can


def comparisons(stage: Stage, beside: Beside) -> Iterator[Comparison]:
    """A row for the accept, one for the end."""
    environment = {"QUEUE_PASSWORD": beside.rabbitmq.password, **beside.environment}
    product = stage.product("async-api", environment)
    requests = wrk.write(stage.folder / "tasks", (wrk.post(_PATH, _notification(number)) for number in range(_BODIES)))
    contenders = [
        Contender(PRODUCT, product.loaded("/", requests), at_rate=product.steady(requests)),
        Contender("bare pika publisher", bare.driven("bare_publisher", environment, wrk.CONNECTIONS), 0.5),
    ]
    yield Comparison("accept-task", "accept a task: POST to confirm", contenders)
    yield _done(beside, environment)


def _done(beside: Beside, environment: dict[str, str]) -> Comparison:
    broker = Broker(beside.rabbitmq.url, lambda: beside.rabbitmq.password)
    worker = bare.driven("empty_worker", environment, wrk.CONNECTIONS)
    consumer = bare.driven("bare_consumer", environment, wrk.CONNECTIONS)

    def at_rate(per_second: float, seconds: float) -> Sample:
        published = bare.driven("empty_worker", environment, wrk.CONNECTIONS, per_second, LOAD)
        return over_queued(published, broker, 0)(seconds)

    contenders = [
        Contender(PRODUCT, over_queued(worker, broker, _MOST_DONE), at_rate=at_rate),
        Contender("bare pika consumer", over_queued(consumer, broker, _MOST_TAKEN), 0.3),
    ]
    title = "do a task that has no effect: delivery to commit and ack"
    # Who publishes meanwhile, and the broker for it, take their share of the core that the engines have.
    return Comparison(
        "worker-empty", title, contenders, lambda per_second, seconds: at_rate(per_second, seconds).per_second
    )


def _notification(number: int) -> bytes:
    body = {"user_id": f"user-{number}", "to": "ada@customers.example", "subject": "Your parcel", "body": "It left."}
    return json.dumps(body).encode()
