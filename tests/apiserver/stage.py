"""What a test of the whole operator needs: processes of it, a namespace of its own, and looks at the objects it made."""

import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from hcs_operator.kube.aio import Client
from hcs_operator.kube.errors import Conflict, NotFound
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import API_VERSION, PRUNED_KINDS, STACK_KIND

from . import operator_process
from .control_plane import ControlPlane, Late, until
from .played_engines import World

ROOT = Path(__file__).parents[2]
STEADY = {"workers": {"minReplicas": 1}}
"""Of spec.autoscaling, for tests that count workers or their pods: idle ones go after a minute."""


@dataclass
class Stage:
    """One namespace, served by operators that serve nothing else."""

    plane: ControlPlane
    kube: Client
    namespace: str
    folder: Path
    processes: list[BaseProcess] = field(default_factory=list)

    @property
    def world(self) -> World:
        return World(self.folder / "world.json")

    def operator(self, *, user: str = "operator", kill_after: int = 0, name: str = "operator") -> BaseProcess:
        """Start an operator process; a name of its own makes it another candidate for the lease."""
        environment = {
            "HCS_KUBECONFIG": str(self.plane.kubeconfig(user)),
            "HCS_NAMESPACES": self.namespace,
            "HCS_ADMIN_PORT": "0",
            "HCS_TEST_WORLD": str(self.world.path),
            "HCS_TEST_KILL_AFTER": str(kill_after),
            "POD_NAMESPACE": self.namespace,
            "POD_NAME": name,
        }
        process = operator_process.start(environment, self.folder / f"operator-{len(self.processes)}.log")
        self.processes.append(process)
        return process

    async def ended(self, process: BaseProcess, code: int) -> None:
        """Wait until an operator process has ended, with this exit code."""

        async def gone() -> bool:
            return not process.is_alive()

        await self.until(gone, 40, f"the operator ends with {code}")
        assert process.exitcode == code, self.logs()[-6000:]

    def end(self) -> None:
        """End them at once: nobody serves this namespace again."""
        for process in self.processes:
            process.kill()
            process.join()

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("operator-*.log")))

    async def create(self, name: str = "shop", **spec: Any) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self.namespace}
        return await self.kube.create(
            {"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": metadata, "spec": spec}
        )

    async def stack(self, name: str = "shop") -> dict[str, Any]:
        found = await self.kube.get(Ref(STACK_KIND, self.namespace, name))
        assert found is not None
        return found

    async def edit(self, name: str, **spec: Any) -> None:
        await self.change(STACK_KIND, name, lambda stack: stack["spec"].update(spec))

    async def change(self, kind: str, name: str, edit: Callable[[dict[str, Any]], None]) -> None:
        """Replace an object that the operator writes too: as often as it wrote between our read and our write."""
        while True:
            document = await self.get(kind, name)
            assert document is not None
            edit(document)
            with suppress(Conflict):
                await self.kube.replace(document)
                return

    async def condition(self, kind: str, name: str = "shop") -> dict[str, str]:
        status = (await self.stack(name)).get("status") or {}
        found = [entry for entry in status.get("conditions") or () if entry["type"] == kind]
        return found[0] if found else {"status": "Unknown", "reason": "", "message": ""}

    async def until_reason(self, kind: str, reason: str, seconds: float, part: str = "") -> dict[str, str]:
        """Wait until a condition has this reason, and this in its message; return it as it was then."""
        found = {"": ""}

        async def told() -> bool:
            found.update(await self.condition(kind))
            return found["reason"] == reason and part in found["message"]

        await self.until(told, seconds, f"{kind} tells {reason} {part}".rstrip())
        return found

    async def told_of_workers(self, field: str) -> str:
        """What the status tells of the workers; it is written after what the same look has done."""
        return str(((await self.stack()).get("status") or {}).get("workers", {}).get(field, ""))

    async def ready(self, name: str = "shop", seconds: float = 40) -> None:
        """Wait until the stack is Ready and nothing moves any more."""
        await self.until(lambda: self.settled(name), seconds, f"{name} is Ready and settled")

    async def settled(self, name: str = "shop") -> bool:
        assert any(process.is_alive() for process in self.processes), f"no operator runs\n{self.logs()[-6000:]}"
        stack = await self.stack(name)
        status = stack.get("status") or {}
        words = {entry["type"]: entry["status"] for entry in status.get("conditions") or ()}
        current = status.get("observedGeneration") == stack["metadata"]["generation"]
        return current and words.get("Ready") == "True" and words.get("Reconciling") == "False"

    async def until(self, condition: Callable[[], Awaitable[object]], seconds: float, what: str) -> None:
        """Poll as `control_plane.until` does; a failure carries the stack's status and the operators' last words."""
        try:
            await until(condition, seconds, what)
        except Late as late:
            stack = await self.get(STACK_KIND, "shop")
            told = json.dumps((stack or {}).get("status"), indent=1)
            raise Late(f"{late}\n{told}\n{self.logs()[-6000:]}") from None

    async def children(self, name: str = "shop") -> dict[str, dict[str, Any]]:
        """Return every object that the stack owns, as kind/name."""
        uid = (await self.stack(name))["metadata"]["uid"]
        found = {}
        for kind in PRUNED_KINDS:
            for item in (await self.kube.list(kind, self.namespace)).items:
                if any(owner["uid"] == uid for owner in item["metadata"].get("ownerReferences") or ()):
                    found[f"{kind}/{item['metadata']['name']}"] = item
        return found

    async def get(self, kind: str, name: str) -> dict[str, Any] | None:
        return await self.kube.get(Ref(kind, self.namespace, name))

    async def remove(self, kind: str, name: str) -> None:
        found = await self.get(kind, name)
        if found is None:
            raise NotFound(f"{kind} {name}")
        await self.kube.delete(Ref(kind, self.namespace, name), found["metadata"]["uid"])

    async def events(self) -> list[tuple[str, str]]:
        found = (await self.kube.list("Event", self.namespace)).items
        return [(event["reason"], event["message"]) for event in found]

    async def announced(self, reason: str, part: str) -> None:
        """Wait for an event with this in its message: it follows the write that it tells of."""

        async def told() -> bool:
            return any(found == reason and part in message for found, message in await self.events())

        await self.until(told, 15, f"an event {reason} tells: {part}")

    def writes(self, user: str = "operator") -> list[str]:
        """Return the writes of one user in this namespace so far, from the audit log."""
        ours = f"/namespaces/{self.namespace}/"
        whole, _, _ = self.plane.audit_log.read_text().rpartition("\n")  # the last line may be half written
        entries = [json.loads(line) for line in whole.splitlines() if ours in line]
        return [
            f"{entry['verb']} {entry['requestURI'].partition('?')[0]}"
            for entry in entries
            if entry["user"]["username"] == user and ours in entry["requestURI"]
        ]


