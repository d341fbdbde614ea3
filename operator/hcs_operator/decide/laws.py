"""A stack's spec as the autoscaling laws read it: seconds instead of durations."""

from hcs_operator.api.durations import seconds
from hcs_operator.api.spec import Stack
from hcs_operator.decide.autoscaling.readers import LOOKS, ReaderLaw
from hcs_operator.decide.autoscaling.workers import WorkerLaw


def look_every(stack: Stack) -> float:
    """Return the longest time between two looks, in seconds, that lets the reader law see its looks within a window."""
    law = reader_law(stack)
    return min(law.out_sustain, law.in_sustain) / LOOKS


def worker_law(stack: Stack) -> WorkerLaw:
    """Return the worker law's part of the spec."""
    spec = stack.spec.autoscaling.workers
    return WorkerLaw(
        minimum=spec.min_replicas,
        maximum=spec.max_replicas,
        max_wait=max(seconds(spec.slo.max_wait), 0.001),
        rate_hint=spec.hints.rate_per_replica,
        idle_timeout=seconds(spec.idle_timeout),
    )


def reader_law(stack: Stack) -> ReaderLaw:
    """Return the reader law's part of the spec."""
    spec = stack.spec.autoscaling.read_replicas
    return ReaderLaw(
        minimum=spec.min_replicas,
        maximum=spec.max_replicas,
        reads_per_replica=spec.hints.reads_per_replica,
        out_sustain=seconds(spec.scale_out.sustain),
        in_sustain=seconds(spec.scale_in.sustain),
        in_interval=seconds(spec.scale_in.interval),
        after_out=seconds(spec.scale_in.after_scale_out),
    )
