"""Saves an instance's own transactions in a ConfigMap of nobody's, and reads it back before they are given up.

The ConfigMap has no owner, so that it outlives its stack, and is immutable: an export is written once or not at all.
"""

import base64
from typing import Any

from hcs_operator.api.database import ERRANT, Role
from hcs_operator.api.labels import labels
from hcs_operator.api.names import DB, REPLICA
from hcs_operator.decide.database.steps import Export
from hcs_operator.kube.errors import Conflict, Failed, Refused
from hcs_operator.kube.port import Kube, Ref
from hcs_operator.mysql import binlog
from hcs_operator.mysql.errors import NotExported
from hcs_operator.mysql.port import DatabasePort

FILE = "errant.binlog.gz"
"""Key of the gzipped binary log."""
EXPORTED_AT = "highconcurrency.dev/exported-at"
"""Annotation: when it was decided to save them."""


async def export(step: Export, port: DatabasePort, kube: Kube) -> None:
    """Save them, if that was not done; raises NotExported, and what port and API server raise. Safe to repeat."""
    if await kube.get(_ref(step)) is None:
        document = _document(step, await port.export(step))
        try:
            await kube.create(document)
        except Conflict:
            pass  # another operator was faster, with the same transactions: they are read back
        except (Refused, Failed) as failure:
            raise NotExported(f"the API server does not take ConfigMap {step.name}: {failure}") from failure
    await read_back(step, kube)


async def read_back(step: Export, kube: Kube) -> None:
    """See that the ConfigMap as it is stored holds each of these transactions; raises NotExported."""
    document = await kube.get(_ref(step))
    if document is None:
        raise NotExported(f"ConfigMap {step.name} is not there")
    if ERRANT not in (document["metadata"].get("labels") or {}):
        raise NotExported(f"ConfigMap {step.name} has not the label {ERRANT}, by which it is found; give it back")
    try:
        packed = base64.b64decode((document.get("binaryData") or {}).get(FILE, ""), validate=True)
        missing = step.errant - binlog.covered(packed)
    except ValueError as damage:
        raise NotExported(f"ConfigMap {step.name} is damaged ({damage}); delete it to have it made anew") from damage
    if missing:
        raise NotExported(f"ConfigMap {step.name} lacks {missing}; delete it to have it made anew")


def _ref(step: Export) -> Ref:
    return Ref("ConfigMap", step.namespace, step.name)


def _document(step: Export, packed: bytes) -> dict[str, Any]:
    component = REPLICA if step.instance.role is Role.READER else DB
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": step.name,
            "namespace": step.namespace,
            "labels": {**labels(step.stack, component), ERRANT: step.instance.name},
            "annotations": {ERRANT: str(step.errant), EXPORTED_AT: step.at},
        },
        "immutable": True,
        "binaryData": {FILE: base64.b64encode(packed).decode()},
    }
