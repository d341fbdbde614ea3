"""Every call of the HTTP API with every answer it states: what to do, and what must come.

A row's `act` makes what the call needs and returns the answer to judge. `STATED` repeats the reference's table; a test
holds the rows against it, so that none is forgotten. What cannot be brought about from outside is in `UNPROVOKED`,
with the reason and where it is tested instead.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.contract.api import Reply
from tests.contract.world import World

Act = Callable[[World], Awaitable[Reply]]


@dataclass(frozen=True)
class Row:
    """One stated answer of one call; `slug` is the problem's, None for a success."""

    call: str
    status: int
    slug: str | None
    act: Act
    note: str = ""

    @property
    def name(self) -> str:
        """For the test's report."""
        parts = [self.call, str(self.status), self.slug or "", self.note]
        return " - ".join(part for part in parts if part)


ROWS: list[Row] = []

STATED: dict[str, set[int | str]] = {
    "POST /products": {201, "product-exists"},
    "GET /products/{product_id}": {200, 304, "product-not-found"},
    "POST /products/{product_id}/restock": {200, "product-not-found", "stock-limit"},
    "POST /orders": {201, "product-not-found", "insufficient-stock", "amount-mismatch", "amount-too-large"},
    "GET /orders/{order_id}": {200, 304, "order-not-found"},
    "GET /users/{user_id}/orders": {200, "malformed-cursor"},
    "PATCH /orders/{order_id}": {
        200, "order-not-found", "illegal-transition", "precondition-failed", "precondition-required",
    },
    "DELETE /orders/{order_id}": {
        200, "order-not-found", "illegal-transition", "precondition-failed", "precondition-required",
    },
    "POST /notifications": {202},
    "POST /reports": {202},
    "POST /payments": {202},
    "POST /sync": {202, "object-store-not-configured"},
    "GET /tasks/{task_id}": {200, "task-not-found"},
    "GET /tasks/{task_id}/result": {200, "task-not-found", "result-not-found", "not-finished", "task-dead"},
    "GET /openapi/{service}.json": {200},
    "GET /healthz": {200},
    "any": {
        "malformed-json", "malformed-idempotency-key", "malformed-token", "route-not-found", "method-not-allowed",
        "body-too-large", "unsupported-media-type", "validation-failed", "idempotency-key-reused",
        "request-in-flight",
    },
}  # fmt: skip

UNPROVOKED: dict[tuple[str, int | str], str] = {
    ("POST /sync", "object-store-not-configured"): "the sample stack has an object store; the async API's own tests",
    (
        "GET /tasks/{task_id}/result",
        "task-dead",
    ): "reports and syncs die only when a store is away; the async API's tests",
    ("any", "request-in-flight"): "takes a request that is held half-way; the write API's own tests of races",
}


def row(call: str, expected: int | str, note: str = "", *, status: int | None = None) -> Callable[[Act], Act]:
    """Add a row; `expected` is the status of a success or a problem's slug (then with its status)."""

    def add(act: Act) -> Act:
        slug = expected if isinstance(expected, str) else None
        code = expected if isinstance(expected, int) else status
        assert code is not None
        ROWS.append(Row(call, code, slug, act, note))
        return act

    return add
