"""Drain for scale-in: take nothing new for a while, finish what is here, say how busy we are.

The operator drains the pods it may remove, looks at `/inflight`, and lowers the count only if they are idle; if it
changes its mind or dies, the time-to-live runs out and consuming resumes by itself.
"""

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hcs_services.admin import AdminRequest
from hcs_services.problem import problem
from hcs_services.worker.intake import Intake

log = structlog.get_logger(__name__)


class Pausable(Protocol):
    """The consumer's part in it."""

    @property
    def paused(self) -> bool:
        """Whether it takes nothing new."""

    async def pause(self) -> None:
        """Take nothing new."""

    async def resume(self) -> None:
        """Consume again."""


class DrainRequest(BaseModel):
    """`POST /drain`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    ttl_seconds: float = Field(strict=True, gt=0, le=600)


class Drain:
    """Pauses the consumer until a deadline that each further request moves."""

    def __init__(self, consumer: Pausable, intake: Intake, token: Callable[[], str]) -> None:
        self._consumer = consumer
        self._intake = intake
        self._token = token
        self._timer: asyncio.Task[None] | None = None

    async def start(self, seconds: float) -> None:
        """Pause now and resume after `seconds`."""
        self.cancel()
        await self._consumer.pause()
        self._timer = asyncio.create_task(self._resume_after(seconds))

    def cancel(self) -> None:
        """Forget the pending resume; the consumer stays as it is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def inflight_route(self, _request: AdminRequest) -> tuple[int, Mapping[str, Any]]:
        """`GET /inflight`."""
        return 200, self._state()

    async def drain_route(self, request: AdminRequest) -> tuple[int, Mapping[str, Any]]:
        """`POST /drain` with `Authorization: Bearer <tokens/drain>`."""
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token()}".encode()):
            raise problem("unauthorized", "POST /drain needs the stack's drain token.")
        try:
            wanted = DrainRequest.model_validate(json.loads(request.body))
        except (ValueError, ValidationError) as error:
            raise problem("validation-failed", 'The body is {"ttl_seconds": seconds up to 600}.') from error
        await self.start(wanted.ttl_seconds)
        log.info("draining", ttl_seconds=wanted.ttl_seconds, in_flight=self._intake.in_flight)
        return 200, self._state()

    def _state(self) -> dict[str, Any]:
        return {
            "inflight": self._intake.in_flight,
            "oldest_seconds": round(self._intake.oldest_seconds, 3),
            "draining": self._consumer.paused,
        }

    async def _resume_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._timer = None
        await self._consumer.resume()
        log.info("drain ran out: consuming again")
