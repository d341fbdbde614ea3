"""`hcs-tasks`: look at dead tasks and take them up again; run in a worker's pod, where its settings and secrets are.

Exit code 0, 2 for a bad command, 1 with one line where an engine went away: then run it again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence

from hcs_services.database.errors import DatabaseFailure
from hcs_services.database.members import PrimaryPool
from hcs_services.observability import configure_logging
from hcs_services.queue import NotAccepted, Publisher, SessionLost, connect
from hcs_services.queue.letters import Letters
from hcs_services.queue.session import broker_of
from hcs_services.settings import MissingCredentialError, Settings
from hcs_services.worker import handlers, redrive
from hcs_services.worker.redrive import Redrive, Wanted
from hcs_services.worker.registry import HANDLERS

__all__ = ["handlers", "main"]


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code."""
    wanted = _parser().parse_args(arguments)
    settings = Settings(tier="worker")
    configure_logging("error", stack=settings.stack, tier="hcs-tasks")
    try:
        asyncio.run(_list(settings) if wanted.command == "list" else _redrive(settings, wanted))
    except (SessionLost, NotAccepted, DatabaseFailure, MissingCredentialError) as error:
        sys.stderr.write(f"hcs-tasks: {error}; nothing is lost, run it again\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("hcs-tasks", description="Dead tasks: look at them, take them up again.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="how many letters there are of each type and reason")
    again = commands.add_parser("redrive", help="give tasks back to their queues, each with all its tries before it")
    again.add_argument("--reason", help="only letters of this reason")
    again.add_argument("--type", help="only tasks of this type")
    again.add_argument("--limit", type=_positive, default=math.inf, help="tasks at the most")
    again.add_argument("--rate", type=_positive, default=50.0, help="tasks a second at the most (50)")
    return parser


def _positive(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError("not more than 0")
    return number


async def _list(settings: Settings) -> None:
    async with _letters(settings) as letters:
        told: Counter[str] = Counter()
        async for letter in redrive.everything(letters):
            told["  ".join(redrive.label(letter))] += 1
        _print(told)


async def _redrive(settings: Settings, wanted: argparse.Namespace) -> None:
    primary = PrimaryPool.of(settings, "hcs_app")
    publisher = Publisher(broker_of(settings), f"{settings.stack}-redrive-publish")
    publishing = asyncio.create_task(publisher.run())
    try:
        async with _letters(settings) as letters:
            again = Redrive(letters, primary, publisher.publish, HANDLERS)
            _print(await again.run(Wanted(wanted.reason, wanted.type, wanted.limit), wanted.rate))
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, primary.close(), return_exceptions=True)


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
