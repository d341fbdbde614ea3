"""The agent's loop: look, decide, act, once a second. What fails is logged once and tried again, for ever."""

from collections.abc import Callable

import structlog

from hcs_operator.agent.act import act
from hcs_operator.agent.admin import State
from hcs_operator.agent.decide import Settle, Wait, begun, decide
from hcs_operator.agent.look import look
from hcs_operator.agent.seen import Memory
from hcs_operator.agent.settings import Settings
from hcs_operator.mysql.errors import DatabaseError, Unreachable

INTERVAL_SECONDS = 1.0

log = structlog.get_logger()


class Loop:
    """Keeps one mysqld going. `turn` is one look and at most one act."""

    def __init__(self, settings: Settings, state: State) -> None:
        self._settings = settings
        self._state = state
        self._memory = Memory()
        self._said = ""

    def run(self, sleep: Callable[[float], None]) -> None:
        """Turn until the process is told to end."""
        while True:
            pause = self.turn()
            self._state.beat()
            sleep(pause)

    def turn(self) -> float:
        """Look, decide, act; return how many seconds to wait before the next turn."""
        try:
            local = look(self._settings, self._memory)
            self._state.ready = True
            decision = decide(local, self._memory)
            if isinstance(decision, Wait | Settle):
                self._say("waiting", getattr(decision, "why", "accounts are set"))
            else:
                self._say("acting", type(decision).__name__)
            self._memory = begun(decision, local, self._memory)
            self._memory = act(decision, local, self._memory, self._settings)
        except Unreachable as error:
            self._state.ready = False
            self._say("mysqld does not answer", str(error))
        except (DatabaseError, OSError) as error:
            self._say("failed", str(error))
        else:
            return INTERVAL_SECONDS if isinstance(decision, Wait) else 0.0
        return INTERVAL_SECONDS

    def _say(self, event: str, what: str) -> None:
        """Log what is new; the same state once a second is no news."""
        if (line := f"{event}: {what}") != self._said:
            self._said = line
            log.info(event, detail=what, pod=self._settings.pod_name)
