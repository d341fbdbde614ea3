"""An answer of the API server is told apart by what the caller should do about it."""

import json

import pytest

from hcs_operator.kube.errors import BudgetSpent, Conflict, Failed, KubeError, NotFound, Refused, Unavailable, error_of

pytestmark = pytest.mark.unit
TYPO = "failed to create typed patch object (shop/shop-gateway; apps/v1, Kind=Deployment): .nodeAfinity: field not declared"


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (404, "not found", NotFound),
        (409, "exists", Conflict),
        (422, "invalid", Refused),
        (403, "forbidden: exceeded quota", Refused),
        (429, "slow down", Unavailable),
        (500, "failed calling webhook", Failed),
        (500, TYPO, Refused),
        (504, "etcd timed out", Failed),
    ],
)
def test_a_status_is_the_error_to_act_on(status: int, message: str, kind: type[KubeError]) -> None:
    error = error_of(status, json.dumps({"kind": "Status", "message": message}))
    assert type(error) is kind
    assert str(error) == message


def test_a_budget_that_is_used_up_is_told_apart_from_a_server_that_is_busy() -> None:
    words = "The disruption budget shop-db-0 needs 2 healthy pods and has 2 currently"
    cause = {"reason": "DisruptionBudget", "message": words}
    busy, details = {"kind": "Status", "message": "Cannot evict pod"}, {"details": {"causes": [cause]}}
    error = error_of(429, json.dumps({**busy, **details}))
    assert (type(error), str(error)) == (BudgetSpent, words)
    assert type(error_of(429, json.dumps(busy))) is Unavailable
