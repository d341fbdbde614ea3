"""A real API server keeps an export of the largest size, and lets nobody change it."""

import base64
import os

import pytest
from tests.unit.database.binary_logs import format_description, transaction
from tests.unit.database.in_memory import FakeDatabase
from tests.unit.database.views import OTHER_GROUP, REPLICATION, view_of

from hcs_operator.act.database import execute
from hcs_operator.act.errant import FILE
from hcs_operator.api.database import ERRANT as ERRANT_LABEL
from hcs_operator.api.database import Role
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.steps import Export
from hcs_operator.kube.aio import Client
from hcs_operator.kube.errors import Refused
from hcs_operator.mysql import binlog

pytestmark = pytest.mark.apiserver

ERRANT = GtidSet.parse(f"{OTHER_GROUP}:7")


class Noisy(FakeDatabase):
    """One transaction that fills an export to its limit."""

    async def export(self, step: Export) -> bytes:
        rows = transaction(OTHER_GROUP, 7, os.urandom(binlog.PACKED_LIMIT - 2048))
        packed = binlog.pack([format_description(), *rows])
        assert len(packed) > binlog.PACKED_LIMIT - 2048
        return packed


async def test_the_largest_export_is_kept_and_cannot_be_changed(kube: Client, namespace: str) -> None:
    instance = view_of(None, Role.MEMBER, 2).instance
    step = Export(namespace, "shop", instance, ERRANT, "2026-01-31T12:00:00Z", REPLICATION)
    await execute(step, Noisy(), kube)
    (document,) = (await kube.list("ConfigMap", namespace, ERRANT_LABEL)).items
    assert binlog.covered(base64.b64decode(document["binaryData"][FILE])) == ERRANT
    changed = {name: document[name] for name in ("apiVersion", "kind")} | {"binaryData": {FILE: "AAAA"}}
    with pytest.raises(Refused):
        await kube.apply({**changed, "metadata": {"name": document["metadata"]["name"], "namespace": namespace}})
