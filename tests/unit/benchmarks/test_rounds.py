"""Contenders take turns: the same number each, another one first in each round, and at rest before the next."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from benchmarks.services.measurement import Sample
from benchmarks.services.rounds import STEADY, WARM_UP_SECONDS, Comparison, Contender, measure

pytestmark = pytest.mark.unit


def driven(told: list[str], name: str) -> Callable[[float], Sample]:
    def drive(seconds: float) -> Sample:
        told.append(f"{name} {seconds:g}")
        return Sample(float(len(told)), 1, 2, 0.5)

    return drive


def test_each_round_begins_with_another_one_after_a_turn_that_does_not_count() -> None:
    told: list[str] = []
    contenders = [Contender(name, driven(told, name)) for name in "abc"]
    result = measure(Comparison("row", "Row", contenders), 3, 5, {"load before": "0.1"})
    warm = [f"{name} {WARM_UP_SECONDS:g}" for name in "abc"]
    assert told == [*warm, "a 5", "b 5", "c 5", "b 5", "c 5", "a 5", "c 5", "a 5", "b 5"]
    assert {series.name: series.rates for series in result.series} == {
        "a": [4, 9, 11],
        "b": [5, 7, 12],
        "c": [6, 8, 10],
    }


def test_one_is_at_rest_before_the_next_has_its_turn() -> None:
    told: list[str] = []
    first = Contender("first", driven(told, "first"), settle=lambda: told.append("rest"))
    measure(Comparison("row", "Row", [first, Contender("next", driven(told, "next"))]), 1, 5, {})
    assert told == ["first 1", "rest", "next 1", "first 5", "rest", "next 5"]


def test_those_that_can_then_have_their_turns_at_seven_tenths_of_the_products_median_rate() -> None:
    told: list[str] = []

    def at_rate(name: str, rate: float, seconds: float) -> Sample:
        told.append(f"{name}: {rate:g} for {seconds:g}")
        return Sample(rate, 1, 2, 0.5)

    rates = iter([500.0, 100.0, 200.0, 400.0])
    product = Contender("product", lambda _: Sample(next(rates), 1, 2, 1), at_rate=partial(at_rate, "product"))
    others = [
        Contender("plain", lambda _: Sample(50, 1, 2, 1)),
        Contender("Envoy", lambda _: Sample(900, 1, 2, 1), at_rate=partial(at_rate, "Envoy")),
    ]
    result = measure(Comparison("row", "Row", [product, *others]), 3, 5, {})
    assert told == [f"product: 140 for {5 * STEADY}", f"Envoy: 140 for {5 * STEADY}"] * 3
    assert [(series.name, series.rates) for series in result.steady] == [
        ("product at 70%", [140] * 3),
        ("Envoy at that rate", [140] * 3),
    ]


def test_where_the_load_takes_from_the_product_it_is_seven_tenths_of_what_is_done_beside_it() -> None:
    asked: list[tuple[float, float]] = []

    def at_rate(rate: float, seconds: float) -> Sample:
        asked.append((rate, seconds))
        return Sample(min(rate, 100), 1, 2, 0.5)

    product = Contender("product", lambda _: Sample(400, 1, 2, 1), at_rate=at_rate)
    measure(Comparison("row", "Row", [product], lambda *asks: at_rate(*asks).per_second), 1, 5, {})
    assert asked == [(400, 5 * STEADY), (70, 5 * STEADY)]


def test_what_fails_names_whose_turn_it_was() -> None:
    def refused(_seconds: float) -> Sample:
        raise RuntimeError("refused")

    with pytest.raises(RuntimeError) as raised:
        measure(Comparison("row", "Row", [Contender("Envoy", refused)]), 1, 5, {})
    assert raised.value.__notes__ == ["it was the turn of: Envoy"]
