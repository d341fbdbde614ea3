"""The sample payment provider: exact counts, whatever is repeated."""

from __future__ import annotations

import asyncio
import time

import pytest
from fastapi import HTTPException
from samples.payment_stub import ChargeRequest, Ledger, RefundRequest

pytestmark = pytest.mark.unit


def request(token: str = "tok_ok", amount: str = "19.90") -> ChargeRequest:
    return ChargeRequest(amount=amount, currency="EUR", method_token=token)


async def status_of(ledger: Ledger, key: str, token: str) -> int:
    try:
        await ledger.charge(key, request(token))
    except HTTPException as error:
        return error.status_code
    return 200


async def test_one_key_charges_once_however_often_it_is_repeated() -> None:
    ledger = Ledger()
    charges = await asyncio.gather(*(ledger.charge("payment:t:o", request()) for _ in range(20)))
    assert len({charge["id"] for charge in charges}) == 1
    assert len(ledger.charges) == 1


async def test_the_order_is_the_last_part_of_the_key() -> None:
    assert (await Ledger().charge("payment:task:order", request()))["order_id"] == "order"


async def test_a_key_with_another_body_is_refused() -> None:
    ledger = Ledger()
    await ledger.charge("k", request())
    with pytest.raises(HTTPException) as refused:
        await ledger.charge("k", request(amount="1.00"))
    assert refused.value.status_code == 422


@pytest.mark.parametrize(
    ("token", "statuses"),
    [
        ("tok_ok_visa", [200, 200]),
        ("tok_declined", [402, 402]),
        ("tok_flaky", [503, 503, 200, 200]),
        ("tok_down", [503, 503, 503, 503]),
        ("tok_unheard_of", [422]),
    ],
)
async def test_a_token_decides_the_outcome(token: str, statuses: list[int]) -> None:
    ledger = Ledger()
    assert [await status_of(ledger, "k", token) for _ in statuses] == statuses
    assert len(ledger.charges) == (1 if 200 in statuses else 0)


async def test_a_flaky_token_fails_twice_for_each_key() -> None:
    ledger = Ledger()
    assert [await status_of(ledger, key, "tok_flaky") for key in ("a", "b", "a", "b", "a", "b")] == [503] * 4 + [
        200
    ] * 2


async def test_a_slow_token_answers_after_its_time_and_a_repeat_waits_for_it() -> None:
    ledger, started = Ledger(), time.monotonic()
    first, second = await asyncio.gather(*(ledger.charge("k", request("tok_slow_50")) for _ in range(2)))
    assert first == second
    assert time.monotonic() - started >= 0.05
    assert len(ledger.charges) == 1


async def test_a_charge_is_refunded_once() -> None:
    ledger = Ledger()
    charge = await ledger.charge("k", request())
    wanted = RefundRequest(charge=charge["id"])
    assert await ledger.refund("r", wanted) == await ledger.refund("r", wanted)
    with pytest.raises(HTTPException) as refused:
        await ledger.refund("another", wanted)
    assert refused.value.status_code == 409
    assert ledger.charges[charge["id"]]["refunded"]


async def test_an_unknown_charge_cannot_be_refunded() -> None:
    with pytest.raises(HTTPException) as refused:
        await Ledger().refund("r", RefundRequest(charge="ch_none"))
    assert refused.value.status_code == 404
