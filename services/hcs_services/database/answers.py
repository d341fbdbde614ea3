"""Database failures as answers: always 503 with what a client should do about it."""

from __future__ import annotations

from hcs_services.database.errors import DatabaseFailure, OutcomeUnknown
from hcs_services.problem import Problem, problem


def as_problem(error: DatabaseFailure) -> Problem:
    """The problem of a failure that outlived its deadline."""
    if isinstance(error, OutcomeUnknown):
        return problem(
            "outcome-unknown",
            "The write was sent and its outcome is not known yet; repeat it with the same Idempotency-Key.",
            retry_after=2,
        )
    return problem("database-unavailable", "No primary answered in time; nothing was written.", retry_after=1)
