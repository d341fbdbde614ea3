"""Exports carried out: a ConfigMap of nobody's, written once and read back before anything is given up."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from tests.unit.database.binary_logs import transactions
from tests.unit.database.in_memory import FakeDatabase
from tests.unit.database.views import GROUP, OTHER_GROUP, REPLICATION, view_of

from hcs_operator.act.database import execute
from hcs_operator.act.errant import FILE
from hcs_operator.api.database import ERRANT, Role
from hcs_operator.api.names import Names
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.steps import Clone, Export, Step
from hcs_operator.kube.errors import Refused as KubeRefused
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref
from hcs_operator.mysql import binlog
from hcs_operator.mysql.errors import NotExported, Refused

pytestmark = pytest.mark.unit

STRAYED, DONOR = view_of(None, Role.MEMBER, 2).instance, view_of(None, Role.MEMBER, 1).instance
ERRANT_SET = GtidSet.parse(f"{OTHER_GROUP}:1-3")
EXPORT = Export("shop", "shop", STRAYED, ERRANT_SET, "2026-01-31T12:00:00Z", REPLICATION)
HELD = f"{GROUP}:1-5,{ERRANT_SET}"
REBUILD = Clone(STRAYED, GtidSet.parse(HELD), DONOR, REPLICATION, EXPORT)
PACKED = binlog.pack(binlog.chosen(transactions(ERRANT_SET), ERRANT_SET))
CONFIG_MAP = Ref("ConfigMap", "shop", Names("shop").errant(STRAYED.name, binlog.fingerprint(PACKED)))


class Stage:
    """An API server and a database, in memory."""

    def __init__(self) -> None:
        self.cluster, self.database = Cluster(), FakeDatabase()
        self.database.volume(STRAYED.name).executed = HELD
        self.database.volume(DONOR.name).executed = f"{GROUP}:1-9"

    def do(self, step: Step) -> None:
        asyncio.run(execute(step, self.database, self.cluster))

    @property
    def config_map(self) -> dict[str, Any]:
        return self.cluster.objects[CONFIG_MAP]

    def change(self, **changes: Any) -> None:
        self.cluster.put({**self.config_map, **changes})


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_an_export_is_a_configmap_of_nobodys_that_cannot_be_changed(stage: Stage) -> None:
    stage.do(EXPORT)
    metadata = stage.config_map["metadata"]
    assert metadata["name"].startswith("shop-errant-shop-db-0-2-")
    assert "ownerReferences" not in metadata
    assert metadata["labels"][ERRANT] == STRAYED.name
    assert metadata["annotations"][ERRANT] == str(ERRANT_SET)
    assert metadata["annotations"]["highconcurrency.dev/exported-at"] == "2026-01-31T12:00:00Z"
    assert stage.config_map["immutable"] is True
    assert binlog.covered(base64.b64decode(stage.config_map["binaryData"][FILE])) == ERRANT_SET


def test_an_export_can_be_repeated_and_writes_once(stage: Stage) -> None:
    stage.do(EXPORT)
    stage.do(EXPORT)
    assert stage.cluster.writes == [("create", CONFIG_MAP)]


def test_an_instance_is_rebuilt_once_its_export_is_there(stage: Stage) -> None:
    stage.do(EXPORT)
    stage.do(REBUILD)
    assert stage.database.volume(STRAYED.name).executed == f"{GROUP}:1-9"


def test_what_was_not_saved_before_is_saved_and_not_given_up_yet(stage: Stage) -> None:
    stage.do(REBUILD)
    assert stage.database.performed == []
    stage.do(REBUILD)
    assert stage.database.performed == [REBUILD]
    assert binlog.covered(base64.b64decode(stage.config_map["binaryData"][FILE])) == ERRANT_SET


def test_the_same_gtids_over_other_rows_are_other_transactions(stage: Stage) -> None:
    stage.do(EXPORT)
    stage.database.volume(STRAYED.name).rows = b"DELETE"
    stage.do(REBUILD)
    assert stage.database.performed == []
    assert len([ref for ref in stage.cluster.objects if ref.kind == "ConfigMap"]) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"binaryData": {}}, "damaged"),
        ({"binaryData": {FILE: "not base64"}}, "damaged"),
        ({"binaryData": {FILE: base64.b64encode(binlog.pack([])).decode()}}, "other transactions"),
        ({"metadata": {"name": CONFIG_MAP.name, "namespace": "shop"}}, "has lost its label"),
    ],
)
def test_an_export_that_was_interfered_with_gives_nothing_up(stage: Stage, changes: dict[str, Any], words: str) -> None:
    stage.do(EXPORT)
    stage.change(**changes)
    with pytest.raises(NotExported, match=words):
        stage.do(REBUILD)
    with pytest.raises(NotExported, match=words):
        stage.do(EXPORT)
    assert stage.database.performed == []


def test_what_came_after_the_export_is_not_given_up(stage: Stage) -> None:
    stage.do(EXPORT)
    stage.database.volume(STRAYED.name).executed += f",{OTHER_GROUP}:1-4"
    with pytest.raises(Refused, match="than at the look"):
        stage.do(REBUILD)


def test_a_configmap_that_the_api_server_refuses_is_a_failure_of_this_instance_alone(stage: Stage) -> None:
    stage.cluster.refuse["create", CONFIG_MAP] = KubeRefused("quota")
    with pytest.raises(NotExported, match="does not take"):
        stage.do(EXPORT)


def test_two_sets_of_one_instance_have_two_configmaps(stage: Stage) -> None:
    stage.do(EXPORT)
    stage.database.volume(STRAYED.name).executed += f",{OTHER_GROUP}:4"
    stage.do(Export("shop", "shop", STRAYED, GtidSet.parse(f"{OTHER_GROUP}:1-4"), "later", REPLICATION))
    assert len([ref for ref in stage.cluster.objects if ref.kind == "ConfigMap"]) == 2
