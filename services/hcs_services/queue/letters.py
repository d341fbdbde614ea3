"""The dead letters, one after the other.

What is taken is the broker's to remember: a letter that is not acknowledged is in its place in the queue again once the
session is closed, however that came. So nothing is held here, and the number of letters does not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pika.exceptions import AMQPError
from pika.spec import Basic

from hcs_services.queue.session import Session, SessionLost
from hcs_services.queue.topology import DEAD, declare


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead task's message."""

    body: bytes
    headers: dict[str, Any] = field(hash=False)
    tag: int


class Letters:
    """Reads `hcs.dead` over a session that it has to itself. One `take` at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._got: Callable[[Letter | None], None] = lambda _letter: None
        session.channel.add_callback(lambda _frame: self._got(None), [Basic.GetEmpty], one_shot=False)

    async def count(self) -> int:
        """How many lie there that nobody has taken. Raises SessionLost, as all here does."""
        await declare(self._session)
        answer = await self._session.call(self._session.channel.queue_declare, DEAD, passive=True)
        return int(answer.method.message_count)

    async def take(self) -> Letter | None:
        """The next one, None where there is none."""
        letter: Letter | None = await self._session.call(self._get)
        return letter

    def remove(self, letter: Letter) -> None:
        """Acknowledge it: it is gone from the queue."""
        try:
            self._session.channel.basic_ack(letter.tag)
        except AMQPError as error:
            raise SessionLost(repr(error)) from error

    def _get(self, *, callback: Callable[[Letter | None], None]) -> None:
        self._got = callback

        def got(_channel: Any, method: Any, properties: Any, body: bytes) -> None:
            callback(Letter(body, dict(properties.headers or {}), method.delivery_tag))

        self._session.channel.basic_get(DEAD, got)
