"""Sessions at one mysqld that is played in memory: what was said in which session, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hcs_operator.mysql.session import Row, Session


@dataclass
class PlayedServer:
    """Answers a query by the words in it; `fails` raises at a statement that begins so."""

    answers: Mapping[str, list[Row]] = field(default_factory=dict)
    fails: Mapping[str, BaseException] = field(default_factory=dict)
    said: list[tuple[int, str]] = field(default_factory=list)
    """All statements but plain looks: the number of the session, and the statement with its arguments in it."""
    patience: list[float] = field(default_factory=list)
    """Seconds that each session waits for a statement."""

    @property
    def statements(self) -> list[str]:
        """What was said, whoever said it."""
        return [sql for _, sql in self.said]

    @contextmanager
    def session(self, *_login: object, statement_seconds: float = 2.0) -> Iterator[Session]:
        """As `mysql.session.over_socket` and `over_tls` open one."""
        self.patience.append(statement_seconds)
        yield PlayedSession(self, len(self.patience))


class PlayedSession(Session):
    """One of them."""

    def __init__(self, server: PlayedServer, number: int) -> None:
        self._server = server
        self._number = number

    def query(self, sql: str, *args: object) -> list[Row]:
        answer: list[Any] | None = next((rows for words, rows in self._server.answers.items() if words in sql), None)
        if answer is None:
            self.run(sql, *args)
        return answer or []

    def run(self, sql: str, *args: object) -> None:
        plain = " ".join(sql.split())
        self._server.said.append((self._number, plain % tuple(f"<{it}>" for it in args) if args else plain))
        for words, error in self._server.fails.items():
            if plain.startswith(words):
                raise error
