"""A real API server takes every document that is built, and gives it back such that there is nothing left to send."""

import dataclasses
from typing import Any

import pytest
from tests.unit.build.stacks import FULL, QUEUE_OF_THREE, context, stack

from hcs_operator.build import desired
from hcs_operator.decide.diff import drift, stamped
from hcs_operator.kube.aio import Client

pytestmark = pytest.mark.apiserver
CASES: dict[str, tuple[dict[str, Any], dict[str, int | None]]] = {
    "smallest": ({}, {}),
    "full": (FULL, {"worker": 3, "replica": 2}),
    "queue of three": (QUEUE_OF_THREE, {}),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_was_applied_needs_no_second_apply(kube: Client, namespace: str, case: str) -> None:
    spec, counts = CASES[case]
    placed = dataclasses.replace(stack(spec), namespace=namespace)
    for item in desired(placed, context(**counts)):
        document = stamped(item.document)
        live = await kube.apply(document)
        assert drift(document, live) is None, document["kind"]
