"""Whether the cache answers. Without it reads go on from the replicas, slower and fewer."""

from hcs_operator.api import conditions
from hcs_operator.api.names import CACHE
from hcs_operator.api.observed import CacheState
from hcs_operator.status.facts import Facts, Verdict, no, unknown, yes

_MEANWHILE = "reads go to the replicas meanwhile"


def judge(facts: Facts) -> Verdict:
    """Judge by the cache's pod, and by what the read API gets out of it."""
    found, state = facts.components[CACHE], facts.snapshot.cache
    if found.problem is not None:
        return no(found.problem[1].word, f"The cache does not run: {found.problem[1].message}; {_MEANWHILE}")
    if not found.ready:
        return facts.not_yet(conditions.CACHE, "NoReadyPod", f"The cache has no ready pod; {_MEANWHILE}")
    if isinstance(state, CacheState):
        return yes("Answering", "The cache answers the read API")
    if state is not None:
        return facts.not_yet(conditions.CACHE, state.word, f"The cache's pod is ready, but {state.message}")
    return unknown("NotAsked", "The cache's pod is ready; no read API has used it yet")
