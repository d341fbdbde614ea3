"""Plays the kubelet and the scheduler in one namespace: every pod that the controllers make there runs and is ready at once; Jobs' pods
succeed.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from hcs_operator.kube.aio import Client
from hcs_operator.kube.errors import KubeError

EVERY = 0.4
Verdict = Callable[[dict[str, Any]], str | None]


class Kubelet:
    """Runs while its context is open. `broken(pod)` may return a waiting reason for a pod that is not to start."""

    def __init__(self, kube: Client, namespace: str, broken: Verdict = lambda _: None) -> None:
        self.kube, self.namespace, self.broken = kube, namespace, broken
        self._addresses = iter(range(1, 60_000))

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            with suppress(KubeError):
                for pod in (await self.kube.list("Pod", self.namespace, fields="status.phase=Pending")).items:
                    with suppress(KubeError):
                        await self._play(pod)
            await asyncio.sleep(EVERY)

    async def _play(self, pod: dict[str, Any]) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            return
        metadata = {name: pod["metadata"][name] for name in ("name", "namespace", "uid")}
        document = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": self._status(pod)}
        await self.kube.apply(document, manager="kubelet", subresource="status")

    def _status(self, pod: dict[str, Any]) -> dict[str, Any]:
        containers = [container["name"] for container in pod["spec"]["containers"]]
        broken = self.broken(pod)
        if broken:
            waiting = {"waiting": {"reason": broken, "message": "played"}}
            return _of("Pending", False, None, [_container(name, waiting, False) for name in containers])
        if pod["spec"].get("restartPolicy") == "Never" or _owner(pod) == "Job":
            ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
            return _of("Succeeded", False, None, [_container(name, ended, False) for name in containers])
        ip = (pod.get("status") or {}).get("podIP") or self._address()
        running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        return _of("Running", True, ip, [_container(name, running, True) for name in containers])

    def _address(self) -> str:
        number = next(self._addresses)
        return f"10.1.{number // 250}.{number % 250 + 1}"


def _of(phase: str, ready: bool, ip: str | None, containers: list[dict[str, Any]]) -> dict[str, Any]:
    word = "True" if ready else "False"
    conditions = [
        {"type": kind, "status": word, "lastTransitionTime": "2026-01-01T00:00:00Z"}
        for kind in ("Ready", "ContainersReady")
    ]
    status = {"phase": phase, "conditions": conditions, "containerStatuses": containers}
    return status | ({"podIP": ip, "podIPs": [{"ip": ip}]} if ip else {})


def _container(name: str, state: dict[str, Any], ready: bool) -> dict[str, Any]:
    return {"name": name, "state": state, "ready": ready, "restartCount": 0, "image": "played", "imageID": ""}


def _owner(pod: dict[str, Any]) -> str:
    owners = pod["metadata"].get("ownerReferences") or [{"kind": ""}]
    return str(owners[0]["kind"])
