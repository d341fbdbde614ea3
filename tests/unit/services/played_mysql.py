"""MySQL members played in memory, for the pools: each address has a view, a mood and a count of its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hcs_services import request_context
from hcs_services.database.group_view import OWN_VIEW
from hcs_services.database.members import PrimaryPool


class MysqlError(Exception):
    """As the driver raises it: (number, message)."""


@dataclass
class Member:
    """One server."""

    primary: bool = False
    reachable: int = 1
    members: int = 1
    follows: str | None = None  # the address of the primary that its view names, where that is not itself
    number: int = 1  # of its view
    refuses: Exception | None = None  # at connect
    silent: bool = False  # accepts and does not answer
    refused: int = 0
    opened: int = 0
    alive: list[PlayedConnection] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    at_commit: Callable[[], Any] | None = None
    commits: int = 0
    statements: list[str] = field(default_factory=list)
    deadlines: list[float | None] = field(default_factory=list)


class PlayedConnection:
    """What a pool sees of a connection."""

    def __init__(self, member: Member, address: str) -> None:
        self.member = member
        self.address = address
        self.broken = False
        self.committed_gtid = ""
        member.opened += 1
        member.alive.append(self)

    async def _answer(self, sql: str) -> Any:
        if self.broken:
            raise MysqlError(2013, "Lost connection")
        while self.member.silent:  # noqa: ASYNC110 - a plain flag is what the tests set
            await asyncio.sleep(0.001)
        self.member.statements.append(sql)
        self.member.deadlines.append(request_context.deadline())
        answer = self.member.answers.get(sql)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def execute(self, sql: str, _arguments: Any = ()) -> int:
        return await self._answer(sql) or 0

    async def fetch_one(self, sql: str, _arguments: Any = ()) -> Any:
        if sql == OWN_VIEW:
            await self._answer(sql)
            member = self.member
            return {
                "reachable": member.reachable,
                "members": member.members,
                "is_primary": int(member.primary),
                "primary_id": self.address if member.primary else member.follows,
                "view_id": f"17955417351537025:{member.number}",
            }
        return await self._answer(sql)

    async def begin(self) -> None:
        await self._answer("BEGIN")

    async def commit(self, *, track_gtid: bool = False) -> None:
        if self.member.at_commit is not None:
            result = self.member.at_commit()
            if result is not None:
                await result
        await self._answer("COMMIT")
        self.member.commits += 1
        self.committed_gtid = "gtid" if track_gtid else ""

    async def rollback(self) -> None:
        if not self.broken:
            await self._answer("ROLLBACK")

    def close(self) -> None:
        self.broken = True
        if self in self.member.alive:
            self.member.alive.remove(self)


class Group:
    """Members by address."""

    def __init__(self, **members: Member) -> None:
        self.members = members
        self.dns_is_away = False

    async def addresses(self) -> list[str]:
        if self.dns_is_away:
            raise OSError("no DNS")
        return sorted(self.members)

    async def connect(self, address: str) -> PlayedConnection:
        await asyncio.sleep(0)
        member = self.members[address]
        if member.refuses is not None:
            member.refused += 1
            raise member.refuses
        return PlayedConnection(member, address)


def pool_of(group: Group, size: int = 4) -> PrimaryPool:
    connect: Any = group.connect
    return PrimaryPool(group.addresses, connect, size=size)


def three(primary: str = "a") -> Group:
    return Group(**{name: Member(primary=name == primary, reachable=3, members=3, follows=primary) for name in "abc"})
