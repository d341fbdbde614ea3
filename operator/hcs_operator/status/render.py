"""Puts a status together: all of it, each time, so that one apply owns it."""

from collections.abc import Mapping
from typing import Any

from hcs_operator.api import conditions as names
from hcs_operator.api.names import GATEWAY
from hcs_operator.api.observed import Outlook, Reason
from hcs_operator.api.spec import Stack
from hcs_operator.api.status import CLAIMED
from hcs_operator.api.times import stamp
from hcs_operator.status import (
    async_available,
    autoscaling_active,
    cache_healthy,
    durability_satisfied,
    paused,
    queue_healthy,
    reads_available,
    ready,
    reconciling,
    replication_healthy,
    scaling,
    stalled,
    writes_available,
)
from hcs_operator.status.facts import Facts, Verdict, no, sentence, unknown, yes
from hcs_operator.status.phase import phase
from hcs_operator.status.volumes import volumes

LONGEST = 1000
"""Characters of a message."""


def render(stack: Stack, outlook: Outlook) -> dict[str, Any]:
    """Return the status of a stack that could be parsed, without `database.claim`, which has an owner of its own."""
    facts = Facts(stack, outlook)
    verdicts = judged(facts)
    word, message = phase(facts, verdicts)
    return {
        "observedGeneration": outlook.generation,
        "phase": word,
        "message": message[:LONGEST],
        "conditions": _conditions(verdicts, outlook.previous, outlook.generation, outlook.snapshot.now),
        "components": [
            {"name": found.name, "ready": found.pods, "state": found.state[:LONGEST]}
            for found in facts.components.values()
        ],
        "endpoints": _endpoints(stack),
        "images": dict(outlook.images),
        "database": _database(facts),
        "volumes": volumes(facts),
        "workers": scaling.workers(facts),
        "readReplicas": scaling.readers(facts),
        **({"journal": dict(facts.plan.journal)} if facts.plan and facts.plan.journal else {}),
    }


def judged(facts: Facts) -> dict[str, Verdict]:
    """Judge every condition, in the order in which they are told."""
    needed = {
        names.WRITES: writes_available.judge(facts),
        names.READS: reads_available.judge(facts),
        names.ASYNC: async_available.judge(facts),
    }
    verdicts = {
        names.READY: ready.judge(facts, tuple(needed.values())),
        names.RECONCILING: reconciling.judge(facts),
        names.STALLED: stalled.judge(facts),
        **needed,
        names.DURABILITY: durability_satisfied.judge(facts),
        names.REPLICATION: replication_healthy.judge(facts),
        names.CACHE: cache_healthy.judge(facts),
        names.QUEUE: queue_healthy.judge(facts),
        names.AUTOSCALING: autoscaling_active.judge(facts),
        names.PAUSED: paused.judge(facts),
    }
    return {name: verdicts[name] for name in names.ALL}


def render_problem(previous: Mapping[str, Any], generation: int, reason: Reason, now: float) -> dict[str, Any]:
    """Return the status of a stack whose spec cannot be read: nothing is looked at, and no condition says otherwise."""
    verdicts = dict.fromkeys(names.ALL, unknown("NotLookedAt", "Nothing is looked at until the spec can be read")) | {
        names.READY: no(reason.word, reason.message),
        names.RECONCILING: no("Stalled", "Nothing is changed until the spec can be read"),
        names.STALLED: yes(reason.word, reason.message),
    }
    return {
        **previous,
        **({"database": _without_claim(previous["database"])} if "database" in previous else {}),
        "observedGeneration": generation,
        "phase": "Stalled",
        "message": sentence(reason.message)[:LONGEST],
        "conditions": _conditions(verdicts, previous, generation, now),
    }


def _conditions(
    verdicts: Mapping[str, Verdict], previous: Mapping[str, Any], generation: int, now: float
) -> list[dict[str, Any]]:
    before = {entry["type"]: entry for entry in previous.get("conditions") or ()}
    return [
        {
            "type": name,
            "status": verdict.status,
            "reason": verdict.reason,
            "message": verdict.message[:LONGEST],
            "lastTransitionTime": _since(before.get(name, {}), verdict, now),
            "observedGeneration": generation,
        }
        for name, verdict in verdicts.items()
    ]


def _since(before: Mapping[str, Any], verdict: Verdict, now: float) -> str:
    """Return when the status word last turned; a new reason alone is no turn."""
    return str(before["lastTransitionTime"]) if before.get("status") == verdict.status else stamp(now)


def _endpoints(stack: Stack) -> dict[str, str]:
    inside = f"{stack.namespace}.svc"
    return {
        "gateway": f"http://{stack.names.of(GATEWAY)}.{inside}:8080",
        "primary": f"{stack.names.primary}.{inside}:3306",
        "read": f"{stack.names.read}.{inside}:3306",
    }


def _database(facts: Facts) -> dict[str, Any]:
    """Return the plan's words; before the first look in this life of the operator, what was written before."""
    if facts.plan is not None:
        return dict(facts.plan.status)
    return _without_claim(facts.outlook.previous.get("database") or {})


def _without_claim(database: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in database.items() if name not in CLAIMED}
