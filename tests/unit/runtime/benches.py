"""An operator over a cluster in memory and played engines; the test orders its looks."""

from pathlib import Path
from typing import Any

from tests.apiserver.played_engines import PlayedDatabase, PlayedQueue, PlayedServices, World

from hcs_operator.__main__ import compose
from hcs_operator.config import Config
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import API_VERSION, STACK_KIND
from hcs_operator.observe.store import Key
from hcs_operator.runtime.queue import Result

KEY = Key("shop", "shop")


class Bench:
    """A cluster in memory, watched by an operator whose looks the test orders."""

    def __init__(self, folder: Path) -> None:
        self.cluster, self.world, self.now = Cluster(), World(folder / "world.json"), 1_800_000_000.0
        played = PlayedDatabase(self.world), PlayedQueue(self.world), PlayedServices(self.world)
        self.process = compose(Config(), self.cluster, *played, lambda: self.now)
        self.cluster.watch(self._seen)

    def _seen(self, kind: str, document: dict[str, Any]) -> None:
        (self.process.store.drop if kind == "DELETED" else self.process.store.put)(document)

    def pod(self, component: str, kind: str, owner: str, ordinal: int = 0) -> None:
        """Play the controller and the kubelet: a pod that is ready."""
        labels = {"highconcurrency.dev/stack": "shop", "app.kubernetes.io/component": component}
        owners = [{"kind": kind, "name": owner, "uid": "u", "controller": True}]
        metadata = {"name": f"{owner}-{ordinal}", "namespace": "shop", "labels": labels, "ownerReferences": owners}
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {"phase": "Running", "podIP": "10.0.0.1", "conditions": [ready]}
        self.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})

    def stack(self, spec: Any, key: Key = KEY) -> dict[str, Any]:
        metadata = {"name": key.stack, "namespace": key.namespace}
        return self.cluster.put({"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": metadata, "spec": spec})

    async def look(self, key: Key = KEY, times: int = 1) -> Result:
        for _ in range(times):
            result = await self.process.handler(key)
        return result

    def status(self, key: Key = KEY) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.objects[Ref(STACK_KIND, *key)].get("status", {})
        return found

    def condition(self, kind: str, key: Key = KEY) -> dict[str, Any]:
        return next(entry for entry in self.status(key)["conditions"] if entry["type"] == kind)

    def kinds(self) -> set[str]:
        return {ref.kind for ref in self.cluster.objects if ref.kind not in {STACK_KIND, "Event"}}
