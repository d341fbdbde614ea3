from __future__ import annotations

from dataclasses import replace

import pytest

from hcs_services.database.group_view import View, choose, is_settled, view_of

PRIMARY, SECONDARY, CUT_OFF = View(3, 3, True), View(3, 3, False), View(1, 3, True)

# a is frozen, expelled and thaws: it knows only the view in which it led
THAWED = View(3, 3, True, "id-a", "life", 2)
HEIR, FOLLOWER = View(2, 2, True, "id-b", "life", 3), View(2, 2, False, "id-b", "life", 3)
ORPHAN = View(2, 2, False, None, "life", 3)  # nobody is elected yet
JOINED = View(3, 3, False, "id-a", "life", 4)  # has seen a member join before the primary has
FROZEN_TOO = View(3, 3, False, "id-a", "life", 2)


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
        ({"a": THAWED, "b": HEIR}, None, "b"),
        ({"a": THAWED, "b": HEIR}, "b", "b"),
        ({"a": THAWED, "c": FOLLOWER}, None, None),
        ({"a": THAWED, "c": ORPHAN}, None, None),
        ({"a": THAWED, "c": JOINED}, None, "a"),
        ({"a": THAWED, "c": replace(FOLLOWER, reachable=1)}, None, "a"),
        ({"a": THAWED, "c": replace(FOLLOWER, group="another life")}, None, "a"),
    ],
)
def test_the_choice_follows_the_members_own_views(
    views: dict[str, View], suspect: str | None, chosen: str | None
) -> None:
    assert chosen == choose(views, suspect)


@pytest.mark.parametrize(
    ("views", "suspect", "settled"),
    [
        ({}, None, False),
        ({"a": View(1, 1, True, "id-a", "life", 1)}, None, True),
        ({"a": THAWED}, None, False),
        ({"a": THAWED, "c": FOLLOWER}, None, False),
        ({"a": THAWED, "c": FROZEN_TOO}, None, True),
        ({"a": THAWED, "c": JOINED}, None, True),
        ({"a": THAWED, "c": FROZEN_TOO}, "a", False),
        ({"b": HEIR}, None, False),
        ({"b": HEIR, "c": FOLLOWER}, None, True),
        ({"b": HEIR, "a": THAWED}, None, False),
    ],
)
def test_a_choice_is_settled_once_a_majority_names_it(
    views: dict[str, View], suspect: str | None, settled: bool
) -> None:
    assert settled == is_settled(views, suspect)


def test_a_row_of_decimals_is_a_view() -> None:
    row = {"reachable": "2", "members": 3, "is_primary": "1", "primary_id": "id-a", "view_id": "17955417351537025:12"}

    assert View(2, 3, True, "id-a", "17955417351537025", 12) == view_of(row)


def test_a_member_outside_any_group_has_a_view_without_majority() -> None:
    row = {"reachable": "0", "members": 1, "is_primary": "0", "primary_id": None, "view_id": None}

    assert not view_of(row).has_majority
