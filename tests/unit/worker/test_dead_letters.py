"""What a dead letter tells, whatever it is, and what `hcs-tasks` takes and refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.queue import TaskMessage
from hcs_services.queue.letters import Letter
from hcs_services.tasks import main
from hcs_services.worker.dead_letters import BY_THE_BROKER, About, Wanted, payload

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HEADERS: dict[str, Any] = {
    "dead-reason": "declined",
    "dead-detail": "insufficient funds",
    "dead-at": "2026-11-29T12:00:01Z",
    "dead-queue": "hcs.critical",
    "task-attempt": 4,
}


def test_it_tells_how_its_task_ended() -> None:
    asked = {"order_id": "X", "method_token": "tok_visa"}
    letter = Letter(TaskMessage("T1", "process_payment", asked, NOW).encode(), HEADERS, 1)
    assert About.of(letter) == About(
        task_id="T1",
        type="process_payment",
        reason="declined",
        detail="insufficient funds",
        queue="hcs.critical",
        attempts=4,
        died_at="2026-11-29T12:00:01Z",
        accepted_at="2026-11-29T12:00:00+00:00",
    )
    assert payload(letter) == {"order_id": "X"}, "whoever has a payment's token can charge"


def test_one_that_the_broker_gave_up_has_the_brokers_reason() -> None:
    letter = Letter(TaskMessage("T1", "send_email", {}, NOW).encode(), {}, 1)
    assert About.of(letter).reason == BY_THE_BROKER
    assert Wanted(BY_THE_BROKER, "send_email").means(About.of(letter))
    assert not Wanted(BY_THE_BROKER, "sync_data").means(About.of(letter))


@given(st.binary(max_size=2000), st.dictionaries(st.sampled_from(sorted(HEADERS)), st.text() | st.integers()))
def test_whatever_lies_there_fits_the_audit(body: bytes, headers: dict[str, Any]) -> None:
    about = About.of(Letter(body, headers, 1))
    assert about.task_id is None or len(about.task_id) <= 64
    assert len(about.type) <= 64
    assert len(about.reason) <= 64
    assert len(about.detail) <= 500
    assert about.attempts >= 0
    assert payload(Letter(body, headers, 1)) is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["purge", "--because", "tests"], "name a --reason or a --type"),
        (["purge", "--reason", "declined"], "--because"),
        (["purge", "--reason", "declined", "--because", ""], "not 1 to 200 characters"),
        (["redrive", "--rate", "0"], "not more than 0"),
        (["bury"], "invalid choice"),
        ([], "required"),
    ],
)
def test_a_bad_command_is_refused_with_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith("hcs-tasks")
    assert said.count("\n") == 1
