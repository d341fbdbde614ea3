"""What comes of one try of a call: an answer, or none; and whether the call may be made again, and when."""

from dataclasses import dataclass
from typing import NamedTuple

from hcs_services.gateway.config import RouteConfig
from hcs_services.gateway.pool.connection import Response
from hcs_services.gateway.retry import SAFE_METHODS, Failure, may_repeat
from hcs_services.gateway.upstream import Call, CallFailed, Endpoint, Upstream
from hcs_services.problem import OVERLOADED, PROBLEMS, Problem, problem

RETRY_AFTER_SECONDS = 1
"""After a call that found no endpoint or a broken one: by then DNS and ejections tell more."""


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


class Answer(NamedTuple):
    """An upstream's answer whose header is there; `close` ends the call."""

    upstream: Upstream
    endpoint: Endpoint
    response: Response

    @property
    def fault(self) -> type[BaseException] | None:
        """What it says against the upstream: a late answer (504), a bad one, or nothing.

        A 503 is bad only with Retry-After: without, it states a fact that stays (no object store is configured). One
        that is `overloaded` is none: the endpoint does what it can and refuses the rest, as it should.
        """
        status = self.response.status
        if status == 504:
            return TimeoutError
        failing = status == 503 and self.response.field(b"retry-after") is not None and not self.shed
        return BadAnswer if failing or status in {500, 502} else None

    @property
    def shed(self) -> bool:
        """Whether the upstream has too much to do, and would not do this."""
        return self.response.status == 503 and self.response.field(OVERLOADED) is not None

    async def close(self) -> None:
        """End the call."""
        await self.endpoint.close(self.response)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A try without an answer: what the client is told, and whether another may be made.

    `pause`: seconds until then; None if none may. `lost`: the upstream took it, and may have acted.
    """

    refusal: Problem
    pause: float | None = None
    lost: bool = False


def pause_of(route: RouteConfig, call: Call, got: Answer | Unanswered, *, lost: bool) -> float | None:
    """Seconds until a call that can wait may be made (again); None if what came of it is final.

    A 503 with Retry-After may pass. So may a 409 with it, where an earlier try of ours was `lost`: then it is that try
    which is being worked on. A second loss is final: a request that kills its server must not be sent on and on.
    """
    if not call.keyed_write:
        return None
    if isinstance(got, Unanswered):
        return None if got.lost and lost else got.pause
    wait = got.response.field(b"retry-after")
    passing = got.response.status == 503 or (got.response.status == 409 and lost)
    if wait is None or not passing or not route.retry:
        return None
    return float(wait) if wait.isascii() and wait.isdigit() else float(RETRY_AFTER_SECONDS)


def cut_off(route: RouteConfig, retry_after: int) -> Unanswered:
    """The circuit is open: nothing was sent, so the call may be made as soon as it is let through."""
    return Unanswered(problem("circuit-open", f"{route.upstream} is failing.", retry_after=retry_after), pause=0.0)


def crowded(route: RouteConfig) -> Unanswered:
    """As many calls are under way as are answered in time: nothing was sent, so the call may be made a little later."""
    told = _problem("overloaded", f"{route.upstream} has as many calls as it answers in time.")
    return Unanswered(told, pause=0.0)


def queued(route: RouteConfig) -> Unanswered:
    """Others wait, so this call waits behind them."""
    told = _problem("upstream-unavailable", f"Others wait for {route.upstream}, and the deadline came first.")
    return Unanswered(told, pause=0.0)


async def let_go(route: RouteConfig, got: Answer | Unanswered, pause: float) -> Unanswered:
    """End a try that is to be repeated; return what the client is told if its deadline comes first."""
    if isinstance(got, Unanswered):
        return got
    await got.close()
    told = _problem("upstream-unavailable", f"{route.upstream} asked for patience, and the deadline came first.")
    return Unanswered(told, pause)


def unanswered(route: RouteConfig, call: Call, error: BaseException) -> Unanswered | None:
    """What a failed try means; `retryable` only if a repeat is harmless. None: the error is not the upstream's."""
    harmless = call.method in SAFE_METHODS or call.keyed
    if isinstance(error, TimeoutError):
        told = _problem("upstream-timeout", f"{route.upstream} did not answer in time.", retryable=harmless)
        return Unanswered(told)
    if isinstance(error, NoEndpoint):
        told, failure = _problem("upstream-unavailable", f"{route.upstream} has no ready endpoint."), Failure.UNSENT
    elif isinstance(error, CallFailed) and error.failure is Failure.UNSENT:
        told, failure = _problem("upstream-unavailable", f"{route.upstream} took no connection."), Failure.UNSENT
    elif isinstance(error, CallFailed):
        told = _problem("bad-gateway", f"{route.upstream} broke off before it answered.", retryable=harmless)
        failure = Failure.UNKNOWN
    else:
        return None
    again = may_repeat(failure, call.method, keyed=call.keyed, allowed=route.retry)
    pause = float(RETRY_AFTER_SECONDS) if again else None
    return Unanswered(told, pause, lost=failure is Failure.UNKNOWN)


def _problem(slug: str, detail: str, *, retryable: bool = True) -> Problem:
    return Problem(slug, PROBLEMS[slug].status, detail, retryable=retryable, retry_after=RETRY_AFTER_SECONDS)
