"""What a soak asks for: reads that hit and miss, orders with and without keys, tasks, and what is refused."""

from __future__ import annotations

import itertools
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

_KEPT, _USERS = 200, 1000


@dataclass(frozen=True)
class Call:
    """A request and the status that is due. `learn` is given the header and the body of that answer."""

    method: str
    path: str
    due: int
    body: object = None
    header: Mapping[str, str] = field(default_factory=dict)
    learn: Callable[[Mapping[str, str], Any], None] | None = None


class Mix:
    """Calls without end, kind by kind, the ways of a kind in turn. Orders and tasks that were heard of lately are asked
    for again.
    """

    def __init__(self, products: Sequence[str], random: Random) -> None:
        self._products, self._random = products, random
        self._placed: deque[Call] = deque(maxlen=_KEPT)
        self._keyed: deque[Call] = deque(maxlen=_KEPT)
        self._accepted: deque[Call] = deque(maxlen=_KEPT)
        self.kinds: Mapping[str, Iterator[Call]] = {
            "reads": self._in_turn(self._product, self._again(self._placed), self._list, self._absent),
            "orders": self._in_turn(self._order, self._keyed_order, self._again(self._keyed)),
            "tasks": self._in_turn(self._task, self._again(self._accepted)),
            "refused": itertools.cycle(_REFUSED),
        }

    @staticmethod
    def _in_turn(*ways: Callable[[], Call]) -> Iterator[Call]:
        return (way() for way in itertools.cycle(ways))

    def _again(self, known: deque[Call]) -> Callable[[], Call]:
        return lambda: self._random.choice(known) if known else self._product()

    def _product(self) -> Call:
        return Call("GET", f"/products/{self._random.choice(self._products)}", 200)

    def _absent(self) -> Call:
        return Call("GET", f"/products/absent-{self._random.randrange(_USERS)}", 404)

    def _list(self) -> Call:
        return Call("GET", f"/users/{self._user()}/orders", 200)

    def _order(self) -> Call:
        body = {"user_id": self._user(), "product_id": self._random.choice(self._products), "quantity": 1}

        def placed(header: Mapping[str, str], answer: Any) -> None:
            token = {"X-Consistency-Token": header["X-Consistency-Token"]}
            self._placed.append(Call("GET", f"/orders/{answer['order_id']}", 200, header=token))

        return Call("POST", "/orders", 201, body, learn=placed)

    def _keyed_order(self) -> Call:
        call = replace(self._order(), header={"Idempotency-Key": secrets.token_hex(8)})
        return replace(call, learn=lambda *_: self._keyed.append(call))

    def _task(self) -> Call:
        user = self._user()
        body = {"user_id": user, "to": f"{user}@customers.example", "subject": "Your parcel", "body": "It left."}

        def accepted(_header: Mapping[str, str], answer: Any) -> None:
            self._accepted.append(Call("GET", f"/tasks/{answer['task_id']}", 200))

        return Call("POST", "/notifications", 202, body, learn=accepted)

    def _user(self) -> str:
        return f"user-{self._random.randrange(_USERS)}"


_REFUSED = (
    Call("POST", "/orders", 400, body=b"{"),
    Call("POST", "/orders", 422, body={"user_id": "user-1", "product_id": "none", "quantity": 0}),
    Call("POST", "/orders", 404, body={"user_id": "user-1", "product_id": "none", "quantity": 1}),
    Call("POST", "/notifications", 422, body={"user_id": "user-1", "to": "nobody", "subject": "s", "body": "b"}),
    Call("POST", "/notifications", 413, body=b"a" * 65_537),
    Call("GET", "/orders/no-order", 404),
    Call("GET", "/nothing", 404),
    Call("PATCH", "/products/none", 405, body={}),
    Call("GET", "/products/none", 431, header={"X-Large": "x" * 17_000}),
)
