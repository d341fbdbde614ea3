"""Calling an upstream: through the route's entrance and breaker, to a chosen endpoint, within the deadline.

A try goes to a second endpoint where that is harmless. A keyed write that finds the circuit open or a crowd, or fails
in a way that may pass, waits in its route's line and is tried again, for as long as its deadline and the room allow.
"""

import time
from asyncio import timeout
from collections.abc import Callable, Mapping

from hcs_services import request_context
from hcs_services.gateway import metrics, outcome
from hcs_services.gateway.breaker import BreakerPolicy, Permit, Refused, State
from hcs_services.gateway.config import GatewayConfig, RouteConfig
from hcs_services.gateway.line import Line
from hcs_services.gateway.outcome import OUTCOMES, Answer, BadAnswer, NoEndpoint, Unanswered
from hcs_services.gateway.retry import Failure, may_repeat
from hcs_services.gateway.upstream import Call, CallFailed, Endpoint, Upstream
from hcs_services.gateway.waiting_room import MARGIN_SECONDS, Declined

LONGEST_SECONDS = 60.0
HOP_SHARE = 0.02
"""Part of the remaining time that the gateway keeps for itself, so that the service gives up before the gateway."""


class Caller:
    """Calls for all routes, each with a breaker and a line of its own."""

    def __init__(
        self, config: GatewayConfig, upstreams: Mapping[str, Upstream], clock: Callable[[], float] = time.monotonic
    ) -> None:
        policy = BreakerPolicy(**config.circuit_breaker.model_dump())
        self._policy = policy
        self._upstreams = upstreams
        self._lines = {id(route): Line(route.upstream, policy, clock) for route in config.routes}
        self._clock = clock

    def authority(self, route: RouteConfig) -> str:
        """The Host field that a route's upstream is called with."""
        return self._upstreams[route.upstream].authority

    def refusing(self) -> int:
        """The number of routes whose breaker is not closed."""
        return sum(line.breaker.state in {State.OPEN, State.HALF_OPEN} for line in self._lines.values())

    def limits(self) -> dict[str, float]:
        """For each upstream the smallest number of calls that may be under way on one of its routes."""
        smallest: dict[str, float] = {}
        for line in self._lines.values():
            limit = line.entrance.concurrency.limit
            smallest[line.upstream] = min(limit, smallest.get(line.upstream, limit))
        return smallest

    async def call(self, route: RouteConfig, call: Call) -> Answer:
        """Return the answer. Raises a problem: 502, 503 (circuit open, too many calls, no endpoint …) or 504."""
        line = self._lines[id(route)]
        if call.keyed_write and line.behind(call.size, _patience()):
            got: Answer | Unanswered = outcome.queued(route)
        else:
            got = await self._first(line, route, call)
        pause = outcome.pause_of(route, call, got, lost=False)
        if pause is not None:
            got = await self._hold(line, route, call, got, pause)
        if isinstance(got, Unanswered):
            raise got.refusal
        return got

    def broke_off(self, answer: Answer) -> None:
        """Report an answer that ended in the middle."""
        metrics.CALLS.labels(answer.upstream.name, "broke-off").inc()
        answer.upstream.failed(answer.endpoint, self._clock())

    async def _hold(
        self, line: Line, route: RouteConfig, call: Call, got: Answer | Unanswered, pause: float | None
    ) -> Answer | Unanswered:
        """Try again when the upstream and the breaker allow it; return what came last."""
        lost = False
        with line.place(call.size, _patience() - (pause or 0)) as placed:
            while placed and pause is not None:
                permit = None
                if pause < _patience():
                    got = await outcome.let_go(route, got, pause)
                    lost = lost or got.lost
                    permit = await line.turn(pause, _patience())
                if permit is None:
                    line.gave_up(Declined.LATE)
                    break
                line.entrance.push_in()  # the breaker says how many of these are under way
                got = await self._try(line, route, call, permit)
                pause = outcome.pause_of(route, call, got, lost=lost)
        return got

    async def _first(self, line: Line, route: RouteConfig, call: Call) -> Answer | Unanswered:
        if not await line.entrance.enter():
            return outcome.crowded(route)
        now = self._clock()
        permit = line.breaker.admit(now)
        if isinstance(permit, Refused):
            line.entrance.leave(now, now, answered=False)
            return outcome.cut_off(route, permit.retry_after)
        return await self._try(line, route, call, permit)

    async def _try(self, line: Line, route: RouteConfig, call: Call, permit: Permit) -> Answer | Unanswered:
        begun = self._clock()
        try:
            answer = await self._tried(route, call)
        except BaseException as error:
            self._judge(line, permit, type(error), begun)
            metrics.CALLS.labels(route.upstream, OUTCOMES.get(type(error), "abandoned")).inc()
            unanswered = outcome.unanswered(route, call, error)
            if unanswered is None:
                raise
            return unanswered
        self._judge(line, permit, answer.fault, begun, shed=answer.shed)
        metrics.calls(route.upstream, OUTCOMES[answer.fault]).inc()
        return answer

    async def _tried(self, route: RouteConfig, call: Call) -> Answer:
        upstream = self._upstreams[route.upstream]
        upstream.budget.earn()
        endpoint = upstream.pick(self._clock())
        if endpoint is None:
            raise NoEndpoint
        try:
            return await self._open(upstream, endpoint, call)
        except CallFailed as failed:
            other = upstream.pick(self._clock(), tried=endpoint)
            if other is None or not _may_repeat(route, call, failed.failure) or not self._afford(upstream):
                raise
        return await self._open(upstream, other, call)

    async def _open(self, upstream: Upstream, endpoint: Endpoint, call: Call) -> Answer:
        """Make one try within what is left of the deadline, and tell the endpoint's record how it went."""
        begun = self._clock()
        left = request_context.remaining(LONGEST_SECONDS)
        hop = ("X-Request-Timeout", str(max(1, int(left * (1 - HOP_SHARE) * 1000))))
        fault: type[BaseException] | None = None
        try:
            async with timeout(left):
                response = await endpoint.open(call, hop)
            answer = Answer(upstream, endpoint, response)
            fault = answer.fault
        except (CallFailed, TimeoutError) as error:
            fault = type(error)
            raise
        else:
            return answer
        finally:
            if self._blames(fault, begun):
                upstream.failed(endpoint, self._clock())
            elif fault is None:
                upstream.succeeded(endpoint)

    def _afford(self, upstream: Upstream) -> bool:
        affordable = upstream.budget.spend()
        metrics.RETRIES.labels(upstream.name, "made" if affordable else "no-budget").inc()
        return affordable

    def _judge(
        self, line: Line, permit: Permit, fault: type[BaseException] | None, begun: float, *, shed: bool = False
    ) -> None:
        now = self._clock()
        blamed = self._blames(fault, begun)
        if fault is None:
            line.breaker.succeeded(permit, now - begun, now)
            line.room.answered()
        elif blamed:
            line.breaker.failed(permit, now)
        else:
            line.breaker.abandoned(permit)
        if blamed or fault is NoEndpoint:
            line.room.failed(now)
        line.entrance.leave(begun, now, answered=fault is None, shed=shed)
        line.wake()

    def _blames(self, fault: type[BaseException] | None, begun: float) -> bool:
        """Whether a fault speaks against the upstream.

        A deadline that passed does only if the call was slow by the breaker's own measure: else a client could open the
        circuit for everyone by asking for answers within a millisecond.
        """
        if fault is TimeoutError:
            return self._clock() - begun >= self._policy.slow_call
        return fault in {CallFailed, BadAnswer}


def _may_repeat(route: RouteConfig, call: Call, failure: Failure) -> bool:
    return may_repeat(failure, call.method, keyed=call.keyed, allowed=route.retry)


def _patience() -> float:
    """Seconds that a call can wait before it must be made."""
    return request_context.remaining(LONGEST_SECONDS) - MARGIN_SECONDS
