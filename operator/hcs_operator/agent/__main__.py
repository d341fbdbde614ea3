"""`python -m hcs_operator.agent` runs the agent."""

import logging
import signal
import sys
import time
from types import FrameType

import structlog
from pydantic import ValidationError

from hcs_operator.agent.admin import State, serve
from hcs_operator.agent.loop import Loop
from hcs_operator.agent.settings import Settings


def main(arguments: list[str]) -> int:
    """Return the process's exit code: 2 for a bad setting or command, with one line that names it."""
    try:
        settings = Settings()
    except ValidationError as error:
        missing = ", ".join(str(it["loc"][0]) for it in error.errors())
        print(f"hcs-agent: wrong or missing settings: {missing}", file=sys.stderr)  # noqa: T201 - before logging is up
        return 2
    _configure_logging(settings.log_level)
    if arguments:
        print(f"hcs-agent: unknown command {arguments[0]!r}", file=sys.stderr)  # noqa: T201
        return 2
    signal.signal(signal.SIGTERM, _end)
    # the pod starts it with SIGTERM blocked, which would be lost before there is somebody to hear it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    state = State()
    serve(state, settings.port)
    Loop(settings, state).run(time.sleep)
    return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    """End at once, through every `finally`: a bootstrap_group that is on must be taken back."""
    raise SystemExit(0)


def _configure_logging(level: str) -> None:
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(),
    ]
    filtering = structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level])
    structlog.configure(processors=processors, wrapper_class=filtering)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
