"""The HTTP face of the read API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Path, Query, Request, Response

from hcs_services import application
from hcs_services.application import PREFIX
from hcs_services.http_conventions import etag, none_match
from hcs_services.identifiers import ID_MAX_LENGTH, ID_PATTERN, ORDER_ID_PATTERN, is_id
from hcs_services.models import ID_SCHEMA, Order, OrderPage, Product
from hcs_services.problem import Problem, documented, problem
from hcs_services.read_api import demand as demands
from hcs_services.read_api.cached_reads import Answer
from hcs_services.read_api.demand import Demand
from hcs_services.read_api.reads import Reads
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


def demand_of(
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


def create(settings: Settings, reads: Reads, frozen_seconds: Callable[[], float]) -> Any:
    """The ASGI application. `frozen_seconds` says for how long there has been no primary, 0 while there is one."""
    app, served = application.create(
        "HighConcurrencyStack read API",
        "Orders, products and users' orders, from the nearest state that is new enough.",
        settings,
    )
    app.state.settings = settings
    respond = _Responder(frozen_seconds)
    _serve_entities(app, reads, respond)
    _serve_lists(app, reads, respond)
    return served


class _Responder:
    """Turns answers into responses: 200 with the document as it is stored, 304, or the absence's problem."""

    def __init__(self, frozen_seconds: Callable[[], float]) -> None:
        self._frozen_seconds = frozen_seconds

    def __call__(self, answer: Answer, if_none_match: str | None, absent: Problem) -> Response:
        headers = _headers(answer, self._frozen_seconds())
        if answer.entry.data is None:
            absent.headers.update(headers)
            raise absent
        headers["ETag"] = etag(answer.entry.version)
        if none_match(if_none_match, answer.entry.version):
            return Response(status_code=304, headers=headers)
        return Response(answer.entry.data, media_type="application/json", headers=headers)


def _serve_entities(app: FastAPI, reads: Reads, respond: _Responder) -> None:
    @app.get(f"{PREFIX}/orders/{{order_id}}", tags=["orders"], responses=_documented(Order, "order-not-found"))
    async def get_order(order_id: OrderId, demand: Wanted, if_none_match: IfNoneMatch = None) -> Response:
        """Read an order."""
        absent = problem("order-not-found", "There is no order with this id.")
        answer = await reads.order(order_id, demand)
        if answer is None:
            raise absent
        return respond(answer, if_none_match, absent)

    @app.get(
        f"{PREFIX}/products/{{product_id}}", tags=["products"], responses=_documented(Product, "product-not-found")
    )
    async def get_product(product_id: ProductId, demand: Wanted, if_none_match: IfNoneMatch = None) -> Response:
        """Read a product."""
        absent = problem("product-not-found", "There is no product with this id.")
        if not is_id(product_id):
            raise absent
        return respond(await reads.product(product_id, demand), if_none_match, absent)


def _serve_lists(app: FastAPI, reads: Reads, respond: _Responder) -> None:
    @app.get(
        f"{PREFIX}/users/{{user_id}}/orders",
        tags=["orders"],
        responses=_documented(OrderPage, "malformed-cursor", "validation-failed"),
    )
    async def get_orders_of_user(
        user_id: UserId,
        demand: Wanted,
        limit: Limit = 20,
        cursor: Cursor = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """List a user's orders, newest first. A user without orders has an empty list."""
        answer = await reads.orders_of(user_id, limit, cursor, demand)
        return respond(answer, if_none_match, problem("route-not-found", "There is no such list."))


def _headers(answer: Answer, frozen_seconds: float) -> dict[str, str]:
    headers = {"X-Data-Source": answer.source, "Age": str(answer.entry.age_seconds(time.time() * 1000))}
    if answer.relaxed:
        headers["X-Consistency"] = "relaxed"
    if frozen_seconds > 0:
        headers["X-Data-Frozen"] = str(int(frozen_seconds))
    return headers


def _documented(model: Any, *slugs: str) -> dict[int | str, dict[str, Any]]:
    headers = {name: {"description": text, "schema": {"type": kind}} for name, (text, kind) in _HEADERS.items()}
    found: dict[int | str, dict[str, Any]] = {
        200: {"model": model, "description": "The state found", "headers": headers},
        304: {"description": "If-None-Match names this version already", "headers": headers},
    }
    return found | documented(*slugs, *_REFUSALS)
