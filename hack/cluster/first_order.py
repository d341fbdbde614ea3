"""Places an order through the gateway and reads it back, and shows both answers: what `make up` ends with."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from hack.cluster import host
from hack.cluster.console import Refusal, say

_REACHED_SECONDS = 30.0
"""Until the node's proxy has heard of the gateway's pods, which the stack can know nothing of."""

ADDRESSES = {
    "gateway": "http://127.0.0.1:8080",
    "mail sink": "http://127.0.0.1:8081/messages?to=",
    "payment provider": "http://127.0.0.1:8082/charges",
    "object store (S3)": "http://127.0.0.1:8083",
}


def place(gateway: str) -> None:
    """`gateway` is a base URL. Raises Refusal with the gateway's own words where an answer is not the promised one."""
    if not host.holds(lambda: _answers(f"{gateway}/healthz"), _REACHED_SECONDS):
        raise Refusal(
            f"{gateway} does not answer, although the stack is Ready: `make logs` collects what its node says"
        )
    product = {"product_id": "tea", "name": "Tea", "price": "19.90", "stock": 1_000_000}
    _call("POST", f"{gateway}/api/v1/products", (201, 409), product)  # 409: an earlier `make up` made it
    placed = _call("POST", f"{gateway}/api/v1/orders", (201,), {"user_id": "ada", "product_id": "tea", "quantity": 2})
    say(f"POST /api/v1/orders → 201 {json.dumps(placed)}")
    read = _call("GET", f"{gateway}/api/v1/orders/{placed['order_id']}", (200,))
    say(f"GET /api/v1/orders/{placed['order_id']} → 200 {json.dumps(read)}")
    if read != placed:
        raise Refusal("the order that was read is not the one that was placed")


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _call(method: str, url: str, expected: tuple[int, ...], body: dict[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(
        url,
        json.dumps(body).encode() if body is not None else None,
        {"Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    except OSError as error:
        raise Refusal(f"{method} {url}: {error}") from error
    if status not in expected:
        raise Refusal(f"{method} {url}: {status} instead of {expected[0]}: {text}")
    document: dict[str, Any] = json.loads(text)
    return document
