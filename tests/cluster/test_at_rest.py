"""The operator at rest. Whatever comes later in the rung leaves work behind that has to end before."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.cluster import members
from tests.cluster.conftest import OPERATOR_NAMESPACE, SAMPLES_NAMESPACE, Stack
from tests.cluster.kubectl import in_node, until

from hcs_operator.runtime.lease import RENEW

pytestmark = pytest.mark.cluster

AUDIT_LOG = "/var/log/kubernetes/audit.log"
REST_SECONDS = 60


def test_at_rest_the_operator_writes_nothing_but_its_lease(shop: Stack) -> None:
    """`make up` ends while the database still grows, and a member that is copied looks like rest."""
    shop.until_ready()
    members.until_safe(shop)
    shop.until_condition("Reconciling", "False", 120)
    until("workers are at rest", lambda: not shop.kubectl.pods("shop", "worker"), 180)
    until("nothing but Leases for 10 s", _only_leases, 120)
    started = time.monotonic()
    writes = _writes_for(REST_SECONDS)
    watched = time.monotonic() - started
    leases = [write for write in writes if _is_lease(write)]
    others = [
        f"{w['verb']} {w['objectRef'].get('resource')}/{w['objectRef'].get('name')}" for w in writes if w not in leases
    ]
    print(f"    {len(leases)} Lease renewals, {len(others)} other writes in {REST_SECONDS} s")
    assert not others
    assert leases, "the audit log shows nothing at all: it proves nothing"
    assert len(leases) <= watched / RENEW + 1
    assert not shop.resource()["metadata"].get("finalizers")


def _only_leases() -> bool:
    """Whether ten seconds' writes are Leases alone, and are seen: one is renewed each five seconds."""
    writes = _writes_for(10)
    return bool(writes) and all(_is_lease(write) for write in writes)


def _is_lease(write: dict[str, Any]) -> bool:
    return bool(write["objectRef"].get("resource") == "leases")


def _writes_for(seconds: float) -> list[dict[str, Any]]:
    """The operator's writes about the sample stack and itself that the audit log gained while waiting so long."""
    node = "hcs-control-plane"
    start = int(in_node(node, "sh", "-c", f"wc -l < {AUDIT_LOG}"))
    time.sleep(seconds)
    shown = in_node(node, "tail", "-n", f"+{start + 1}", AUDIT_LOG)
    whole, _, _ = shown.rpartition("\n")  # the last line may be half written
    entries = [json.loads(line) for line in whole.splitlines()]
    return [
        entry
        for entry in entries
        if entry["user"]["username"].startswith(f"system:serviceaccount:{OPERATOR_NAMESPACE}:")
        and entry["verb"] in {"create", "update", "patch", "delete", "deletecollection"}
        and entry["objectRef"].get("namespace") in {SAMPLES_NAMESPACE, OPERATOR_NAMESPACE}
    ]
