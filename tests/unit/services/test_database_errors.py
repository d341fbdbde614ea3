from __future__ import annotations

import pytest
from tests.unit.services.played_mysql import MysqlError

from hcs_services.database import errors
from hcs_services.database.answers import as_problem
from hcs_services.database.errors import Meaning, StatementTimeout, commit_is_unknown, connection_is_lost, meaning


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1213, Meaning.REPEAT),
        (1205, Meaning.REPEAT),
        (1062, Meaning.DUPLICATE),
        (1064, Meaning.OTHER),
        (1406, Meaning.OTHER),
        *(
            (number, Meaning.LOOK_AGAIN)
            for number in (1290, 1836, 3032, 3100, 3101, 3797, 3798, 1053, 1040, 2013, 2006)
        ),
    ],
)
def test_each_error_number_has_its_meaning(number: int, expected: Meaning) -> None:
    assert meaning(MysqlError(number, "x")) is expected


@pytest.mark.parametrize("number", [3100, 3101, 1180, 1053, 2006, 2013])
def test_these_errors_of_a_commit_say_nothing_about_it(number: int) -> None:
    assert commit_is_unknown(MysqlError(number, "x"))


def test_a_timeout_is_a_lost_connection() -> None:
    for error in (StatementTimeout(1.0), TimeoutError(), ConnectionResetError(), MysqlError(0, "Not connected")):
        assert connection_is_lost(error)
        assert meaning(error) is Meaning.LOOK_AGAIN
    assert errors.number(ValueError("x")) is None


@pytest.mark.parametrize(
    ("failure", "slug", "retryable"),
    [
        (errors.DatabaseUnavailable("x"), "database-unavailable", True),
        (errors.DeadlinePassed("x"), "deadline-exceeded", True),
        (errors.OutcomeUnknown("x"), "outcome-unknown", True),
        (errors.TransactionLost("x"), "database-unavailable", True),
        (errors.TransactionTooLarge("x"), "body-too-large", False),
    ],
)
def test_each_failure_has_its_answer(failure: errors.DatabaseFailure, slug: str, retryable: bool) -> None:
    answer = as_problem(failure)
    assert (answer.slug, answer.retryable) == (slug, retryable)
