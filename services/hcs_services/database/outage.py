"""Statements outside a transaction, whose errors reach their caller as the driver raised them."""

from collections.abc import Iterator
from contextlib import contextmanager

from hcs_services import request_context
from hcs_services.database.errors import DatabaseUnavailable, DeadlinePassed, Meaning, StatementTimeout, meaning


def is_the_callers(error: BaseException) -> bool:
    """Whether a statement was given up because its caller's deadline came, which says nothing about the server."""
    return isinstance(error, StatementTimeout) and request_context.remaining(1.0) <= 0


@contextmanager
def told_as_outage() -> Iterator[None]:
    """Raises DatabaseUnavailable where a statement within fails because the server went away or changed its role.

    DeadlinePassed where it is the caller's time that ended. A transaction of the pool says so itself; a lone statement
    raises 2013 and its kin.
    """
    try:
        yield
    except Exception as error:
        if is_the_callers(error):
            raise DeadlinePassed(str(error)[:200]) from error
        if meaning(error) is Meaning.LOOK_AGAIN:
            raise DatabaseUnavailable(str(error)[:200]) from error
        raise
