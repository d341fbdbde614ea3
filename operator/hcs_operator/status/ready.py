"""Whether a user's writes, reads and tasks work, now, through a gateway that answers."""

from hcs_operator.api.names import GATEWAY
from hcs_operator.status.facts import Facts, Verdict, no, yes


def judge(facts: Facts, needed: tuple[Verdict, ...]) -> Verdict:
    """Judge by `needed` (writes, reads, accepts, in this order) and the gateway's endpoints."""
    for verdict in needed:
        if not verdict.holds:
            return no(verdict.reason, verdict.message)
    gateway = facts.components[GATEWAY]
    if gateway.ready:
        return yes("Serving", "Writes, reads and tasks work through the gateway")
    if gateway.problem is not None:
        return no(gateway.problem[1].word, f"The gateway does not run: {gateway.problem[1].message}")
    if gateway.wanted is None:
        why = gateway.waiting.message if gateway.waiting else "it is being made"
        return no("GatewayNotStarted", f"The gateway is not started: {why}")
    return no("NoReadyGateway", f"The gateway has no ready pod ({gateway.pods})")
