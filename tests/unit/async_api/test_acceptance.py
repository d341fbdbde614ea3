"""Accepted means confirmed; one key makes one task."""

from __future__ import annotations

import pytest
from tests.unit.async_api.played import KEY, World

from hcs_services.async_api.acceptance import Request
from hcs_services.identifiers import parse_task_id
from hcs_services.problem import Problem

pytestmark = pytest.mark.unit

MAIL = Request("send_email", {"user_id": "ada"}, "POST /notifications", "ada")


async def test_an_accepted_task_was_published_to_its_class_with_no_try_made() -> None:
    world = World()
    accepted = await world.acceptance.accept(MAIL, None)
    ((queue, message, headers),) = world.broker.published
    assert (queue, message.task_id, headers["task-attempt"]) == ("hcs.default", accepted.document["task_id"], 0)
    assert (accepted.document["status"], accepted.document["attempts"]) == ("queued", 0)


async def test_answer_message_and_id_agree_on_the_time_of_the_accept() -> None:
    world = World()
    accepted = await world.acceptance.accept(MAIL, None)
    parsed = parse_task_id(KEY, accepted.document["task_id"])
    assert parsed is not None
    assert world.broker.published[0][1].created_at == parsed.created_at
    assert accepted.document["created_at"] == "2026-11-23T12:00:00.123000Z"


async def test_without_a_key_no_key_is_stored() -> None:
    world = World()
    await world.acceptance.accept(MAIL, None)
    assert world.log == ["publish"]


async def test_without_a_confirm_there_is_no_accept() -> None:
    world = World()
    world.broker.away = True
    with pytest.raises(Problem) as refused:
        await world.acceptance.accept(MAIL, None)
    assert (refused.value.slug, refused.value.status, refused.value.retry_after) == ("queue-unavailable", 503, 1)


async def test_a_key_is_committed_before_the_publish_and_marked_after_it() -> None:
    world = World()
    await world.acceptance.accept(MAIL, "k")
    assert world.log == ["claim", "publish", "mark"]


async def test_a_repeat_of_an_accepted_key_publishes_nothing() -> None:
    world = World()
    first = await world.acceptance.accept(MAIL, "k")
    again = await world.acceptance.accept(MAIL, "k")
    assert again.replayed
    assert again.document == first.document
    assert len(world.broker.published) == 1


async def test_a_repeat_after_a_missing_confirm_publishes_the_stored_id() -> None:
    world = World()
    world.broker.away = True
    with pytest.raises(Problem):
        await world.acceptance.accept(MAIL, "k")
    world.broker.away = False
    accepted = await world.acceptance.accept(MAIL, "k")
    (row,) = world.keys.rows.values()
    assert (row.task_id, row.accepted) == (accepted.document["task_id"], True)
    assert not accepted.replayed


async def test_a_mark_that_fails_leaves_the_task_accepted_and_its_repeat_the_same_task() -> None:
    world = World()
    world.keys.cannot_mark = True
    first = await world.acceptance.accept(MAIL, "k")
    again = await world.acceptance.accept(MAIL, "k")
    assert first.document["task_id"] == again.document["task_id"]
    assert {message.task_id for _, message, _ in world.broker.published} == {first.document["task_id"]}
