"""An answer of the API server is told apart by what the caller should do about it."""

import json

import pytest

from hcs_operator.kube.errors import Conflict, Failed, KubeError, NotFound, Refused, Unavailable, error_of

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
