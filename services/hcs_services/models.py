"""The bodies of the HTTP API, shared by all services, and the documents that rows become.

Unknown fields are refused, numbers are never coerced from strings, and every bound is declared, so that OpenAPI
states what the service enforces. Documents are plain dicts: the same ones go to clients and to the cache.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from hcs_services.identifiers import ID_MAX_LENGTH, ID_PATTERN, ORDER_ID_PATTERN, TASK_ID_PATTERN, public_order_id
from hcs_services.money import Money, format_money

MAX_STOCK = 1_000_000_000
OrderStatus = Literal["PENDING", "PAID", "SHIPPED", "DELIVERED", "CANCELLED"]
TaskStatus = Literal["queued", "running", "retrying", "succeeded", "dead"]
TaskType = Literal["send_email", "generate_report", "process_payment", "sync_data", "refund_payment"]


def _encodable(value: str) -> str:
    # JSON may carry lone surrogates (\ud800); they are no characters and no store takes them
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("lone surrogates are not characters") from None
    return value


def _integral(value: Any) -> Any:
    # JSON knows one kind of number: 2.0 is the integer 2, and JSON Schema says so too
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_integral)]
ID_SCHEMA: dict[str, Any] = {"pattern": ID_PATTERN, "minLength": 1, "maxLength": ID_MAX_LENGTH}
Identifier = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=ID_MAX_LENGTH, pattern=ID_PATTERN),
    Field(examples=["book-1"]),
]
Line = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"),
    AfterValidator(_encodable),
]
Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=20_000), AfterValidator(_encodable)]
# RFC 5321: 64 octets before the @, 254 in all; no quoting, no address literals, no control characters
Address = Annotated[
    str,
    StringConstraints(
        strict=True,
        max_length=254,
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
        r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$",
    ),
    Field(examples=["ada@customers.example"]),
]
OrderId = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=64, pattern=r"^[0-9A-Za-z*~$=]+$"),
    Field(examples=["06YNJE7FW9Z2YY"]),
]
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def _utc(value: Any) -> datetime:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("a time is RFC 3339 with an offset, such as 2026-11-23T20:00:00Z")
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except OverflowError:  # year 1 or 9999 and an offset that leads out of it
        raise ValueError("the time is out of range") from None


Timestamp = Annotated[datetime, BeforeValidator(_utc), WithJsonSchema({"type": "string", "format": "date-time"})]


class Body(BaseModel):
    """A request body: strict, closed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NewProduct(Body):
    """`POST /products`."""

    product_id: Identifier
    name: Line = Field(examples=["A book"])
    price: Money
    stock: Whole = Field(strict=True, ge=0, le=MAX_STOCK, examples=[100])


class Restock(Body):
    """`POST /products/{product_id}/restock`."""

    quantity: Whole = Field(strict=True, ge=1, le=MAX_STOCK, examples=[50])


class NewOrder(Body):
    """`POST /orders`; a `total_amount` that is given must equal price times quantity."""

    user_id: Identifier = Field(examples=["ada"])
    product_id: Identifier
    quantity: Whole = Field(strict=True, ge=1, le=10_000, examples=[2])
    total_amount: Money | None = Field(None, examples=["39.80"])


class OrderPatch(Body):
    """`PATCH /orders/{order_id}`."""

    status: OrderStatus = Field(examples=["PAID"])


class NewNotification(Body):
    """`POST /notifications`."""

    user_id: Identifier = Field(examples=["ada"])
    to: Address
    subject: Line = Field(examples=["Your parcel"])
    body: Text = Field(examples=["It left the warehouse."])


class NewReport(Body):
    """`POST /reports`: the user's orders created in `[from, to)`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    user_id: Identifier = Field(examples=["ada"])
    from_: Timestamp = Field(alias="from", examples=["2026-11-01T00:00:00Z"])
    to: Timestamp = Field(examples=["2026-12-01T00:00:00Z"])

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.from_ >= self.to:
            raise ValueError("from must be before to")
        return self


class NewPayment(Body):
    """`POST /payments`."""

    order_id: OrderId
    amount: Money
    currency: str = Field(strict=True, pattern=r"^[A-Z]{3}$", examples=["EUR"])
    method_token: str = Field(strict=True, pattern=r"^[A-Za-z0-9._-]{1,128}$", examples=["tok_ok"])


class NewSync(Body):
    """`POST /sync`."""

    since: Timestamp = Field(examples=["2026-11-23T00:00:00Z"])


class Order(BaseModel):
    """An order as clients see it."""

    order_id: str = Field(pattern=ORDER_ID_PATTERN, examples=["06YNJE7FW9Z2YY"])
    user_id: str = Field(examples=["ada"])
    product_id: str = Field(examples=["book-1"])
    quantity: int = Field(examples=[2])
    total_amount: str = Field(examples=["39.80"])
    status: OrderStatus
    version: int = Field(examples=[1795464467199000])
    created_at: str = Field(examples=["2026-11-23T20:00:00.000000Z"])
    updated_at: str = Field(examples=["2026-11-23T20:00:00.000000Z"])


class Product(BaseModel):
    """A product as clients see it."""

    product_id: str = Field(examples=["book-1"])
    name: str = Field(examples=["A book"])
    price: str = Field(examples=["19.90"])
    stock: int = Field(examples=[98])
    version: int = Field(examples=[1795464467199000])


class OrderPage(BaseModel):
    """One page of a user's orders, newest first; `next_cursor` is null on the last."""

    items: list[Order]
    next_cursor: str | None


class Task(BaseModel):
    """An accepted task; `attempts` counts tries, 0 while queued."""

    task_id: str = Field(pattern=TASK_ID_PATTERN)
    type: TaskType
    status: TaskStatus
    attempts: int
    created_at: str
    finished_at: str | None = None
    result: dict[str, Any] | None = None
    error: str | None = None


class ProblemError(BaseModel):
    """One thing that is wrong, and where: an RFC 6901 pointer into the body, or `/query/…`, `/path/…`, `/header/…`."""

    pointer: str
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: str = Field(pattern=r"^/problems/[a-z0-9-]+$")
    title: str
    status: int
    detail: str
    instance: str
    retryable: bool
    trace_id: str
    errors: list[ProblemError] | None = None


def rfc3339(at: datetime) -> str:
    """UTC with microseconds and `Z`; a naive time is one from the database, hence UTC."""
    utc = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def order_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """The order of a row of `orders`."""
    return {
        "order_id": public_order_id(row["order_id"]),
        "user_id": row["user_id"],
        "product_id": row["product_id"],
        "quantity": row["quantity"],
        "total_amount": format_money(Decimal(row["total_amount"])),
        "status": row["status"],
        "version": row["ver"],
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
    }


def product_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """The product of a row of `products`."""
    return {
        "product_id": row["product_id"],
        "name": row["name"],
        "price": format_money(Decimal(row["price"])),
        "stock": row["stock"],
        "version": row["ver"],
    }


def task_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """The task of a row of `tasks` whose JSON columns are parsed; absent members are left out."""
    document: dict[str, Any] = {
        "task_id": row["task_id"],
        "type": row["type"],
        "status": row["status"],
        "attempts": row["attempts"],
        "created_at": rfc3339(row["created_at"]),
    }
    if row.get("finished_at") is not None:
        document["finished_at"] = rfc3339(row["finished_at"])
    for name in ("result", "error"):
        if row.get(name) is not None:
            document[name] = row[name]
    return document
