"""The store holds the newest state of each object, by stack, whatever order things are seen in."""

from typing import Any

import pytest

from hcs_operator.kube.port import Ref
from hcs_operator.observe.store import Key, WatchStore, slim

pytestmark = pytest.mark.unit
KEY = Key("shop", "shop")
REF = Ref("ConfigMap", "shop", "a")


def child(version: int, *, uid: str = "u", stack: str = "shop", **body: Any) -> dict[str, Any]:
    metadata = {
        "name": "a",
        "namespace": "shop",
        "uid": uid,
        "resourceVersion": str(version),
        "labels": {"highconcurrency.dev/stack": stack},
        "managedFields": [{"manager": "x"}],
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **body}


def test_a_child_is_found_by_its_stack_and_only_by_it() -> None:
    store = WatchStore()
    assert store.put(child(1)) == KEY
    assert len(store.children(KEY)) == 1
    assert store.children(Key("shop", "shop-2")) == []


def test_an_older_state_that_comes_late_is_ignored() -> None:
    store = WatchStore()
    store.put(child(5, data={"x": "new"}))
    store.put(child(4, data={"x": "old"}))
    found = store.get(REF)
    assert found is not None
    assert found["data"] == {"x": "new"}


def test_a_late_deletion_does_not_hit_the_successor() -> None:
    store = WatchStore()
    store.put(child(5, uid="second"))
    store.drop(child(4, uid="first"))
    assert store.get(REF) is not None


def test_a_list_that_was_read_before_a_deletion_does_not_undo_it() -> None:
    store = WatchStore()
    store.put(child(5))
    store.drop(child(8))
    store.reset("ConfigMap", "", [child(5)], "7")
    assert store.get(REF) is None
    assert store.put(child(9, uid="second")) == KEY


def test_a_late_state_of_an_earlier_life_does_not_replace_the_successor() -> None:
    store = WatchStore()
    store.put(child(5, uid="second"))
    assert store.put(child(4, uid="first")) is None


def test_managed_fields_are_not_kept() -> None:
    store = WatchStore()
    store.put(child(1))
    found = store.get(REF)
    assert found is not None
    assert "managedFields" not in found["metadata"]


def test_the_bytes_of_an_export_are_not_kept() -> None:
    store = WatchStore()
    store.put(child(1, binaryData={"errant.binlog.gz": "AAAA"}))
    found = store.get(REF)
    assert found is not None
    assert "binaryData" not in found


def test_a_list_heals_a_deletion_that_no_watch_told() -> None:
    store = WatchStore()
    store.put(child(3))
    store.reset("ConfigMap", "", [], "10")
    assert (store.get(REF), store.children(KEY)) == (None, [])


def test_a_list_does_not_take_away_what_was_made_after_it() -> None:
    store = WatchStore()
    store.put(child(12))
    store.reset("ConfigMap", "", [], "10")
    assert store.get(REF) is not None


def test_a_list_of_one_namespace_says_nothing_of_another() -> None:
    store = WatchStore()
    store.put(child(3))
    store.reset("ConfigMap", "other", [], "10")
    assert store.get(REF) is not None


def test_a_child_that_changes_its_stack_leaves_the_old_one() -> None:
    store = WatchStore()
    store.put(child(1))
    store.put(child(2, stack="other"))
    assert store.children(KEY) == []


def test_of_a_pods_volumes_those_with_secrets_are_kept() -> None:
    secret = {"name": "cache", "secret": {"secretName": "shop-cache"}}
    spec = {"containers": [], "volumes": [secret, {"name": "tmp", "emptyDir": {}}]}
    assert slim({**child(1, spec=spec), "kind": "Pod"})["spec"]["volumes"] == [secret]