def of_children(writes: list[str]) -> list[str]:
    """Those writes that are of more than the operator's own words: no status, event or lease."""
    return [write for write in writes if not write.endswith("/status") and not _OWN_WORDS.search(write)]


def normalised(children: dict[str, dict[str, Any]], namespace: str) -> dict[str, Any]:
    """Return the objects without what differs from run to run: identities, times, counters, and what is random."""
    return {_text(name, namespace): _plain(document, namespace) for name, document in sorted(children.items())}


_PASSING = frozenset({
    "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "status", "clusterIP", "clusterIPs",
    "deployment.kubernetes.io/revision", "controller-uid", "batch.kubernetes.io/controller-uid",
})  # fmt: skip
_OWN_WORDS = re.compile(r"/(events|leases)(/|$)")
_HASH = re.compile(r"(?<![0-9a-f])([0-9a-f]{16}|[0-9a-f]{8})(?![0-9a-f])")
_CERTIFICATE = re.compile(r"-----BEGIN.*-----END [A-Z ]+-----", re.DOTALL)


def _plain(value: Any, namespace: str) -> Any:
    match value:
        case {"kind": "Secret", "data": {**data}}:
            rest = {name: item for name, item in value.items() if name != "data"}
            return {**_plain(rest, namespace), "data": sorted(data)}
        case dict():
            return {name: _plain(item, namespace) for name, item in value.items() if name not in _PASSING}
        case list():
            return [_plain(item, namespace) for item in value]
        case str():
            return _text(value, namespace)
    return value


def _text(value: str, namespace: str) -> str:
    return _HASH.sub("HASH", _CERTIFICATE.sub("PEM", value.replace(namespace, "NAMESPACE")))
