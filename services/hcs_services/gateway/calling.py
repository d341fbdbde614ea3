"""Calling an upstream: through the route's breaker, to a chosen endpoint, within the deadline, twice at most."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from hcs_services import request_context
from hcs_services.gateway import metrics
from hcs_services.gateway.breaker import Breaker, BreakerPolicy, Permit, Refused, State
from hcs_services.gateway.config import GatewayConfig, RouteConfig
from hcs_services.gateway.retry import SAFE_METHODS, Failure, may_repeat
from hcs_services.gateway.upstream import Call, CallFailed, Endpoint, Upstream
from hcs_services.problem import PROBLEMS, Problem, problem

LONGEST_SECONDS = 60.0
HOP_SHARE = 0.02
"""Part of the remaining time that the gateway keeps for itself, so that the service gives up before the gateway."""
RETRY_AFTER_SECONDS = 1
"""For a client whose call found no endpoint or a broken one: by then DNS and ejections tell more."""


class NoEndpoint(Exception):
    """The upstream has no endpoint to call."""


class BadAnswer(Exception):
    """An endpoint answered that it failed. Never raised: its answer goes to the client as it is."""


OUTCOMES: dict[type[BaseException] | None, str] = {
    None: "answered",
    BadAnswer: "bad",
    CallFailed: "failed",
    TimeoutError: "late",
    NoEndpoint: "no-endpoint",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An upstream's answer whose header is there; `close` ends the call."""

    upstream: Upstream
    endpoint: Endpoint
    response: aiohttp.ClientResponse

    @property
    def fault(self) -> type[BaseException] | None:
        """What it says against the upstream: a late answer (504), a bad one, or nothing.

        A 503 is bad only with Retry-After: without, it states a fact that stays (no object store is configured).
        """
        status = self.response.status
        if status == 504:
            return TimeoutError
        bad = status in {500, 502} or (status == 503 and "Retry-After" in self.response.headers)
        return BadAnswer if bad else None

    async def close(self) -> None:
        """End the call."""
        await self.endpoint.close(self.response)


class Caller:
    """Calls for all routes, each with a breaker of its own."""

    def __init__(
        self, config: GatewayConfig, upstreams: Mapping[str, Upstream], clock: Callable[[], float] = time.monotonic
    ) -> None:
        policy = BreakerPolicy(**config.circuit_breaker.model_dump())
        self._policy = policy
        self._upstreams = upstreams
        self._breakers = {id(route): Breaker(policy) for route in config.routes}
        self._clock = clock

    def authority(self, route: RouteConfig) -> str:
        """The Host field that a route's upstream is called with."""
        return self._upstreams[route.upstream].authority

    def refusing(self) -> int:
        """The number of routes whose breaker is not closed."""
        return sum(breaker.state in {State.OPEN, State.HALF_OPEN} for breaker in self._breakers.values())

    async def call(self, route: RouteConfig, call: Call) -> Answer:
        """Return the answer. Raises a problem: 502, 503 (circuit open, no endpoint, not connected) or 504."""
        breaker, begun = self._breakers[id(route)], self._clock()
        permit = breaker.admit(begun)
        if isinstance(permit, Refused):
            raise problem("circuit-open", f"{route.upstream} is failing.", retry_after=permit.retry_after)
        try:
            answer = await self._tried(route, call)
        except BaseException as error:
            self._judge(breaker, permit, type(error), begun)
            metrics.CALLS.labels(route.upstream, OUTCOMES.get(type(error), "abandoned")).inc()
            refusal = _refusal(route, call, error)
            if refusal is None:
                raise
            raise refusal from error
        self._judge(breaker, permit, answer.fault, begun)
        metrics.CALLS.labels(route.upstream, OUTCOMES[answer.fault]).inc()
        return answer

    def broke_off(self, answer: Answer) -> None:
        """Report an answer that ended in the middle."""
        metrics.CALLS.labels(answer.upstream.name, "broke-off").inc()
        answer.upstream.failed(answer.endpoint, self._clock())

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
            async with asyncio.timeout(left):
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

    def _judge(self, breaker: Breaker, permit: Permit, fault: type[BaseException] | None, begun: float) -> None:
        now = self._clock()
        if fault is None:
            breaker.succeeded(permit, now - begun, now)
        elif self._blames(fault, begun):
            breaker.failed(permit, now)
        else:
            breaker.abandoned(permit)

    def _blames(self, fault: type[BaseException] | None, begun: float) -> bool:
        """Whether a fault speaks against the upstream.

        A deadline that passed does only if the call was slow by the breaker's own measure: else a client could open the
        circuit for everyone by asking for answers within a millisecond.
        """
        if fault is TimeoutError:
            return self._clock() - begun >= self._policy.slow_call
        return fault in {CallFailed, BadAnswer}


def _may_repeat(route: RouteConfig, call: Call, failure: Failure) -> bool:
    return may_repeat(failure, call.method, keyed=_keyed(call), allowed=route.retry)


def _keyed(call: Call) -> bool:
    return any(name == "idempotency-key" for name, _ in call.headers)


def _refusal(route: RouteConfig, call: Call, error: BaseException) -> Problem | None:
    """Return what a failed call is answered with; `retryable` only if a repeat is harmless."""
    harmless = call.method in SAFE_METHODS or _keyed(call)
    if isinstance(error, NoEndpoint):
        return _problem("upstream-unavailable", f"{route.upstream} has no ready endpoint.", retryable=True)
    if isinstance(error, CallFailed) and error.failure is Failure.UNSENT:
        return _problem("upstream-unavailable", f"{route.upstream} took no connection.", retryable=True)
    if isinstance(error, CallFailed):
        return _problem("bad-gateway", f"{route.upstream} broke off before it answered.", retryable=harmless)
    if isinstance(error, TimeoutError):
        return _problem("upstream-timeout", f"{route.upstream} did not answer in time.", retryable=harmless)
    return None


def _problem(slug: str, detail: str, *, retryable: bool) -> Problem:
    return Problem(slug, PROBLEMS[slug].status, detail, retryable=retryable, retry_after=RETRY_AFTER_SECONDS)
