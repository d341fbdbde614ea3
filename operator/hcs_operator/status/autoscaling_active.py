"""Whether the operator decides and writes the numbers of workers and read replicas."""

from hcs_operator.api.observed import Child, Reason, Scaling
from hcs_operator.status.facts import Facts, Verdict, no, unknown, yes


def judge(facts: Facts) -> Verdict:
    """Judge by the spec, then by outside scalers, then by what the laws can see."""
    return _as_asked(facts) or _as_seen(facts)


def _as_asked(facts: Facts) -> Verdict | None:
    """Return what the user has switched off."""
    spec = facts.stack.spec
    if spec.autoscaling.mode == "Off":
        return no("Off", "Counts are those of spec.workers.replicas and spec.readReplicas.replicas")
    if spec.autoscaling.mode == "Recommend":
        return no("Recommend", "Counts are only recommended, in status.workers and status.readReplicas")
    if spec.paused:
        return no("Paused", "The stack is paused: set spec.paused to false to let counts follow the load")
    return None


def _as_seen(facts: Facts) -> Verdict:
    tiers = (("workers", facts.outlook.workers), ("read replicas", facts.outlook.readers))
    for tier, scaling in tiers:
        if scaling.conflict:
            return no("ScalingConflict", _conflict(tier, scaling))
    targeted = min(facts.snapshot.outside_scalers.items(), default=None)
    if targeted:
        return no("ScalingConflict", _targeted(*targeted))
    if isinstance(facts.snapshot.queue, Reason):
        return no(facts.snapshot.queue.word, f"The number of workers is held: {facts.snapshot.queue.message}")
    if all(scaling.recommendation is None for _, scaling in tiers):
        return unknown("NothingToScale", "Neither workers nor read replicas exist yet")
    return yes("Auto", "Workers follow the queue, read replicas the reads that miss the cache")


def _conflict(tier: str, scaling: Scaling) -> str:
    return (
        f"{scaling.conflict} also decides the number of {tier}: delete it, or set spec.autoscaling.mode to Recommend; "
        "until then nothing is written"
    )


def _targeted(workload: Child, scaler: str) -> str:
    name = f"{workload.kind} {workload.name}"
    if workload.kind == "StatefulSet":
        return f"{scaler} also decides the number of pods of {name}, which must stay as it is: delete that scaler"
    return (
        f"{scaler} decides the number of pods of {name}, and the spec's replicas are not written: delete that scaler "
        "to have them count again. Workers and read replicas go on following the load"
    )
