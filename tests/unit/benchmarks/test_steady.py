"""A load at a fixed rate: each request has its moment, and what is answered after the last is a backlog."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat

import pytest
from benchmarks.services.pace import Outcomes, Pace, quantile
from benchmarks.services.steady import Answer, Connection, Refused, run
from benchmarks.services.wrk import CONNECTIONS

pytestmark = pytest.mark.unit

OK = b"HTTP/1.1 201 Created\r\nX-Request-Id: 1\r\ncontent-length: 5\r\n\r\nhello"


@contextmanager
def server(answer: Callable[[], bytes]) -> Iterator[int]:
    """One connection, an answer for each request; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with listening.accept()[0] as client:
                while client.recv(65_536):
                    client.sendall(answer())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of every pace."""
    return Clock(monkeypatch)


def test_moments_that_passed_together_are_due_at_their_own_times(clock: Clock) -> None:
    paced = Pace(seconds=1, per_second=4)
    paced.begin()
    assert paced.due() == [100.0]
    clock.now = 100.6
    assert paced.due() == [100.25, 100.5]
    assert paced.late == pytest.approx([0, 0.35, 0.1])
    assert paced.wait() == pytest.approx(0.15)
    clock.now = 109.0
    assert paced.due() == [100.75]
    assert not paced.more


def test_the_rate_is_of_what_was_done_while_the_moments_lasted_and_not_of_what_was_done_later(clock: Clock) -> None:
    paced, outcomes = Pace(seconds=2, per_second=5), Outcomes()
    paced.begin()
    for clock.now, due in ((100.5, 100.0), (102.0, 101.0), (103.0, 101.8)):
        outcomes.add(due)
    found = json.loads(outcomes.figures(paced, [0.0, 0.002], busy=0.5))
    figures = {"per_second": 1.0, "asked": 5, "busy": 0.5, "late": 2.0, "p50": 1000.0, "behind": 0}
    assert found == {**figures, "p99": pytest.approx(1200)}


def test_those_are_behind_that_fall_due_while_all_connections_are_busy_although_all_are_answered_in_time(
    clock: Clock,
) -> None:
    paced, outcomes = Pace(seconds=2, per_second=100), Outcomes()
    paced.begin()
    for number in range(100):
        clock.now = 101.5 + number / 1000
        outcomes.add(100 + number / 100)  # a second's requests, none of which is answered before the last is due
    found = json.loads(outcomes.figures(paced, [0.0], busy=0.5))
    assert found["behind"] == (100 - CONNECTIONS) / 100


def test_a_quantile_is_one_of_the_values() -> None:
    assert [quantile([30, 10, 20, 40], share) for share in (0.5, 0.99)] == [30, 40]


@pytest.mark.parametrize("cut", range(1, len(OK)))
def test_an_answer_is_whole_with_its_last_byte_however_it_is_cut(cut: int) -> None:
    answer = Answer()
    assert [answer.complete(OK[:cut]), answer.complete(OK[cut:])] == [False, True]


@pytest.mark.parametrize("refusal", [b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_is_no_success_or_tells_no_length_ends_the_run(refusal: bytes) -> None:
    with pytest.raises(Refused):
        Answer().complete(refusal)


def test_each_request_is_answered_and_counted() -> None:
    with server(lambda: OK) as port:
        printed = json.loads(run(Pace(0.1, 100), [Connection(port)], repeat(b"GET / HTTP/1.1\r\n\r\n")))
    assert printed["asked"] == 100
    assert 0 < printed["p50"] <= printed["p99"]


def test_a_server_that_falls_behind_has_not_kept_the_rate_and_its_latencies_grow() -> None:
    def slow() -> bytes:
        time.sleep(0.02)
        return OK

    with server(slow) as port:
        printed = json.loads(run(Pace(0.1, 100), [Connection(port)], repeat(b"GET / HTTP/1.1\r\n\r\n")))
    assert printed["per_second"] <= 50
    assert printed["p99"] >= 90


def test_a_server_that_closes_ends_the_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        connection = Connection(closing.getsockname()[1])
        closing.accept()[0].close()
        with pytest.raises(Refused, match="closed"):
            run(Pace(0.1, 100), [connection], repeat(b"GET / HTTP/1.1\r\n\r\n"))
