"""HTTP routes of the write API: parse, name the key, run, answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Header, Path, Response

from hcs_services import models
from hcs_services.application import PREFIX, Rendered, json_answer, raw_response
from hcs_services.fast_posts import Post
from hcs_services.http_conventions import require_if_match
from hcs_services.identifiers import is_id, parse_order_id
from hcs_services.problem import documented, problem
from hcs_services.write_api.group_commit import OrderDesk
from hcs_services.write_api.service import WriteService
from hcs_services.write_api.unit import Answer, UnitOfWork, client_key, own_key

_ORDERS = f"{PREFIX}/orders"
_ANY_WRITE = (
    "malformed-request",
    "request-timeout",
    "headers-too-large",
    "outcome-unknown",
    "database-unavailable",
    "deadline-exceeded",
    "internal-error",
)
_ANY_BODY = (*_ANY_WRITE, "malformed-json", "body-too-large", "unsupported-media-type", "validation-failed")
_KEYED = (*_ANY_BODY, "malformed-idempotency-key", "request-in-flight", "idempotency-key-reused")
_CONDITIONAL = ("order-not-found", "illegal-transition", "precondition-failed", "precondition-required")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="1 to 255 visible ASCII characters; the same key and body give the same answer for 24 h.",
    ),
]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description='Required: the ETag of the version you saw, or "*".')
]
ProductId = Annotated[str, Path(examples=["book-1"], json_schema_extra=models.ID_SCHEMA)]
OrderId = Annotated[str, Path(examples=["06YNJE7FW9Z2YY"])]


def posts(desk: OrderDesk) -> dict[str, Post]:
    """The POSTs that are taken in front of FastAPI too, by path."""

    async def order(body: models.NewOrder, idempotency_key: str | None) -> Rendered:
        key = client_key("POST /orders", body.user_id, idempotency_key, body.model_dump(mode="json"))
        return _rendered(await desk.place(key, body))

    return {_ORDERS: Post(models.NewOrder, order)}


def add_routes(app: FastAPI, service: WriteService, unit: UnitOfWork, fast: Mapping[str, Post]) -> None:
    """Put the write API's routes on the application; `fast` are what `posts` gave."""
    _add_product_routes(app, service, unit)
    _add_order_routes(app, service, unit, fast)


def _add_product_routes(app: FastAPI, service: WriteService, unit: UnitOfWork) -> None:
    @app.post(
        f"{PREFIX}/products",
        operation_id="createProduct",
        summary="Create a product",
        status_code=201,
        response_model=models.Product,
        responses=_written(201) | documented(*_KEYED, "product-exists"),
    )
    async def create_product(body: models.NewProduct, idempotency_key: IdempotencyKey = None) -> Response:
        key = client_key("POST /products", body.product_id, idempotency_key, body.model_dump(mode="json"))
        return _response(await unit.run(key, lambda rows, now: service.create_product(rows, body, now)))

    @app.post(
        f"{PREFIX}/products/{{product_id}}/restock",
        operation_id="restockProduct",
        summary="Add to a product's stock",
        response_model=models.Product,
        responses=_written(200) | documented(*_KEYED, "product-not-found", "stock-limit"),
    )
    async def restock(product_id: ProductId, body: models.Restock, idempotency_key: IdempotencyKey = None) -> Response:
        if not is_id(product_id):
            raise problem("product-not-found", "No product has such an id.")
        key = client_key("POST /products/restock", product_id, idempotency_key, body.model_dump(mode="json"))
        return _response(await unit.run(key, lambda rows, now: service.restock(rows, product_id, body, now)))


def _add_order_routes(app: FastAPI, service: WriteService, unit: UnitOfWork, fast: Mapping[str, Post]) -> None:
    @app.post(
        _ORDERS,
        operation_id="createOrder",
        summary="Place an order",
        status_code=201,
        response_model=models.Order,
        responses=_written(201, pay=_link("changeOrder", status="PAID"), cancel=_link("cancelOrder"))
        | documented(*_KEYED, "product-not-found", "insufficient-stock", "amount-mismatch", "amount-too-large"),
    )
    async def create_order(body: models.NewOrder, idempotency_key: IdempotencyKey = None) -> Response:
        return raw_response(*await fast[_ORDERS].answer(body, idempotency_key))

    @app.patch(
        f"{PREFIX}/orders/{{order_id}}",
        operation_id="changeOrder",
        summary="Move an order to its next status",
        response_model=models.Order,
        responses=_written(200) | documented(*_ANY_BODY, *_CONDITIONAL),
    )
    async def change_order(order_id: OrderId, body: models.OrderPatch, if_match: IfMatch = None) -> Response:
        number = _order_number(order_id)
        require_if_match(if_match)
        return _response(
            await unit.run(
                own_key("PATCH /orders", order_id),
                lambda rows, now: service.change_status(rows, number, body.status, if_match, now),
            )
        )

    @app.delete(
        f"{PREFIX}/orders/{{order_id}}",
        operation_id="cancelOrder",
        summary="Cancel an order: its stock goes back, its charge is refunded",
        response_model=models.Order,
        responses=_written(200) | documented(*_ANY_WRITE, *_CONDITIONAL),
    )
    async def cancel_order(order_id: OrderId, if_match: IfMatch = None) -> Response:
        number = _order_number(order_id)
        require_if_match(if_match)
        return _response(
            await unit.run(
                own_key("DELETE /orders", order_id),
                lambda rows, now: service.cancel(rows, number, if_match, now),
            )
        )


def _order_number(order_id: str) -> int:
    number = parse_order_id(order_id)
    if number is None:
        raise problem("order-not-found", "No order has such an id.")
    return number


def _response(answer: Answer) -> Response:
    return raw_response(*_rendered(answer))


def _rendered(answer: Answer) -> Rendered:
    return json_answer(answer.status, answer.headers, answer.body)


def _written(status: int, **links: Any) -> dict[int | str, dict[str, Any]]:
    text = {"schema": {"type": "string"}}
    headers = {
        "ETag": text | {"description": "The new version, for If-Match."},
        "X-Consistency-Token": text | {"description": "Send it with reads that must see this write."},
        "X-Request-Id": text | {"description": "The request's id in every log."},
    }
    if status == 201:
        headers["Location"] = text | {"description": "Where the thing created is read."}
    return {status: {"description": "Committed.", "headers": headers, "links": dict(links)}}


def _link(operation: str, **body: Any) -> dict[str, Any]:
    """An OpenAPI link from a created order to what can be done with it under the version just seen."""
    parameters = {"path.order_id": "$response.body#/order_id", "header.If-Match": "$response.header.ETag"}
    return {"operationId": operation, "parameters": parameters} | ({"requestBody": body} if body else {})
