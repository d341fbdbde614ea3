"""The table itself: no stated answer is missing from it."""

import pytest
from tests.contract import rows_async_api, rows_everywhere, rows_read_api, rows_write_api
from tests.contract.table import ROWS, STATED, UNPROVOKED

from hcs_services.problem import PROBLEMS

pytestmark = pytest.mark.unit
MODULES = (rows_async_api, rows_everywhere, rows_read_api, rows_write_api)


def test_every_stated_answer_of_every_call_has_a_row() -> None:
    stated = {(call, answer) for call, answers in STATED.items() for answer in answers}
    covered = {(row.call, row.slug or row.status) for row in ROWS}
    assert stated - covered == set(UNPROVOKED)


def test_every_problem_has_the_status_of_the_catalogue() -> None:
    assert [row.name for row in ROWS if row.slug and PROBLEMS[row.slug].status != row.status] == []


def test_no_two_rows_have_one_name() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
