"""Database failures as answers: 503 and what a client should do about it, 504 where its own time ended."""

from __future__ import annotations

from hcs_services.database.errors import DatabaseFailure, DeadlinePassed, OutcomeUnknown, TransactionTooLarge
from hcs_services.problem import Problem, problem


def as_problem(error: DatabaseFailure) -> Problem:
    """The problem of a failure that outlived its deadline."""
    if isinstance(error, OutcomeUnknown):
        return problem(
            "outcome-unknown",
            "The write was sent and its outcome is not known yet; repeat it with the same Idempotency-Key.",
            retry_after=2,
        )
    if isinstance(error, TransactionTooLarge):
        return problem("body-too-large", "The database takes no transaction of this size; nothing was written.")
    if isinstance(error, DeadlinePassed):
        # without Retry-After, by which the gateway would tell a service in trouble
        return problem("deadline-exceeded", "The request's time ended before its work; nothing was written.")
    return problem("database-unavailable", "No primary answered in time; nothing was written.", retry_after=1)
