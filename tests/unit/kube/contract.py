"""What the operator relies on, whichever implementation of the port it talks to: run against the fake and a real API server."""

import copy
from typing import Any

import pytest
from tests.apiserver.control_plane import until

from hcs_operator.kube.errors import BudgetSpent, Conflict
from hcs_operator.kube.port import Kube, Ref


def config_map(namespace: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": namespace, "labels": {"highconcurrency.dev/stack": "shop"}},
        "data": data,
    }


def deployment(namespace: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "a:1", "env": [{"name": "A", "value": "1"}]}
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template, **spec},
    }


async def serving(kube: Kube, namespace: str) -> dict[str, Any]:
    """A pod that runs and is ready, as budgets protect no other; on no node, so nobody is waited for when it goes."""
    metadata: dict[str, Any] = {"name": "a", "namespace": namespace, "labels": {"app": "a"}}
    head = {"apiVersion": "v1", "kind": "Pod"}
    container = {"name": "main", "image": "a:1"}
    await kube.apply({**head, "metadata": metadata, "spec": {"containers": [container]}})
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    named = {"name": "a", "namespace": namespace}
    return await kube.apply({**head, "metadata": named, "status": status}, subresource="status")


class KubeContract:
    """Subclasses provide the fixtures `kube` and `namespace`."""

    async def collector_has_seen(self, kube: Kube, document: dict[str, Any]) -> None:
        """Wait until the garbage collector, if there is one, knows of an object."""

    async def test_events_are_found_by_what_they_are_about(self, kube: Kube, namespace: str) -> None:
        about = {"kind": "Pod", "name": "a", "namespace": namespace}
        for uid in ("one", "two"):
            metadata = {"name": f"a.{uid}", "namespace": namespace}
            event = {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": {**about, "uid": uid}}
            await kube.create(event)
        found = await kube.list("Event", namespace, fields="involvedObject.uid=two")
        assert [event["metadata"]["name"] for event in found.items] == ["a.two"]

    async def test_what_was_applied_is_read_back(self, kube: Kube, namespace: str) -> None:
        await kube.apply(config_map(namespace, x="1"))
        found = await kube.get(Ref("ConfigMap", namespace, "a"))
        assert found is not None
        assert found["data"] == {"x": "1"}

    async def test_an_object_that_does_not_exist_reads_as_none(self, kube: Kube, namespace: str) -> None:
        assert await kube.get(Ref("ConfigMap", namespace, "nobody")) is None

    async def test_an_apply_that_changes_nothing_makes_no_new_version(self, kube: Kube, namespace: str) -> None:
        first = await kube.apply(config_map(namespace, x="1"))
        second = await kube.apply(config_map(namespace, x="1"))
        assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]

    async def test_a_field_no_longer_applied_is_removed(self, kube: Kube, namespace: str) -> None:
        await kube.apply(config_map(namespace, x="1", y="2"))
        assert (await kube.apply(config_map(namespace, x="1")))["data"] == {"x": "1"}

    async def test_a_field_of_another_manager_stays(self, kube: Kube, namespace: str) -> None:
        await kube.apply(config_map(namespace, x="1"))
        await kube.apply(config_map(namespace, y="2"), manager="somebody")
        assert (await kube.apply(config_map(namespace, x="1")))["data"] == {"x": "1", "y": "2"}

    async def test_without_force_another_managers_field_is_a_conflict(self, kube: Kube, namespace: str) -> None:
        await kube.apply(config_map(namespace, x="1"))
        with pytest.raises(Conflict):
            await kube.apply(config_map(namespace, x="2"), manager="somebody", force=False)

    async def test_list_elements_merge_by_their_key(self, kube: Kube, namespace: str) -> None:
        await kube.apply(deployment(namespace))
        other = deployment(namespace)
        other["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "B", "value": "2"}]
        await kube.apply(other, manager="somebody")
        merged = await kube.apply(deployment(namespace))
        names = {entry["name"] for entry in merged["spec"]["template"]["spec"]["containers"][0]["env"]}
        assert names == {"A", "B"}

    async def test_a_count_given_up_to_scale_keeps_its_value(self, kube: Kube, namespace: str) -> None:
        await kube.apply(deployment(namespace, replicas=3))
        await kube.scale(Ref("Deployment", namespace, "a"), 3)
        assert (await kube.apply(deployment(namespace)))["spec"]["replicas"] == 3

    async def test_a_count_given_up_to_nobody_falls_to_one(self, kube: Kube, namespace: str) -> None:
        await kube.apply(deployment(namespace, replicas=3))
        assert (await kube.apply(deployment(namespace)))["spec"]["replicas"] == 1

    async def test_create_refuses_a_name_that_is_taken(self, kube: Kube, namespace: str) -> None:
        await kube.create(config_map(namespace))
        with pytest.raises(Conflict):
            await kube.create(config_map(namespace))

    async def test_replace_needs_the_current_version(self, kube: Kube, namespace: str) -> None:
        first = await kube.create(config_map(namespace, x="1"))
        changed = {**copy.deepcopy(first), "data": {"x": "2"}}
        assert (await kube.replace(changed))["data"] == {"x": "2"}
        with pytest.raises(Conflict):
            await kube.replace(changed)

    async def test_delete_hits_only_the_object_with_that_uid(self, kube: Kube, namespace: str) -> None:
        ref = Ref("ConfigMap", namespace, "a")
        made = await kube.apply(config_map(namespace))
        with pytest.raises(Conflict):
            await kube.delete(ref, "somebody-else")
        await kube.delete(ref, made["metadata"]["uid"])
        assert await kube.get(ref) is None

    async def test_deleting_what_is_gone_is_fine(self, kube: Kube, namespace: str) -> None:
        await kube.delete(Ref("ConfigMap", namespace, "nobody"), "any")

    async def test_an_eviction_hits_only_the_pod_with_that_uid(self, kube: Kube, namespace: str) -> None:
        ref, made = Ref("Pod", namespace, "a"), await serving(kube, namespace)
        with pytest.raises(Conflict):
            await kube.evict(ref, "somebody-else")
        await kube.evict(ref, made["metadata"]["uid"])
        assert await kube.get(ref) is None

    async def test_evicting_what_is_gone_is_fine(self, kube: Kube, namespace: str) -> None:
        await kube.evict(Ref("Pod", namespace, "nobody"), "any")

    async def test_a_budget_that_is_used_up_lets_no_pod_go(self, kube: Kube, namespace: str) -> None:
        made = await serving(kube, namespace)
        spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}
        metadata = {"name": "only-one", "namespace": namespace}
        await kube.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec})
        with pytest.raises(BudgetSpent, match="only-one"):
            await kube.evict(Ref("Pod", namespace, "a"), made["metadata"]["uid"])
        found = await kube.get(Ref("Pod", namespace, "a"))
        assert found is not None
        assert "deletionTimestamp" not in found["metadata"]

    async def test_an_orphan_outlives_its_owner_and_is_owned_no_more(self, kube: Kube, namespace: str) -> None:
        ref = Ref("Deployment", namespace, "a")
        owner = await kube.apply(deployment(namespace, replicas=0))
        uid = owner["metadata"]["uid"]
        owned = config_map(namespace)
        owned["metadata"]["ownerReferences"] = [
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "uid": uid}
        ]
        await kube.apply(owned)
        await self.collector_has_seen(kube, owned)
        with pytest.raises(Conflict):
            await kube.delete(ref, "somebody-else", orphan=True)
        await kube.delete(ref, uid, orphan=True)

        async def gone() -> bool:
            return await kube.get(ref) is None

        await until(gone, 30, "the owner is gone, its dependents first")
        found = await kube.get(Ref("ConfigMap", namespace, "a"))
        assert found is not None
        assert not found["metadata"].get("ownerReferences")

    async def test_a_conditional_apply_conflicts_after_a_change(self, kube: Kube, namespace: str) -> None:
        made = await kube.apply(config_map(namespace, x="1"))
        await kube.apply(config_map(namespace, x="2"))
        stale = config_map(namespace, x="3")
        stale["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
        with pytest.raises(Conflict):
            await kube.apply(stale)

    async def test_an_apply_naming_a_uid_never_creates(self, kube: Kube, namespace: str) -> None:
        document = config_map(namespace)
        document["metadata"]["uid"] = "c0ffee00-0000-4000-8000-000000000000"
        with pytest.raises(Conflict):
            await kube.apply(document)

    async def test_a_list_is_chosen_by_label(self, kube: Kube, namespace: str) -> None:
        await kube.apply(config_map(namespace))
        found = await kube.list("ConfigMap", namespace, "highconcurrency.dev/stack=shop")
        none = await kube.list("ConfigMap", namespace, "highconcurrency.dev/stack=shop-2")
        assert [item["metadata"]["name"] for item in found.items] == ["a"]
        assert (found.items[0]["kind"], none.items) == ("ConfigMap", [])
        assert int(found.resource_version) > 0
