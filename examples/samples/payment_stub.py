"""A payment provider for the sample stack: `python -m samples.payment_stub`, on HTTP_PORT (8082).

`POST /charges {amount, currency, method_token}` and `POST /refunds {charge}`, both with `Idempotency-Key`: the same key
is answered with the same outcome and never acts twice; requests with one key wait for each other. `GET /charges` lists.

method_token    outcome
`tok_ok…`       paid
`tok_declined…` 402
`tok_flaky…`    503 the first two times for a key, then paid
`tok_down…`     503 always
`tok_slow_<ms>` paid, answered after that time
"""

import asyncio
import re
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic_settings import BaseSettings

FLAKY_FAILURES = 2
_SLOW = re.compile(r"tok_slow_(\d{1,7})")


class Settings(BaseSettings):
    """Where to listen."""

    http_port: int = 8082


class ChargeRequest(BaseModel):
    """What to charge; the amount is a decimal string."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    amount: Annotated[str, StringConstraints(pattern=r"^\d{1,10}(\.\d{1,2})?$")]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    method_token: str


class RefundRequest(BaseModel):
    """Which charge to give back."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    charge: str


class Ledger:
    """Charges and refunds by idempotency key; every method is one atomic step."""

    def __init__(self) -> None:
        self.charges: dict[str, dict[str, Any]] = {}
        self._outcomes: dict[str, tuple[BaseModel, dict[str, Any] | None]] = {}
        self._failures: Counter[str] = Counter()
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def charge(self, key: str, request: ChargeRequest) -> dict[str, Any]:
        """Charge once for this key, or repeat its outcome. Raises HTTPException for 402, 422 and 503."""
        async with self._locks[key]:
            if key in self._outcomes:
                return self._repeat(key, request)
            token = request.method_token
            slow = _SLOW.fullmatch(token)
            if slow:
                await asyncio.sleep(int(slow.group(1)) / 1000)
            if token.startswith("tok_declined"):
                self._outcomes[key] = (request, None)
                return self._repeat(key, request)
            if token.startswith("tok_down") or (token.startswith("tok_flaky") and self._fails_again(key)):
                raise HTTPException(503, "the provider is not available")
            if not (slow or token.startswith(("tok_ok", "tok_flaky"))):
                raise HTTPException(422, "no such method_token")
            self._outcomes[key] = (request, self._new_charge(key, request))
            return self._repeat(key, request)

    async def refund(self, key: str, request: RefundRequest) -> dict[str, Any]:
        """Give a charge back once. Raises HTTPException for an unknown or otherwise refunded charge."""
        async with self._locks[key]:
            if key in self._outcomes:
                return self._repeat(key, request)
            charge = self.charges.get(request.charge)
            if charge is None:
                raise HTTPException(404, "no such charge")
            if charge["refunded"]:
                raise HTTPException(409, "refunded before")
            charge["refunded"] = True
            refund = {"id": f"re_{len(self._outcomes) + 1:08d}", "charge": request.charge, "amount": charge["amount"]}
            self._outcomes[key] = (request, refund)
            return refund

    def _repeat(self, key: str, request: BaseModel) -> dict[str, Any]:
        first, outcome = self._outcomes[key]
        if first != request:
            raise HTTPException(422, "this Idempotency-Key was used with another body")
        if outcome is None:
            raise HTTPException(402, "declined")
        return outcome

    def _fails_again(self, key: str) -> bool:
        self._failures[key] += 1
        return self._failures[key] <= FLAKY_FAILURES

    def _new_charge(self, key: str, request: ChargeRequest) -> dict[str, Any]:
        charge: dict[str, Any] = {
            "id": f"ch_{uuid.uuid4().hex}",  # never given twice, whatever was forgotten in a restart
            "amount": request.amount,
            "currency": request.currency,
            "idempotency_key": key,
            # The caller's keys end in the order's id: shown on its own, so that a test can count by order.
            "order_id": key.rpartition(":")[2],
            "refunded": False,
            "created_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        self.charges[charge["id"]] = charge
        return charge


def app(ledger: Ledger) -> FastAPI:
    """The provider's HTTP API."""
    api = FastAPI(title="Sample payment provider")
    key_header = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=255)]

    @api.post("/charges")
    async def charge(body: ChargeRequest, key: key_header) -> dict[str, Any]:
        return await ledger.charge(key, body)

    @api.post("/refunds")
    async def refund(body: RefundRequest, key: key_header) -> dict[str, Any]:
        return await ledger.refund(key, body)

    @api.get("/charges")
    async def charges() -> list[dict[str, Any]]:
        return list(ledger.charges.values())

    @api.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"ok": True}

    return api


def main() -> None:
    """Serve until SIGTERM."""
    uvicorn.run(app(Ledger()), host="0.0.0.0", port=Settings().http_port, log_level="info", access_log=False)


if __name__ == "__main__":
    main()
