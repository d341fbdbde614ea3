"""Cached products at the read API, beside FastAPI with redis-py, and redis-benchmark as the ceiling."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import time
from collections.abc import Callable, Iterator

import redis
from benchmarks.services import cores, products, wrk
from benchmarks.services.engines import Beside
from benchmarks.services.measurement import PRODUCT, Sample
from benchmarks.services.rounds import Comparison, Contender
from benchmarks.services.stage import Server, Stage
from tests.engine.brokers import RedisServer

from hcs_services.cache.entry import Entry, product_key, to_json
from hcs_services.models import product_document
from hcs_services.settings import Settings

KEYS = 10 * int(Settings.model_fields["l1_entries"].default)
"""Ten times what a process keeps itself, so that nearly every read goes to Redis."""
HOT_KEYS = 100
_LIFETIME_MS = 3_600_000  # nothing is read anew while it is measured


def comparisons(stage: Stage, beside: Beside) -> Iterator[Comparison]:
    """A row for hits in Redis, one for hits in the process's own cache."""
    fill(beside)
    environment = {"CACHE_PASSWORD": beside.redis.password, **beside.environment}
    product = stage.product("read-api", environment)
    plain = stage.plain("plain_reads", environment)
    contenders = _contenders(stage, beside, product, plain)
    yield Comparison("read-redis", f"cached GET: {KEYS:,} products, Redis hits", contenders)
    hot = products.requests(stage.folder / "hot", range(HOT_KEYS))
    contenders = [
        Contender(PRODUCT, product.loaded("/", hot), at_rate=product.steady(hot)),
        Contender("FastAPI and redis-py", plain.loaded("/", hot)),
        Contender("an empty ASGI application (ceiling)", stage.plain("plain_nothing", {}).loaded("/", hot)),
    ]
    yield Comparison("read-l1", f"cached GET: {HOT_KEYS} products, hits in the process", contenders)


def _contenders(stage: Stage, beside: Beside, product: Server, plain: Server) -> list[Contender]:
    numbers = list(range(KEYS))
    random.shuffle(numbers)
    requests = products.requests(stage.folder / "requests", numbers)
    return [
        Contender(PRODUCT, product.loaded("/", requests), at_rate=product.steady(requests)),
        Contender("FastAPI and redis-py", plain.loaded("/", requests), 8),
        Contender("redis-benchmark (ceiling)", _redis_benchmark(beside.redis), 0.45),
    ]


def fill(beside: Beside) -> None:
    """The same products in MySQL, in the cache as the product keeps them, and as a plain application would."""
    client = redis.Redis.from_url(beside.redis.url, password=beside.redis.password)
    for first in range(0, KEYS, 1000):
        rows = [products.row(number) for number in range(first, first + 1000)]
        beside.add_products([tuple(row.values()) for row in rows])
        with client.pipeline(transaction=False) as pipeline:
            for row in rows:
                data = to_json(product_document(row))
                entry = Entry(row["ver"], data, int(time.time() * 1000), _LIFETIME_MS)
                pipeline.set(product_key(row["product_id"]), entry.encode(), px=2 * _LIFETIME_MS)
                pipeline.set(f"plain:{row['product_id']}", data)
            pipeline.execute()


def _redis_benchmark(server: RedisServer) -> Callable[[float], Sample]:
    """On the core that the API has: as many clients, one GET at a time each, of the same keys."""
    words = ["taskset", "--cpu-list", str(cores.SERVER), "redis-benchmark", "-h", server.host, "--csv"]
    words += ["-a", server.password, "-P", "1", "-c", str(wrk.CONNECTIONS), "-r", str(KEYS)]

    def run(count: int) -> Sample:
        command = [*words, "-n", str(count), "GET", product_key("bench-__rand_int__")]
        used, began = _children_used(), time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        busy = (_children_used() - used) / (time.monotonic() - began)
        return benchmarked(done.stdout, busy)

    def drive(seconds: float) -> Sample:
        return run(round(run(20_000).per_second * seconds))

    return drive


def benchmarked(printed: str, busy: float) -> Sample:
    """Of redis-benchmark's CSV: names in the first line, figures in the second, times in milliseconds."""
    names, figures = (json.loads(f"[{line}]") for line in printed.strip().splitlines()[-2:])
    found = dict(zip(names, figures, strict=True))
    return Sample(float(found["rps"]), float(found["p50_latency_ms"]), float(found["p99_latency_ms"]), busy)


def _children_used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
