"""One look at one stack: observe → decide → act → status. The data goes this way only.

Everything here may be repeated at any point: what is wanted is computed from what is there, never from what was done
before.
"""

import time
from dataclasses import dataclass, field, replace

import structlog

from hcs_operator.act.carry_out import Hands, carry_out
from hcs_operator.act.report import report, report_problem
from hcs_operator.api.spec import SpecProblem, parse_stack
from hcs_operator.decide.plan import Memory, Plan, Release, decide, doubt
from hcs_operator.kube.errors import KubeError, NamespaceGone
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import STACK_KIND
from hcs_operator.observe.look import Eyes, observe
from hcs_operator.observe.store import Key
from hcs_operator.runtime.metrics import Metrics
from hcs_operator.runtime.queue import Result

REST = 5.0
"""Seconds between two looks at a stack at rest: Kubernetes tells of objects, not of engines."""
MOVING = 1.0
"""Seconds between two looks while something moves."""
ASLEEP = 1.5
"""Seconds between two looks at a queue without workers: a message must not wait long for the first one."""
GONE = 30.0
"""Seconds until a stack whose namespace is being deleted is looked at again."""

log = structlog.get_logger(__name__)


def pace(plan: Plan, *, settled: bool) -> float:
    """Return when to look again: soon while something moves, and often enough to wake sleeping workers up."""
    if not settled or plan.database.steps or plan.database.waiting or plan.database.journal or plan.memory.leaving:
        return MOVING
    if plan.memory.answers.doubted:
        return MOVING
    asleep = plan.workers.recommendation is not None and plan.workers.current == 0
    return min(ASLEEP if asleep else REST, max(MOVING, plan.look_every))


@dataclass
class Reconciler:
    """Looks at stacks; remembers of each only what a restarted operator can do without."""

    eyes: Eyes
    hands: Hands
    release: Release
    metrics: Metrics
    memories: dict[Key, Memory] = field(default_factory=dict)

    async def __call__(self, key: Key) -> Result:
        """Look at one stack and say when to look again. One stack's trouble never reaches another."""
        started = time.perf_counter()
        result = await self._safely(key)
        self.metrics.looks.labels("failed" if result.failed else "done").observe(time.perf_counter() - started)
        return result

    async def _safely(self, key: Key) -> Result:
        try:
            return await self._look(key)
        except NamespaceGone:
            return Result(requeue_after=GONE)
        except KubeError as failure:
            log.warning("look_failed", stack="/".join(key), error=str(failure))
        except Exception:
            log.exception("look_broke", stack="/".join(key))
        return Result(failed=True)

    async def _look(self, key: Key) -> Result:
        body = self.eyes.store.get(Ref(STACK_KIND, *key))
        if body is None or body["metadata"].get("deletionTimestamp"):
            self._forget(key)  # owner references delete the children; nothing of ours has to be undone
            return Result()
        stack, now = parse_stack(body), self.hands.clock()
        if isinstance(stack, SpecProblem):
            await report_problem(self.hands, body, stack, now)
            return Result()
        seen, memory = doubt(await observe(self.eyes, stack, now), self.memories.get(key, Memory()))
        plan = decide(stack, seen, memory, self.release)
        self.memories[key] = plan.memory
        done = await carry_out(self.hands, stack, seen, plan)
        self.memories[key] = replace(plan.memory, failed=done.failed)
        self.metrics.wrote(*key, done.moves)
        settled = await report(self.hands, body, stack, seen, plan, done)
        self.metrics.saw(stack, seen, {"workers": plan.workers, "readReplicas": plan.readers})
        return Result(requeue_after=pace(plan, settled=settled))

    def _forget(self, key: Key) -> None:
        self.hands.records.pop(key, None)
        if self.memories.pop(key, None) is not None:
            self.metrics.forget(*key)
