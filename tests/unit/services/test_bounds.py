"""Every bound that the HTTP API's reference states: what lies at it is taken, what lies past it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hcs_services import models
from hcs_services.models import Body

pytestmark = pytest.mark.unit
BODIES: dict[type[Body], dict[str, Any]] = {
    models.NewProduct: {"product_id": "p", "name": "A book", "price": "1.00", "stock": 1},
    models.Restock: {"quantity": 1},
    models.NewOrder: {"user_id": "u", "product_id": "p", "quantity": 1},
    models.NewNotification: {"user_id": "u", "to": "ada@customers.example", "subject": "S", "body": "B"},
    models.NewPayment: {"order_id": "06YNJE7FW9Z2YY", "amount": "1.00", "currency": "EUR", "method_token": "tok_ok"},
}
LONGEST_NAME = f"{'a' * 63}.{'b' * 63}.{'c' * 59}.d"  # of 189 octets
IDENTIFIERS = (["a", "A" * 64, "a.b_c-1"], ["", "a" * 65, "a b", "é", "a/b"])
LINES = (["a", "ü" * 200], ["", "a" * 201, "a\nb", "a\x7fb"])
MONEY = (["0.00", "0", "9999999999.99"], ["-0.01", "10000000000.00", "0.001", "1e3", "", "NaN"])
BOUNDS: list[tuple[type[Body], str, tuple[list[Any], list[Any]]]] = [
    (models.NewProduct, "product_id", IDENTIFIERS),
    (models.NewProduct, "name", LINES),
    (models.NewProduct, "price", MONEY),
    (models.NewProduct, "stock", ([0, 10**9], [-1, 10**9 + 1, "1", 1.5])),
    (models.Restock, "quantity", ([1, 10**9], [0, -1, 10**9 + 1, "1"])),
    (models.NewOrder, "user_id", IDENTIFIERS),
    (models.NewOrder, "product_id", IDENTIFIERS),
    (models.NewOrder, "quantity", ([1, 10_000], [0, -1, 10_001, "1"])),
    (models.NewNotification, "user_id", IDENTIFIERS),
    (
        models.NewNotification,
        "to",
        (
            ["a@b", f"{'a' * 64}@{LONGEST_NAME}"],
            ["", "a", "@b", f"{'a' * 65}@b.example", f"{'a' * 64}@{LONGEST_NAME}d", "a@b\r\nBcc: c@d", "a@-b"],
        ),
    ),
    (models.NewNotification, "subject", LINES),
    (models.NewNotification, "body", (["a", "a\nb", "ü" * 20_000], ["", "a" * 20_001])),
    (models.NewPayment, "amount", MONEY),
    (models.NewPayment, "currency", (["EUR", "XXX"], ["eur", "EU", "EURO", ""])),
]


@pytest.mark.parametrize(("body", "field", "value"), [(b, f, value) for b, f, (taken, _) in BOUNDS for value in taken])
def test_what_lies_at_a_bound_is_taken(body: type[Body], field: str, value: object) -> None:
    body.model_validate(BODIES[body] | {field: value})


@pytest.mark.parametrize(
    ("body", "field", "value"), [(b, f, value) for b, f, (_, refused) in BOUNDS for value in refused]
)
def test_what_lies_past_it_is_refused_by_its_name(body: type[Body], field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refusal:
        body.model_validate(BODIES[body] | {field: value})
    assert {error["loc"][0] for error in refusal.value.errors()} == {field}


@pytest.mark.parametrize("body", BODIES)
def test_what_no_reference_names_is_refused(body: type[Body]) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        body.model_validate(BODIES[body] | {"colour": "red"})
