"""A load at a fixed rate: `python -m benchmarks.services.steady <seconds> <per second> <port> <requests>`.

Prints its figures as JSON. Each request has its time, whatever became of those before it, and its latency counts from
then: one that has to wait for a connection waits for the server. It shares its core with what the server asks, so it
does little itself: no event loop, requests as they are sent, and of an answer only what tells its status and its end.
"""

from __future__ import annotations

import gc
import re
import socket
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from select import select

from benchmarks.services.pace import Outcomes, Pace, first_on_its_core
from benchmarks.services.wrk import CONNECTIONS

ANSWER_SECONDS = 10
"""As wrk's: an answer that takes longer is none."""
_PIECE = 1 << 16
"""Bytes that are read at a time: more than twice as many would be mapped and unmapped for each."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Refused(Exception):
    """Not every request got its answer, so the latencies mean nothing."""


class Answer:
    """One answer, fed piece by piece."""

    def __init__(self) -> None:
        self._header = b""
        self._missing: int | None = None  # bytes of the body; None until the header is whole

    def complete(self, data: bytes) -> bool:
        """Whether it is whole with this piece. Raises Refused: it is no success, or does not tell its length."""
        if self._missing is None:
            self._header += data
            header, end, data = self._header.partition(b"\r\n\r\n")
            if not end:
                return False
            length = _LENGTH.search(header)
            if header[9:10] != b"2" or not length:
                raise Refused(header.decode(errors="replace"))
            self._missing = int(length[1])
        self._missing -= len(data)
        return not self._missing


class Connection:
    """One request at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
        self._socket.settimeout(None)  # with a timeout, each call would poll before it
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = self._socket.fileno()

    def ask(self, request: bytes, due: float) -> None:
        """Send a request that was due then."""
        self.due, self._answer = due, Answer()
        self._socket.sendall(request)

    def answered(self) -> bool:
        """Take in what has come; whether that was the last of the answer."""
        data = self._socket.recv(_PIECE)
        if not data:
            raise Refused("the server closed")
        return self._answer.complete(data)


def run(pace: Pace, connections: Sequence[Connection], requests: Iterator[bytes]) -> str:
    """Sends a request at each moment, or once a connection is free, and waits for the last answer; figures as JSON."""
    idle, busy, due, outcomes = deque(connections), dict[int, Connection](), deque[float](), Outcomes()
    pace.begin()
    while len(outcomes) < pace.count:
        due += pace.due()
        while due and idle:
            connection = idle.popleft()
            connection.ask(next(requests), due.popleft())
            busy[connection.number] = connection
        ready, _, _ = select(busy, (), (), pace.wait() if pace.more else ANSWER_SECONDS)
        if not ready and not pace.more:
            raise Refused(f"no answer within {ANSWER_SECONDS} s")
        for number in ready:
            connection = busy[number]
            if connection.answered():
                outcomes.add(connection.due)
                idle.append(busy.pop(number))
    return outcomes.figures(pace, pace.late, busy=0.0)  # what the server used is known elsewhere


if __name__ == "__main__":
    asked = cycle([one for one in Path(sys.argv[4]).read_bytes().split(b"\0") if one])
    opened = [Connection(int(sys.argv[3])) for _ in range(CONNECTIONS)]
    gc.disable()  # its objects are few and none refers to itself
    first_on_its_core()
    print(run(Pace(float(sys.argv[1]), float(sys.argv[2])), opened, asked))
