"""The worker's outside parts as Protocols, so that handlers and the runner can be tested without any of them."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

from hcs_services.cache import Change
from hcs_services.database.members import PrimaryPool
from hcs_services.worker.task import Permanent

PAYMENT: Final = "spec.workers.handlers.payment"
"""Where the stack's resource names its payment provider."""

Part = TypeVar("Part")

Page = list[dict[str, Any]]
"""Some rows of `orders`, never none."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail; a repeat carries the same `message_id`."""

    message_id: str
    to: str
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Charge:
    """What to charge, and under which key; the same key never charges twice."""

    key: str
    amount: Decimal
    currency: str
    method_token: str


class Mailer(Protocol):
    """Hands mails to an SMTP server."""

    async def send(self, mail: Mail) -> None:
        """Raises Permanent if the server refuses it for good, Transient otherwise."""


class PaymentProvider(Protocol):
    """Charges and refunds."""

    async def charge(self, charge: Charge) -> str:
        """The charge's id. Raises Permanent if declined, Transient if the provider does not (clearly) answer."""

    async def refund(self, key: str, charge_id: str) -> None:
        """Give a charge back. Raises as `charge` does."""


class Store(Protocol):
    """An object store."""

    async def put_if_absent(self, key: str, body: bytes, content_type: str) -> bool:
        """False if the key was taken."""

    async def get(self, key: str) -> bytes | None:
        """The object, or None."""


class OrderReads(Protocol):
    """Reads of orders that may be large: page by page, and off the primary where a replica is recent enough."""

    def of_user(self, user_id: str, start: datetime, end: datetime) -> AsyncGenerator[Page]:
        """The user's orders created in `[start, end)`, oldest first."""

    def changed_since(self, since: datetime) -> AsyncGenerator[Page]:
        """The orders changed since then, oldest change first, each order once."""


class OrderCache(Protocol):
    """The inline side of cache invalidation: best effort, never raises."""

    async def put_many(self, changes: Iterable[Change]) -> bool:
        """Put committed states, each unless a newer one is held."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All of them; `mailer`, `provider` and `store` are None where the stack names none."""

    primary: PrimaryPool
    reads: OrderReads
    mailer: Mailer | None
    provider: PaymentProvider | None
    store: Store | None


def required(part: Part | None, field: str) -> Part:
    """The part, which the stack's resource names at `field`. Raises Permanent: trying again configures nothing."""
    if part is None:
        raise Permanent("not-configured", f"the task needs {field}, which the HighConcurrencyStack does not set")
    return part
