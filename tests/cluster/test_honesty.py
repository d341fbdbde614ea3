"""Ready is False soon after users are refused, says what is wrong, and is True again once they are served."""

from __future__ import annotations

import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from tests.cluster import members
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until

pytestmark = pytest.mark.cluster

FAILING = 5.0  # seconds for which users have been refused
TOLD = 10.0  # seconds from then on, until Ready says so


def write(stack: Stack) -> bool:
    """Whether an order's product can be made."""
    product = {"product_id": f"honest-{uuid.uuid4().hex[:12]}", "name": "Honest", "price": "1.00", "stock": 1}
    return _works(stack, "POST", "/products", product)


def read(stack: Stack) -> bool:
    """Whether something that no cache holds can be read."""
    return _works(stack, "GET", f"/users/u-{uuid.uuid4().hex}/orders")


def accept(stack: Stack) -> bool:
    """Whether a task is accepted."""
    mail = {"user_id": "u-honest", "to": "honest@customers.example", "subject": "Honest", "body": "One line."}
    return _works(stack, "POST", "/notifications", mail)


CASES = {
    "writes": (write, (("db", "mysqld"),), "WritesAvailable"),
    "reads": (read, (("db", "mysqld"), ("replica", "mysqld")), "ReadsAvailable"),
    "accepts": (accept, (("queue", "rabbitmq"),), "AsyncAvailable"),
}


@pytest.mark.parametrize(("works", "engines", "kind"), CASES.values(), ids=CASES.keys())
def test_ready_is_false_within_ten_seconds_of_failing_for_five(
    works: Callable[[Stack], bool], engines: tuple[tuple[str, str], ...], kind: str, shop: Stack
) -> None:
    shop.until_ready()
    members.until_safe(shop)  # one that is restarted just now has no process to stop
    until("it works", lambda: works(shop), 30)
    with _hung(shop, engines):
        until("users are refused", lambda: not works(shop), 10, every=0.1)
        since = time.monotonic()
        while time.monotonic() - since < FAILING:
            assert not works(shop), "refused once, then served: not the failure this test is about"
        unavailable = shop.until_condition(kind, "False", TOLD)
        ready = shop.until_condition("Ready", "False", TOLD)
        assert len(ready["message"]) > 10, ready
        print(f"    {kind}: {unavailable['message']}")
    shop.until_ready(90)
    until("it works again", lambda: works(shop), 30)


@contextmanager
def _hung(stack: Stack, engines: tuple[tuple[str, str], ...]) -> Iterator[None]:
    """Stops all processes of engines, which then neither answer nor end."""
    pods = [
        (pod["metadata"]["name"], container)
        for component, container in engines
        for pod in stack.kubectl.pods(stack.name, component)
    ]
    with ExitStack() as thawed:
        for pod, container in pods:
            stack.kubectl.signal_container(pod, container, "STOP")
            thawed.callback(stack.kubectl.signal_container, pod, container, "CONT")
        yield


def _works(stack: Stack, method: str, path: str, body: dict[str, Any] | None = None) -> bool:
    """Whether a user's call is answered with success within 2 seconds."""
    content = json.dumps(body).encode() if body else None
    headers = {"Content-Type": "application/json", "X-Request-Timeout": "2000"}
    request = urllib.request.Request(f"{stack.gateway}/api/v1{path}", content, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return bool(answer.status < 300)
    except OSError:  # a refusal (HTTPError) or no answer
        return False
