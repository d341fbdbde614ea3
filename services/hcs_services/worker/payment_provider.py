"""The payment provider over HTTP: `POST /charges`, `POST /refunds`, both with `Idempotency-Key`.

2xx is done, 402 declined for good, any other 4xx a request that will not get better; a 5xx or 30 s without an answer is
worth another try. 503 says that the provider did not take the request; after other 5xx and after silence it may have
acted all the same, so those are marked unclear.
"""

import json
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from hcs_services.money import format_money
from hcs_services.worker.ports import Charge
from hcs_services.worker.task import DECLINED, Permanent, Transient

TIMEOUT_SECONDS: Final = 30.0


class HttpPaymentProvider:
    """The provider at `url`; its token is read for each call, None where not set."""

    def __init__(self, url: str, token: Callable[[], str | None], *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._http: aiohttp.ClientSession | None = None

    async def charge(self, charge: Charge) -> str:
        """Charge; returns the charge's id."""
        body = {
            "amount": format_money(charge.amount),
            "currency": charge.currency,
            "method_token": charge.method_token,
        }
        status, answer = await self._post("/charges", charge.key, body)
        charge_id = answer.get("id")
        if not isinstance(charge_id, str) or not 0 < len(charge_id) <= 57 or not charge_id.isascii():
            raise Transient("provider", f"the provider answered {status} without a charge id", unclear=True)
        return charge_id

    async def refund(self, key: str, charge_id: str) -> None:
        """Refund; a charge that was refunded before is refunded."""
        try:
            await self._post("/refunds", key, {"charge": charge_id})
        except Permanent as error:
            if error.reason != "provider-409":
                raise

    async def close(self) -> None:
        """Close the connections; safe to repeat."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def _post(self, path: str, key: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=self._timeout)
        headers = {"Idempotency-Key": key}
        token = self._token()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with self._http.post(self._url + path, json=body, headers=headers) as answer:
                status, content = answer.status, await answer.read()
        except aiohttp.ClientConnectorError as error:
            raise Transient("provider", "the payment provider cannot be reached") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Transient("provider", f"{type(error).__name__} from the payment provider", unclear=True) from error
        if 200 <= status < 300:
            return status, _document(content)
        raise _refusal(status)


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _refusal(status: int) -> Permanent | Transient:
    if status == 402:
        return Permanent(DECLINED, "the payment was declined")
    if status in (408, 425, 429) or status >= 500:
        unclear = status >= 500 and status != 503
        return Transient("provider", f"the payment provider answered {status}", unclear=unclear)
    return Permanent(f"provider-{status}", f"the payment provider answered {status}")
