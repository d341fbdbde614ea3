"""Every call of the HTTP API with every answer it states: what to do, and what must come.

A row's `act` makes what the call needs and returns the answer to judge. `STATED` repeats the reference's table; a test
holds the rows against it, and all problems of the catalogue against the rows and the refusals, so that none is
forgotten. What cannot be brought about from outside is in `ELSEWHERE`: the test that has it, and why.
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

HEAD = "HEAD wherever GET"
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
    HEAD: {200},
    "any": {
        "malformed-json", "malformed-idempotency-key", "malformed-token", "route-not-found", "method-not-allowed",
        "body-too-large", "unsupported-media-type", "validation-failed", "idempotency-key-reused",
        "request-in-flight",
    },
}  # fmt: skip

ELSEWHERE: dict[str, tuple[str, str]] = {
    "object-store-not-configured": ("engine/async_api/test_accepting.py", "the sample stack has a store"),
    "task-dead": ("engine/async_api/test_tasks_end_to_end.py", "reports and syncs die only when the store is away"),
    "unauthorized": ("unit/worker/test_drain.py", "no call of the API asks who calls; a worker's admin port does"),
    "forbidden": ("unit/services/test_admin.py", "no call of the API asks who calls"),
    "rate-limited": ("unit/gateway/test_protection.py", "all tests together stay below the sample stack's limit"),
    "internal-error": ("unit/services/test_http_conventions.py", "takes a bug"),
    "bad-gateway": ("unit/gateway/test_proxying.py", "takes a service that drops connections"),
    "upstream-unavailable": ("unit/gateway/test_proxying.py", "takes a service that is away"),
    "upstream-timeout": ("unit/gateway/test_proxying.py", "takes a service that does not answer"),
    "circuit-open": ("unit/gateway/test_protection.py", "takes a service that fails for a while"),
    "overloaded": ("unit/read_api/test_admission.py", "takes more reads at once than a row sends"),
    "deadline-exceeded": (
        "unit/services/test_http_conventions.py",
        "the gateway's own deadline ends before a service's",
    ),
    "consistency-unavailable": ("engine/read_api/test_reads.py", "takes a token of writes that were lost"),
    "database-unavailable": ("engine/read_api/test_outage.py", "takes a database that is away"),
    "outcome-unknown": ("unit/services/test_database_errors.py", "takes a commit whose answer is lost"),
    "queue-unavailable": ("engine/async_api/test_accepting.py", "takes a broker that is away"),
}
"""By slug: a test below tests/, and why no call from outside can have it."""


def row(call: str, expected: int | str, note: str = "", *, status: int | None = None) -> Callable[[Act], Act]:
    """Add a row; `expected` is the status of a success or a problem's slug (then with its status)."""

    def add(act: Act) -> Act:
        slug = expected if isinstance(expected, str) else None
        code = expected if isinstance(expected, int) else status
        assert code is not None
        ROWS.append(Row(call, code, slug, act, note))
        return act

    return add
