"""What a MySQL error means for the work in hand; pure.

DatabaseFailure
├── DatabaseUnavailable    no usable primary or connection within the deadline: nothing was done
│   └── DeadlinePassed     the caller's time ended before COMMIT, with a primary at work: nothing was done
├── TransactionTooLarge    the group takes no transaction of this size: nothing was written, and nothing would be
├── TransactionLost        certainly not committed: deadlock, lock wait, lost or demoted before COMMIT → do it again
└── OutcomeUnknown         the COMMIT may or may not have happened → settle by inserting the same key again
NoReader                   no eligible replica holds what was asked for
└── ReadersTooOld          they answer, but no primary has been seen for longer than they may serve without one
"""

from __future__ import annotations

from enum import Enum

# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
_LOOK_AGAIN = frozenset(
    {
        1290,  # super_read_only
        1836,  # read only mode
        3032,  # server is in offline mode
        3100,  # error on observer while running replication hook: group lost or blocked
        3101,  # the plugin rolled the transaction back
        3797,  # not a member in a suitable state
        3798,
        1053,  # server shutdown in progress
        1040,  # too many connections
        1203,  # too many connections of one account
        1226,  # MAX_USER_CONNECTIONS
        2003,  # cannot connect
        2006,  # gone away
        2013,  # lost connection
        1927,  # connection was killed
        1317,  # query interrupted by a kill
        1152,  # aborted connection
        1158,  # network errors of the server's side
        1159,
        1160,
        1161,
    }
)
_FULL = frozenset({1040, 1203, 1226})
_DEADLOCK = frozenset({1213, 1205})
_DUPLICATE = 1062
_REFUSED_BY_HOOK = 3100
_WRITE_SET_TOO_LARGE = 3231
_LOST = frozenset({2006, 2013, 2003, 1053, 1927, 1152})


class DatabaseFailure(Exception):
    """The database could not do it; never the request's fault."""


class DatabaseUnavailable(DatabaseFailure):
    """No usable primary or connection within the deadline; nothing was done."""


class DeadlinePassed(DatabaseUnavailable):
    """The caller's own time ended before COMMIT was sent; nothing was done, and nothing is said of the database."""


class TransactionTooLarge(DatabaseFailure):
    """The group takes no transaction of this size; nothing was written, and repeating it is of no use."""


class TransactionLost(DatabaseFailure):
    """The transaction certainly did not commit, for no fault of its own; doing it again may succeed."""


class OutcomeUnknown(DatabaseFailure):
    """COMMIT was sent and its outcome is not known."""


class NoReader(Exception):
    """No eligible replica holds what was asked for; the primary can answer."""


class ReadersTooOld(NoReader):
    """Replicas answer, but no primary has been seen for longer than they may serve without one."""


class StatementTimeout(Exception):
    """A statement did not answer in its time; its connection is closed. Carries 2013 as a lost connection does."""

    def __init__(self, seconds: float) -> None:
        super().__init__(2013, f"no answer within {seconds:.1f} s")


class ConnectionClosed(Exception):
    """The connection was closed under a statement, its server being no primary any more. Carries 2013 as a lost one."""

    def __init__(self) -> None:
        super().__init__(2013, "closed while a statement waited for its answer")


class Meaning(Enum):
    """What to do about an error of a statement before COMMIT."""

    LOOK_AGAIN = "look for the primary again, then repeat the transaction"
    REPEAT = "repeat the transaction here"
    DUPLICATE = "a row with this key exists"
    OTHER = "not the server's state: a bug or a refused value"


def number(error: BaseException) -> int | None:
    """The MySQL error number that an exception carries."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def meaning(error: BaseException) -> Meaning:
    """Classify an error of a statement before COMMIT."""
    code = number(error)
    if code in _DEADLOCK:
        return Meaning.REPEAT
    if code == _DUPLICATE:
        return Meaning.DUPLICATE
    if code in _LOOK_AGAIN or isinstance(error, TimeoutError | OSError) or code == 0:
        return Meaning.LOOK_AGAIN  # 0: the driver's InterfaceError on a connection it has closed
    return Meaning.OTHER


def commit_is_unknown(error: BaseException) -> bool:
    """Whether a COMMIT that failed with this error may have happened all the same (40-database.md, trap 3)."""
    return meaning(error) is Meaning.LOOK_AGAIN or number(error) == 1180


def group_refused(error: BaseException | None) -> bool:
    """Whether COMMIT failed because the group is lost or finds the transaction too large: it says neither."""
    return error is not None and number(error) == _REFUSED_BY_HOOK


def says_too_large(error: BaseException) -> bool:
    """Whether the server itself says that the group takes no transaction of this size."""
    return number(error) == _WRITE_SET_TOO_LARGE


def server_is_full(error: BaseException) -> bool:
    """Whether the server is there and has no connection left for us: alive, and nothing known of its role."""
    return number(error) in _FULL


def connection_is_lost(error: BaseException) -> bool:
    """Whether the connection is of no further use after this error."""
    code = number(error)
    return code in _LOST or code == 0 or isinstance(error, TimeoutError | OSError)
