"""A group begins its tasks as if each came alone, one after the other."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hcs_services.worker import group_plan
from hcs_services.worker.task import Task
from hcs_services.worker.task_rows import Earlier

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_NAMES = st.sampled_from("ABCDE")
_TASKS = st.lists(st.builds(Task, _NAMES, st.just("send_email"), st.just({}), st.just(NOW), st.integers(1, 4)))
_ROWS = st.dictionaries(
    _NAMES,
    st.builds(Earlier, st.sampled_from(["running", "retrying", "succeeded", "dead"]), st.sampled_from([None, "why"])),
)
Rows = dict[str, Earlier]


def alone(rows: Rows, task: Task) -> Earlier | None:
    """What `task_rows.begin` does to the rows, and what it returns."""
    earlier = rows.get(task.id)
    if earlier is None or not earlier.ended:
        rows[task.id] = Earlier("running", None)
    return earlier


@given(tasks=_TASKS, rows=_ROWS)
def test_each_finds_what_it_would_have_found_alone_and_leaves_the_same_rows(tasks: list[Task], rows: Rows) -> None:
    one_by_one = dict(rows)
    expected = tuple(alone(one_by_one, task) for task in tasks)

    begun = group_plan.begin(tasks, rows)

    together = dict(rows)
    for task in begun.added:
        assert task.id not in together
        together[task.id] = Earlier("running", None)
    for task in begun.again:
        assert not together[task.id].ended
        together[task.id] = Earlier("running", None)
    assert (expected, one_by_one) == (begun.found, together)


@given(tasks=_TASKS, rows=_ROWS)
def test_every_try_that_begins_is_written_so_that_the_row_counts_it(tasks: list[Task], rows: Rows) -> None:
    begun = group_plan.begin(tasks, rows)

    written = sorted((task.id, task.attempt) for task in (*begun.added, *begun.again))
    begins = [task for task, earlier in zip(tasks, begun.found, strict=True) if earlier is None or not earlier.ended]
    assert sorted((task.id, task.attempt) for task in begins) == written


@given(tasks=_TASKS, rows=_ROWS)
def test_rows_are_locked_in_the_order_of_their_ids(tasks: list[Task], rows: Rows) -> None:
    begun = group_plan.begin(tasks, rows)

    assert [task.id for task in begun.added] == sorted({task.id for task in begun.added})
    assert [task.id for task in begun.again] == sorted(task.id for task in begun.again)


@given(tasks=_TASKS)
def test_of_each_task_the_first_has_the_effect(tasks: list[Task]) -> None:
    firsts = group_plan.first_of_each(tasks)

    names = [task.id for task in tasks]
    assert [names.index(name) == at for at, name in enumerate(names)] == list(firsts)
