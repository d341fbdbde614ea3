"""The HTTP face of the read API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Path, Query, Request, Response

from hcs_services import application
from hcs_services.application import PREFIX, raw_response
from hcs_services.identifiers import ID_MAX_LENGTH, ID_PATTERN, ORDER_ID_PATTERN, is_id
from hcs_services.models import ID_SCHEMA, Order, OrderPage, Product
from hcs_services.problem import documented
from hcs_services.read_api import demand as demands
from hcs_services.read_api.demand import Demand
from hcs_services.read_api.fast_reads import DEFAULT_LIMIT, FastReads
from hcs_services.read_api.reads import Reads
from hcs_services.read_api.responses import Responder, no_list, no_order, no_product
from hcs_services.settings import Settings

_REFUSALS = ("malformed-token", "consistency-unavailable", "database-unavailable", "overloaded", "deadline-exceeded")
_HEADERS = {
    "ETag": ("The version, as a strong entity tag.", "string"),
    "Age": ("Seconds since the state was read from the database or written after a commit.", "integer"),
    "X-Data-Source": ("What answered: l1, cache, replica or primary.", "string"),
    "X-Consistency": ("`relaxed`: the state may be older than the token asks for.", "string"),
    "X-Data-Frozen": ("Seconds for which no primary has shown itself: later writes may be missing.", "integer"),
}
OrderId = Annotated[
    str, Path(examples=["06YNJE7FW9Z2YY"], json_schema_extra={"pattern": ORDER_ID_PATTERN}, description="An order id.")
]
ProductId = Annotated[
    str,
    Path(examples=["book-1"], json_schema_extra=ID_SCHEMA, description="A product id."),
]
UserId = Annotated[str, Path(min_length=1, max_length=ID_MAX_LENGTH, pattern=ID_PATTERN, examples=["ada"])]
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]
IfNoneMatch = Annotated[str | None, Header(description="Entity tags that the client holds.")]


async def demand_of(  # a plain function would run on another thread, for each request
    request: Request,
    x_consistency_token: Annotated[str | None, Header(description="The token of the last write seen.")] = None,
    x_consistency: Annotated[str | None, Header(description="`relaxed` allows an older state.")] = None,
    cache_control: Annotated[str | None, Header(description="`no-cache` reads the primary.")] = None,
) -> Demand:
    """What the request's header fields ask for."""
    settings: Settings = request.app.state.settings
    return demands.parse(
        token=x_consistency_token,
        consistency=x_consistency,
        cache_control=cache_control,
        key=lambda: settings.signing_key("consistency"),
        shard=settings.shard,
    )


Wanted = Annotated[Demand, Depends(demand_of)]
Front = Callable[[Any, Settings, Reads, Responder], Any]


def create(
    settings: Settings,
    reads: Reads,
    frozen_seconds: Callable[[], float],
    *,
    clock: Callable[[], float] = time.time,
    front: Front = FastReads,
) -> Any:
    """The ASGI application. `frozen_seconds` says for how long there has been no primary, 0 while there is one.

    `front` stands before FastAPI; `clock` is Unix time.
    """
    respond = Responder(frozen_seconds, clock)
    app, served = application.create(
        "HighConcurrencyStack read API",
        "Orders, products and users' orders, from the nearest state that is new enough.",
        settings,
        front=lambda inner: front(inner, settings, reads, respond),
    )
    app.state.settings = settings
    _serve_entities(app, reads, respond)
    _serve_lists(app, reads, respond)
    return served


def _serve_entities(app: FastAPI, reads: Reads, respond: Responder) -> None:
    @app.get(f"{PREFIX}/orders/{{order_id}}", tags=["orders"], responses=_documented(Order, "order-not-found"))
    async def get_order(order_id: OrderId, demand: Wanted, if_none_match: IfNoneMatch = None) -> Response:
        """Read an order."""
        answer = await reads.order(order_id, demand)
        if answer is None:
            raise no_order()
        return raw_response(*respond(answer, if_none_match, no_order))

    @app.get(
        f"{PREFIX}/products/{{product_id}}", tags=["products"], responses=_documented(Product, "product-not-found")
    )
    async def get_product(product_id: ProductId, demand: Wanted, if_none_match: IfNoneMatch = None) -> Response:
        """Read a product."""
        if not is_id(product_id):
            raise no_product()
        return raw_response(*respond(await reads.product(product_id, demand), if_none_match, no_product))


def _serve_lists(app: FastAPI, reads: Reads, respond: Responder) -> None:
    @app.get(
        f"{PREFIX}/users/{{user_id}}/orders",
        tags=["orders"],
        responses=_documented(OrderPage, "malformed-cursor", "validation-failed"),
    )
    async def get_orders_of_user(
        user_id: UserId,
        demand: Wanted,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """List a user's orders, newest first. A user without orders has an empty list."""
        answer = await reads.orders_of(user_id, limit, cursor, demand)
        return raw_response(*respond(answer, if_none_match, no_list))


def _documented(model: Any, *slugs: str) -> dict[int | str, dict[str, Any]]:
    headers = {name: {"description": text, "schema": {"type": kind}} for name, (text, kind) in _HEADERS.items()}
    found: dict[int | str, dict[str, Any]] = {
        200: {"model": model, "description": "The state found", "headers": headers},
        304: {"description": "If-None-Match names this version already", "headers": headers},
    }
    return found | documented(*slugs, *_REFUSALS)
