"""Leader election by a Lease: one operator process acts, the others wait.

The holder renews every `RENEW` seconds. A candidate takes over when it has itself watched the same record stand still
for `DURATION` seconds, so clocks of different machines are never compared. A holder that could not renew for
`DURATION` minus one renewal steps down before anybody else may take over; all writes are idempotent anyway, so an
overlap would be harmless.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from hcs_operator.kube.errors import Conflict, KubeError
from hcs_operator.kube.port import Kube, Ref
from hcs_operator.kube.resources import RESOURCES

RENEW = 5.0
"""Seconds between two renewals: at rest the only writes of the operator."""
DURATION = 20.0
"""Seconds without a renewal after which another process takes over."""
LOOK = 2.0
"""Seconds between two looks of a candidate."""

log = structlog.get_logger()


class LeaseLost(Exception):
    """Somebody else leads, or may: the process must end at once."""


@dataclass
class Election:
    """One process's part in the election. `clock` is monotonic seconds, `today` the wall clock for people to read."""

    kube: Kube
    ref: Ref
    identity: str
    clock: Callable[[], float]
    today: Callable[[], datetime] = lambda: datetime.now(UTC)
    leading: bool = False

    async def acquire(self) -> None:
        """Return once this process leads."""
        seen: tuple[str, float] = ("", self.clock())
        while not self.leading:
            try:
                seen = await self._try(seen)
            except KubeError as failure:
                log.warning("lease_not_reached", error=str(failure))
            if not self.leading:
                await asyncio.sleep(LOOK)
        log.info("leading", lease=self.ref.name, identity=self.identity)

    async def hold(self) -> None:
        """Renew for ever; raise LeaseLost when another process leads, or may by now."""
        renewed = self.clock()
        while True:
            await asyncio.sleep(RENEW)
            try:
                async with asyncio.timeout(max(0.0, renewed + DURATION - RENEW - self.clock())):
                    await self._renew()
                renewed = self.clock()
            except (KubeError, TimeoutError) as failure:
                log.warning("lease_not_renewed", error=str(failure))
                if self.clock() - renewed >= DURATION - RENEW:
                    self.leading = False
                    raise LeaseLost("the lease could not be renewed in time") from failure

    async def _renew(self) -> None:
        lease = await self.kube.get(self.ref)
        if lease is None or lease["spec"].get("holderIdentity") != self.identity:
            self.leading = False
            raise LeaseLost(f"{self.ref.name} is held by somebody else")
        await self.kube.replace(self._record(lease))

    async def release(self) -> None:
        """Clear the holder, so that the next candidate need not wait."""
        if not self.leading:
            return
        self.leading = False
        for last in (False, True):
            try:
                await self._clear()
            except Conflict as renewal:  # one of our own that was still on its way
                if last:
                    log.warning("lease_not_cleared", error=str(renewal))
            except KubeError as failure:
                log.warning("lease_not_cleared", error=str(failure))
                return
            else:
                return

    async def _clear(self) -> None:
        lease = await self.kube.get(self.ref)
        if lease is not None and lease["spec"].get("holderIdentity") == self.identity:
            await self.kube.replace({**lease, "spec": {**lease["spec"], "holderIdentity": ""}})

    async def _try(self, seen: tuple[str, float]) -> tuple[str, float]:
        """Take the lease if it is free; return the record seen and since when it has stood still."""
        lease = await self.kube.get(self.ref)
        if lease is None:
            await self.kube.create(self._record(None))
            self.leading = True
            return seen
        holder = lease["spec"].get("holderIdentity") or ""
        record = lease["metadata"]["resourceVersion"]
        since = seen[1] if record == seen[0] else self.clock()
        if holder in ("", self.identity) or self.clock() - since > DURATION:
            try:
                await self.kube.replace(self._record(lease))
                self.leading = True
            except Conflict:
                log.info("lease_taken_by_another")
        return record, since

    def _record(self, lease: dict[str, Any] | None) -> dict[str, Any]:
        stamp = self.today().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = dict(lease["spec"]) if lease else {}
        if spec.get("holderIdentity") != self.identity:
            spec["acquireTime"] = stamp
            spec["leaseTransitions"] = spec.get("leaseTransitions", -1) + 1
        spec |= {"holderIdentity": self.identity, "leaseDurationSeconds": int(DURATION), "renewTime": stamp}
        return {
            "apiVersion": RESOURCES["Lease"].api_version,
            "kind": "Lease",
            "metadata": lease["metadata"] if lease else {"name": self.ref.name, "namespace": self.ref.namespace},
            "spec": spec,
        }
