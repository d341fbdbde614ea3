"""Saves an instance's own transactions in a ConfigMap of nobody's, and reads it back before they are given up.

The ConfigMap has no owner, so that it outlives its stack, and is immutable: an export is written once or not at all.
"""

import base64
from typing import Any

from hcs_operator.api.database import ERRANT, EXPORTED_AT, Role
from hcs_operator.api.labels import labels
from hcs_operator.api.names import DB, REPLICA, Names
from hcs_operator.decide.database.steps import Export
from hcs_operator.kube.errors import Conflict, Failed, Refused
from hcs_operator.kube.port import Kube, Ref
from hcs_operator.mysql import binlog
from hcs_operator.mysql.errors import NotExported
from hcs_operator.mysql.port import DatabasePort

FILE = "errant.binlog.gz"
"""Key of the gzipped binary log."""


async def export(step: Export, port: DatabasePort, kube: Kube) -> bool:
    """Save them if that was not done, and see that it was; return whether these very ones had been saved before.

    Raises NotExported, and what port and API server raise. Safe to repeat.
    """
    packed = await port.export(step)
    name = Names(step.stack).errant(step.instance.name, binlog.fingerprint(packed))
    ref = Ref("ConfigMap", step.namespace, name)
    saved = await kube.get(ref) is not None
    if not saved:
        try:
            await kube.create(_document(step, name, packed))
        except Conflict:
            pass  # another operator was faster, with the same transactions: they are read back
        except (Refused, Failed) as failure:
            raise NotExported(f"the API server does not take ConfigMap {name}: {failure}") from failure
    _read_back(step, name, await kube.get(ref))
    return saved


def _read_back(step: Export, name: str, document: dict[str, Any] | None) -> None:
    """See that the ConfigMap as it is stored holds each of these transactions, and is found again by what it says."""
    if document is None:
        raise NotExported(f"ConfigMap {name} is not there")
    found = {it: (document["metadata"].get(it) or {}).get(ERRANT) for it in ("labels", "annotations")}
    if found != {"labels": step.instance.name, "annotations": str(step.errant)}:
        raise NotExported(f"ConfigMap {name} has lost its label or annotation {ERRANT}; delete it to have it made anew")
    try:
        packed = base64.b64decode((document.get("binaryData") or {}).get(FILE, ""), validate=True)
        missing = step.errant - binlog.covered(packed)
        same = name.endswith(binlog.fingerprint(packed))
    except ValueError as damage:
        raise NotExported(f"ConfigMap {name} is damaged ({damage}); delete it to have it made anew") from damage
    if missing or not same:
        raise NotExported(f"ConfigMap {name} holds other transactions than it says; delete it to have it made anew")


def _document(step: Export, name: str, packed: bytes) -> dict[str, Any]:
    component = REPLICA if step.instance.role is Role.READER else DB
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": step.namespace,
            "labels": {**labels(step.stack, component), ERRANT: step.instance.name},
            "annotations": {ERRANT: str(step.errant), EXPORTED_AT: step.at},
        },
        "immutable": True,
        "binaryData": {FILE: base64.b64encode(packed).decode()},
    }
