"""Sends the documents that differ from what lives, and nothing else.

Before the first write under a name the API server is asked whether somebody else's object carries it: such an object
is never touched. A document that the API server refuses is not sent again until it changes or `REFUSED_AGAIN` seconds
have passed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hcs_operator.api.observed import Child, Document, Reason, Snapshot
from hcs_operator.decide.diff import HASH_ANNOTATION, drift, stamped
from hcs_operator.decide.pruning import owned
from hcs_operator.kube.errors import Conflict, Failed, Refused
from hcs_operator.kube.port import Kube, Ref
from hcs_operator.observe.store import WatchStore

REFUSED_AGAIN = 60.0
COUNT_BY = "highconcurrency.dev/count-by"
"""On a workload: `spec` while its document carries the replica count, absent while `/scale` does."""


@dataclass(frozen=True)
class Refusal:
    """A document the API server will not take: its hash, the server's words, and when to try once more."""

    digest: str
    reason: Reason
    until: float


@dataclass
class Record:
    """What is remembered of one stack's documents from look to look; a restarted operator does without."""

    uid: str = ""
    """The stack's: one of the same name that is made later has lost nothing."""
    refused: dict[Child, Refusal] = field(default_factory=dict)
    known: set[Child] = field(default_factory=set)
    """Objects that were there: one that is missing was deleted by somebody else."""


@dataclass
class Applied:
    """What became of the documents, in words; `healed` is what somebody else had changed or deleted."""

    changed: list[str] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)
    problems: list[Reason] = field(default_factory=list)


@dataclass
class Applier:
    """Applies one stack's documents."""

    kube: Kube
    store: WatchStore
    snapshot: Snapshot
    uid: str
    record: Record

    async def all(self, documents: Iterable[Document]) -> Applied:
        """Apply in the given order; a refused one does not keep the others from being applied."""
        outcome = Applied()
        for document in documents:
            await self._one(stamped(_counted(document)), outcome)
        return outcome

    async def _one(self, document: dict[str, Any], outcome: Applied) -> None:
        child = Child(document["kind"], document["metadata"]["name"])
        live = self.snapshot.live.get(child) or await self._unseen(Ref.to(document))
        if live is not None and not owned(live, self.uid):
            outcome.problems.append(foreign(child, live))
            return
        difference = "new" if live is None else drift(document, live)
        if difference is None:
            self.record.known.add(child)
            self.record.refused.pop(child, None)
            return
        known = self.record.refused.get(child)
        if known and known.digest == _hash(document) and self.snapshot.now < known.until:
            outcome.problems.append(known.reason)
            return
        await self._send(child, document, live, outcome, difference)

    async def _send(
        self, child: Child, document: dict[str, Any], live: Document | None, outcome: Applied, difference: str
    ) -> None:
        ref = Ref.to(document)
        try:
            if live is not None and _gives_up_count(document, live):
                await self.kube.scale(ref, live["spec"]["replicas"])
            self.store.put(await self.kube.apply(document))
        except (Refused, Conflict) as failure:
            reason = Reason("ChildRefused", f"{child.kind} {child.name} is refused by the API server: {failure}")
            self.record.refused[child] = Refusal(_hash(document), reason, self.snapshot.now + REFUSED_AGAIN)
            outcome.problems.append(reason)
            return
        except Failed as failure:
            outcome.problems.append(Reason("ChildRefused", f"{child.kind} {child.name} cannot be written: {failure}"))
            return
        outcome.changed.append(f"{child.kind} {child.name}: {difference}")
        if live is None and child in self.record.known:
            outcome.healed.append(again(child))
        elif live is not None and _hash(live) == _hash(document):
            outcome.healed.append(f"{child.kind} {child.name} was changed and is put right: {difference}")
        self.record.known.add(child)
        self.record.refused.pop(child, None)

    async def _unseen(self, ref: Ref) -> dict[str, Any] | None:
        """Read an object the watch has not shown: not made yet, just made, or not ours."""
        found = await self.kube.get(ref)
        if found is not None and owned(found, self.uid):
            self.store.put(found)
        return found


def _hash(document: Document) -> str:
    """Return the hash of what was last applied: the document's own when only somebody else changed the object."""
    return str((document["metadata"].get("annotations") or {}).get(HASH_ANNOTATION, ""))


def _counted(document: Document) -> Document:
    """Note on a scaled workload whether the document or `/scale` owns its count."""
    if "replicas" not in (document.get("spec") or {}) or document["kind"] not in {"Deployment", "StatefulSet"}:
        return document
    metadata: Mapping[str, Any] = document["metadata"]
    return {**document, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), COUNT_BY: "spec"}}}


def _gives_up_count(document: Document, live: Document) -> bool:
    """Dropping a field that only we own would reset it to 1, so `/scale` takes it over at its present value first."""
    had = (live["metadata"].get("annotations") or {}).get(COUNT_BY) == "spec"
    return had and "replicas" not in document["spec"]


def again(child: Child) -> str:
    """Say that an object that was there before is made again."""
    return f"{child.kind} {child.name} was deleted and is made again"


def foreign(child: Child, live: Document) -> Reason:
    """Say that somebody else's object has a name that the stack needs."""
    if live["metadata"].get("deletionTimestamp"):
        return Reason("WaitingForDeletion", f"{child.kind} {child.name} of an earlier stack is still being deleted")
    return Reason(
        "ForeignObject",
        f"{child.kind} {child.name} exists and does not belong to this stack; delete or rename it, or rename the stack",
    )
