from __future__ import annotations

import pytest

from hcs_services.database.group_view import View, choose, view_of

PRIMARY, SECONDARY, CUT_OFF = View(3, 3, True), View(3, 3, False), View(1, 3, True)


@pytest.mark.parametrize(
    ("view", "writable"),
    [
        (View(1, 1, True), True),
        (View(2, 3, True), True),
        (View(1, 2, True), False),
        (View(1, 3, True), False),
        (View(3, 3, False), False),
        (View(0, 0, False), False),
    ],
)
def test_a_primary_needs_itself_and_a_majority_online(view: View, writable: bool) -> None:
    assert writable == view.writable


@pytest.mark.parametrize(
    ("views", "suspect", "chosen"),
    [
        ({}, None, None),
        ({"a": SECONDARY, "b": PRIMARY}, None, "b"),
        ({"a": CUT_OFF, "b": SECONDARY}, None, None),
        ({"a": CUT_OFF, "b": PRIMARY}, None, "b"),
        ({"a": PRIMARY, "b": PRIMARY}, "a", "b"),
        ({"a": PRIMARY}, "a", "a"),
    ],
)
def test_the_choice_follows_the_members_own_views(
    views: dict[str, View], suspect: str | None, chosen: str | None
) -> None:
    assert chosen == choose(views, suspect)


def test_a_row_of_decimals_is_a_view() -> None:
    assert View(2, 3, True) == view_of({"online": "2", "members": 3, "is_primary": "1"})
