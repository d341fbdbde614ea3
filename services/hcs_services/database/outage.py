"""Statements outside a transaction, whose errors reach their caller as the driver raised them."""

from collections.abc import Iterator
from contextlib import contextmanager

from hcs_services.database.errors import DatabaseUnavailable, Meaning, meaning


@contextmanager
def told_as_outage() -> Iterator[None]:
    """Raises DatabaseUnavailable where a statement within fails because the server went away or changed its role.

    A transaction of the pool says so itself; a lone statement raises 2013 and its kin.
    """
    try:
        yield
    except Exception as error:
        if meaning(error) is Meaning.LOOK_AGAIN:
            raise DatabaseUnavailable(str(error)[:200]) from error
        raise
