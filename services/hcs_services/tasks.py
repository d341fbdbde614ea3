"""`hcs-tasks`: look at dead tasks, take them up again or throw them away; run in a pod of the stack, where settings and
secrets are: the async API's is always there.

Exit code 0, 2 with one line for a bad command, 1 with one line where an engine went away: then run it again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Any, NoReturn

from hcs_services.database.errors import DatabaseFailure
from hcs_services.database.members import PrimaryPool
from hcs_services.observability import configure_logging
from hcs_services.queue import NotAccepted, Publisher, SessionLost, connect
from hcs_services.queue.letters import Letter, Letters
from hcs_services.queue.session import broker_of
from hcs_services.settings import MissingCredentialError, Settings
from hcs_services.worker import audit, dead_letters, handlers
from hcs_services.worker.audit import BECAUSE_CHARACTERS, Purpose
from hcs_services.worker.dead_letters import OTHERS, About, Wanted
from hcs_services.worker.purge import Purge
from hcs_services.worker.redrive import Redrive
from hcs_services.worker.registry import HANDLERS

__all__ = ["handlers", "main"]


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code."""
    asked = _parse(arguments)
    settings = Settings(tier="worker")
    configure_logging("error", stack=settings.stack, tier="hcs-tasks")
    try:
        asyncio.run(_COMMANDS[asked.command](settings, asked))
    except (SessionLost, NotAccepted, DatabaseFailure, MissingCredentialError) as error:
        sys.stderr.write(f"hcs-tasks: {error}; nothing is lost, run it again\n")
        return 1
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser("hcs-tasks", description="Dead tasks: look at them, take them up again, throw them away.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="how many letters there are of each type and reason")
    peek = commands.add_parser("peek", help="what letters tell, a line of JSON each; they stay where they are")
    peek.add_argument("--payload", action="store_true", help="also what was asked for, which may be personal")
    again = commands.add_parser("redrive", help="give tasks back to their queues, each with all its tries before it")
    again.add_argument("--rate", type=_positive, default=50.0, help="tasks a second at the most (50)")
    purge = commands.add_parser("purge", help="throw letters away: of a reason or a type that is named")
    for command, limit in ((peek, 10), (again, math.inf), (purge, math.inf)):
        command.add_argument("--reason", help="only letters of this reason")
        command.add_argument("--type", help="only tasks of this type")
        command.add_argument("--limit", type=_positive, default=limit, help=f"letters at the most ({limit})")
    for command, needed in ((again, False), (purge, True)):
        command.add_argument("--because", type=_words, required=needed, help="why, for the audit")
    told = commands.add_parser("audit", help="what was redriven or purged, when and why, a line of JSON each")
    told.add_argument("--limit", type=_positive, default=50, help="of the newest, at the most (50)")
    asked = parser.parse_args(arguments)
    if asked.command == "purge" and not (asked.reason or asked.type):
        purge.error("name a --reason or a --type: `hcs-tasks list` tells which there are")
    return asked


def _positive(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError("not more than 0")
    return number


def _words(text: str) -> str:
    if not 0 < len(text) <= BECAUSE_CHARACTERS:
        raise argparse.ArgumentTypeError(f"not 1 to {BECAUSE_CHARACTERS} characters")
    return text


async def _list(settings: Settings, _asked: argparse.Namespace) -> None:
    async with _letters(settings) as letters:
        told: Counter[str] = Counter()
        async for letter in dead_letters.everything(letters):
            about = About.of(letter)
            told[f"{about.type}  {about.reason}"] += 1
        _print(told)


async def _peek(settings: Settings, asked: argparse.Namespace) -> None:
    wanted = _wanted(asked)

    def told(letter: Letter) -> dict[str, Any] | str:
        about = About.of(letter)
        if not wanted.means(about):
            return OTHERS
        return asdict(about) | ({"payload": dead_letters.payload(letter)} if asked.payload else {})

    async with _letters(settings) as letters:
        async for (document,) in dead_letters.in_batches(letters, told, 1, wanted.limit, Counter()):
            _print_json(document)


async def _redrive(settings: Settings, asked: argparse.Namespace) -> None:
    publisher = Publisher(broker_of(settings), f"{settings.stack}-redrive-publish")
    publishing = asyncio.create_task(publisher.run())
    try:
        async with _primary(settings) as primary, _letters(settings) as letters:
            again = Redrive(letters, primary, publisher.publish, HANDLERS, Purpose(asked.because or ""))
            _print(await again.run(_wanted(asked), asked.rate))
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


async def _purge(settings: Settings, asked: argparse.Namespace) -> None:
    async with _primary(settings) as primary, _letters(settings) as letters:
        _print(await Purge(letters, primary, Purpose(asked.because)).run(_wanted(asked)))


async def _audit(settings: Settings, asked: argparse.Namespace) -> None:
    async with _primary(settings) as primary, primary.connection() as connection:
        for row in await audit.latest(connection, math.ceil(asked.limit)):
            _print_json(row)


_COMMANDS = {"list": _list, "peek": _peek, "redrive": _redrive, "purge": _purge, "audit": _audit}


def _wanted(asked: argparse.Namespace) -> Wanted:
    return Wanted(asked.reason, asked.type, asked.limit)


@contextlib.asynccontextmanager
async def _primary(settings: Settings) -> AsyncIterator[PrimaryPool]:
    pool = PrimaryPool.of(settings, "hcs_app")
    try:
        yield pool
    finally:
        await pool.close()


@contextlib.asynccontextmanager
async def _letters(settings: Settings) -> AsyncIterator[Letters]:
    session = await connect(broker_of(settings), f"{settings.stack}-redrive")
    try:
        yield Letters(session)
    finally:
        await session.close()


def _print(told: Counter[str]) -> None:
    for outcome, count in sorted((+told).items()) or [("letters", 0)]:
        sys.stdout.write(f"{count:>8}  {outcome}\n")


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(document, ensure_ascii=False)}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
