"""The table itself: no stated answer is missing from it, and no problem of the catalogue."""

from pathlib import Path

import pytest
from tests.contract import rows_async_api, rows_everywhere, rows_head, rows_read_api, rows_write_api
from tests.contract.refusals import REFUSED
from tests.contract.table import ELSEWHERE, HEAD, ROWS, STATED

from hcs_services.problem import PROBLEMS

pytestmark = pytest.mark.unit
TESTS = Path(__file__).parents[1]
MODULES = (rows_async_api, rows_everywhere, rows_head, rows_read_api, rows_write_api)


def test_every_stated_answer_of_every_call_has_a_row() -> None:
    stated = {(call, answer) for call, answers in STATED.items() for answer in answers}
    covered = {(row.call, row.slug or row.status) for row in ROWS}
    assert [(call, answer) for call, answer in stated - covered if answer not in ELSEWHERE] == []


def test_every_problem_of_the_catalogue_has_a_row_or_a_refusal_or_a_reason() -> None:
    provoked = {row.slug for row in ROWS if row.slug} | {slug for _, slug in REFUSED.values()}
    assert provoked & ELSEWHERE.keys() == set()
    assert provoked | ELSEWHERE.keys() == PROBLEMS.keys()


@pytest.mark.parametrize("slug", ELSEWHERE)
def test_what_has_no_row_is_asserted_by_the_test_that_is_named(slug: str) -> None:
    file, _ = ELSEWHERE[slug]
    assert any(text in (TESTS / file).read_text() for text in (f'"{slug}"', f'"/problems/{slug}"')), file


def test_each_get_has_a_head() -> None:
    heads = {f"GET {row.note}" for row in ROWS if row.call == HEAD}
    assert heads == {call for call in STATED if call.startswith("GET ")}


def test_every_problem_has_the_status_of_the_catalogue() -> None:
    assert [row.name for row in ROWS if row.slug and PROBLEMS[row.slug].status != row.status] == []


def test_no_two_rows_have_one_name() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
