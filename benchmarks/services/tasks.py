"""Tasks accepted by the async API, from HTTP to the broker's confirm, beside a bare pika publisher."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.services import bare, wrk
from benchmarks.services.engines import Beside
from benchmarks.services.measurement import PRODUCT
from benchmarks.services.rounds import Comparison, Contender
from benchmarks.services.stage import Stage

_PATH = "/api/v1/notifications"
_BODIES = 1000


def comparisons(stage: Stage, beside: Beside) -> Iterator[Comparison]:
    """One row."""
    environment = {"QUEUE_PASSWORD": beside.rabbitmq.password, **beside.environment}
    product = stage.product("async-api", environment)
    requests = wrk.write(stage.folder / "tasks", (wrk.post(_PATH, _notification(number)) for number in range(_BODIES)))
    contenders = [
        Contender(PRODUCT, product.loaded("/", requests), at_rate=product.steady(requests)),
        Contender("bare pika publisher", bare.driven("bare_publisher", environment, wrk.CONNECTIONS), 0.5),
    ]
    yield Comparison("accept-task", "accept a task: POST to confirm", contenders)


def _notification(number: int) -> bytes:
    body = {"user_id": f"user-{number}", "to": "ada@customers.example", "subject": "Your parcel", "body": "It left."}
    return json.dumps(body).encode()
