"""The operator at rest. Whatever comes later in the rung leaves work behind that has to end before."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from tests.cluster import members
from tests.cluster.conftest import OPERATOR_NAMESPACE, SAMPLES_NAMESPACE, Stack
from tests.cluster.kubectl import in_node, until

from hcs_operator.runtime.lease import RENEW

pytestmark = pytest.mark.cluster

AUDIT_LOG = "/var/log/kubernetes/audit.log"
MINUTE = timedelta(seconds=60)


def test_at_rest_the_operator_writes_nothing_but_its_lease(shop: Stack) -> None:
    """By the last minute of the audit log: the tests before this one have stacks of their own, and leave the sample stack
    alone long enough. `make up` ends while the database still grows, and a member that is copied looks like rest.
    """
    shop.until_ready()
    members.until_safe(shop)
    shop.until_condition("Reconciling", "False", 120)
    until("workers are at rest", lambda: not shop.kubectl.pods("shop", "worker"), 180)
    told = until("the last minute's writes are Leases alone", _last_minute, 120)
    print(f"    {told.leases} Lease renewals")
    assert told.leases <= MINUTE.total_seconds() / RENEW + 1
    assert not shop.resource()["metadata"].get("finalizers")


class Told(NamedTuple):
    """What was written, true if it was Leases and nothing else."""

    leases: int
    others: list[str]

    def __bool__(self) -> bool:
        return self.leases > 0 and not self.others


def _last_minute() -> Told:
    """By the audit log, which is to be older than that."""
    begun = datetime.now(UTC) - MINUTE
    writes = _writes()
    recent = [write["objectRef"] | {"verb": write["verb"]} for write in writes if _at(write) >= begun]
    others = [f"{it['verb']} {it.get('resource')}/{it.get('name')}" for it in recent if it.get("resource") != "leases"]
    return Told(0 if len(recent) == len(writes) else len(recent) - len(others), others)


def _at(write: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(write["stageTimestamp"])


def _writes() -> list[dict[str, Any]]:
    """The operator's writes about the sample stack and itself, as the audit log has them."""
    shown = in_node("hcs-control-plane", "grep", f":{OPERATOR_NAMESPACE}:", AUDIT_LOG)
    whole, _, _ = shown.rpartition("\n")  # the last line may be half written
    entries = [json.loads(line) for line in whole.splitlines()]
    return [
        entry
        for entry in entries
        if entry["user"]["username"].startswith(f"system:serviceaccount:{OPERATOR_NAMESPACE}:")
        and entry["verb"] in {"create", "update", "patch", "delete", "deletecollection"}
        and entry["objectRef"].get("namespace") in {SAMPLES_NAMESPACE, OPERATOR_NAMESPACE}
    ]
