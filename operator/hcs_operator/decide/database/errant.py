"""Transactions that one instance alone has: saved in a ConfigMap, then the instance is cloned anew; or it is kept out.

Each look does one thing. Somebody's server is closed, so that no more of them come; a reader's replication is stopped,
so that the services leave it; what it has of its own is exported. Only a later look that finds the very same set, and
its ConfigMap, asks for the clone. Until then nothing is given up, whoever dies when.

Transactions under the group's own name are another matter: they were committed by the group, which has lost them. They
are exported, too, but a person decides what the instance is replaced with.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hcs_operator.api.database import Access, DatabaseView, Facts, InstanceView, Role
from hcs_operator.api.observed import Reason
from hcs_operator.api.times import stamp
from hcs_operator.decide.database.copying import Care, cloning, copy, operation_of
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.steps import Close, Export, Quiesce

Strays = Mapping[str, GtidSet]
"""By instance: the transactions that it alone has; who has none is not in it."""


class Policy(NamedTuple):
    """What is to become of instances that diverged, and what has been saved of them."""

    view: DatabaseView
    strays: Strays
    group_name: str
    replication: Access
    now: float
    """Unix seconds."""
    former: tuple[str, ...] = ()
    """Names of groups that ended when members were given up."""


class Saved(NamedTuple):
    """An instance's own transactions have been saved in a ConfigMap, or (`rebuilt`) have gone from it since."""

    instance: str
    config_map: str
    rebuilt: bool


def held(facts: Facts) -> GtidSet:
    """Return all that a member has executed or received."""
    return GtidSet.parse(",".join(filter(None, (facts.gtid_executed, facts.received))))


def strays(view: DatabaseView, leader: InstanceView | None) -> Strays:
    """Return what instances have and the group lacks; what a new primary has received is the group's."""
    if leader is None or leader.facts is None:
        return {}
    group = held(leader.facts)
    own = {it.instance.name: GtidSet.parse(it.facts.gtid_executed) - group for it in view.instances if it.facts}
    return {name: errant for name, errant in own.items() if errant}


def care(it: InstanceView, facts: Facts, errant: GtidSet, policy: Policy, donor: InstanceView | None) -> Care:
    """Judge an instance that has transactions of its own; `donor` is None while another copy is being made."""
    why = f"it holds {len(errant)} transactions of its own"
    channel = facts.channel
    if channel and (channel.applying or channel.receiving != "OFF"):
        step = Quiesce(it.instance)
        return Care("Diverged", f"{why}; its replication is stopped, so that nobody reads from it", step)
    if policy.view.errant == "Quarantine":
        return Care("Diverged", f"{why} and is kept out", problem=_kept_out(it, errant))
    if not facts.super_read_only and not facts.opened:
        return Care("Diverged", f"{why}; it is closed to writes", Close(it.instance))
    return _rebuild(it, facts, errant, policy, donor)


def _rebuild(it: InstanceView, facts: Facts, errant: GtidSet, policy: Policy, donor: InstanceView | None) -> Care:
    view, why = policy.view, f"it holds {len(errant)} transactions of its own"
    export = Export(view.namespace, view.stack, it.instance, errant, stamp(policy.now), policy.replication)
    saved_in = _export(it, facts, errant, view, policy.now)
    if saved_in is None:
        return Care("Exporting", f"{why}; they are exported", export, operation_of(it))
    if errant.of(policy.group_name):
        return Care("Diverged", f"{why}, which the group has lost", problem=_lost(it, errant, saved_in))
    if facts.group.changing or facts.group.state == "ERROR":
        return Care("Exporting", f"{why}; its agent has it leave the group first", operation=operation_of(it))
    return copy(it, facts, donor, policy.replication, f"{why}, saved in ConfigMap {saved_in}", export)


def _export(it: InstanceView, facts: Facts, errant: GtidSet, view: DatabaseView, now: float) -> str | None:
    """Name the newest ConfigMap that keeps these transactions of this instance.

    One that is older than the last copy of its data is of other transactions: after it GTIDs may come again. The clone
    compares what they do, whatever is found here.
    """
    clone = facts.clone
    since = stamp(now - (clone.ended_seconds_ago or 0.0) - 1) if clone and clone.state == "Completed" else ""
    own = (found for found in view.exports if (found.instance, found.errant) == (it.instance.name, str(errant)))
    newer = [found for found in own if found.at >= since]
    return max(newer, key=lambda found: found.at).config_map if newer else None


def _kept_out(it: InstanceView, errant: GtidSet) -> Reason:
    name, field = it.instance.name, "spec.database.errant"
    words = (
        f"{name} holds transactions that the group lacks ({errant}) and is kept out, as {field} "
        "says. Set that to Rebuild to have them exported and the instance cloned anew, or delete its volume claim and "
        "its pod to do without them. Nothing in it was changed."
    )
    return _diverged(it, words)


def _lost(it: InstanceView, errant: GtidSet, config_map: str) -> Reason:
    words = (
        f"{it.instance.name} holds transactions that the group itself committed and no longer has ({errant}): "
        f"acknowledged writes may be lost. They are saved in ConfigMap {config_map}; restore what is needed of them, "
        "then delete the volume claim and the pod of that instance: it is copied anew. Nothing in it was changed."
    )
    return _diverged(it, words)


def _diverged(it: InstanceView, words: str) -> Reason:
    return Reason("ReaderDiverged", words) if it.instance.role is Role.READER else Reason("MemberDiverged", words)


def saved(
    view: DatabaseView, leader: InstanceView | None, strays: Strays, previous: Mapping[str, Any], now: float
) -> dict[str, str]:
    """Name by instance the ConfigMap with what it had of its own, until it answers without them.

    `previous` is `status.database`: who does not answer keeps what was known.
    """
    before, found = _before(previous), {}
    for it in view.instances:
        name = it.instance.name
        if it.facts is None or leader is None or cloning(it.facts):
            found[name] = before.get(name)
        elif errant := strays.get(name):
            found[name] = _export(it, it.facts, errant, view, now) or before.get(name)
    return {name: config_map for name, config_map in found.items() if config_map}


def told(view: DatabaseView, now: Mapping[str, str], previous: Mapping[str, Any]) -> Iterable[Saved]:
    """Return what has been saved, and who was rebuilt, since `previous` (`status.database`)."""
    before = _before(previous)
    for it in view.instances:
        name = it.instance.name
        if name in now and before.get(name) != now[name]:
            yield Saved(name, now[name], rebuilt=False)
        elif name in before and name not in now and it.facts is not None:
            yield Saved(name, before[name], rebuilt=True)


def _before(previous: Mapping[str, Any]) -> dict[str, str]:
    return {it["name"]: it["export"] for it in previous.get("instances") or () if it.get("export")}
