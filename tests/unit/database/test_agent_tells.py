"""What the agent's port tells the kubelet of the mysqld beside it."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.database.test_agent import MEMBER

from hcs_operator.agent import loop as loops
from hcs_operator.agent.admin import STUCK_SECONDS, State, serve
from hcs_operator.agent.decide import Act
from hcs_operator.agent.loop import Loop
from hcs_operator.agent.seen import Local, Memory
from hcs_operator.agent.settings import Settings
from hcs_operator.mysql.errors import DatabaseError, Refused, Unreachable

pytestmark = pytest.mark.unit


@pytest.fixture
def clock() -> list[float]:
    """The seconds that it is now."""
    return [0.0]


@pytest.fixture
def state(clock: list[float]) -> State:
    return State(lambda: clock[0])


@pytest.fixture
def asked(state: State) -> Iterator[Callable[[str], int]]:
    """The status that a path of the port is answered with."""
    server = serve(state, 0)

    def ask(path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    yield ask
    server.shutdown()
    server.server_close()


@pytest.fixture
def turn(state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., float]:
    """One turn of the loop in which looking, or acting, ends like this."""
    named = {"HCS_ROLE": "member", "HCS_STACK": "shop", "HCS_DATABASE_CREDENTIALS": tmp_path}
    named |= {"POD_NAME": "shop-db-0-0", "POD_IP": "10.0.0.1", "POD_FQDN": "shop-db-0-0.shop-db-0"}
    loop = Loop(Settings.model_validate(named), state)

    def play(*, seen: Local | DatabaseError, done: DatabaseError | None = None) -> float:
        def look(_settings: Settings, _memory: Memory) -> Local:
            if isinstance(seen, DatabaseError):
                raise seen
            return seen

        def act(_act: Act, _local: Local, memory: Memory, _settings: Settings) -> Memory:
            if done:
                raise done
            return memory

        monkeypatch.setattr(loops, "look", look)
        monkeypatch.setattr(loops, "act", act)
        return loop.turn()

    return play


def test_ready_is_what_mysqld_said_to_the_last_look(turn: Callable[..., float], asked: Callable[[str], int]) -> None:
    assert asked("/readyz") == 503, "nobody has looked yet"
    turn(seen=MEMBER)
    assert asked("/readyz") == 200
    turn(seen=Unreachable("no answer within 2 s"))
    assert asked("/readyz") == 503
    turn(seen=MEMBER, done=Refused("the group is not configured", 3092))
    assert asked("/readyz") == 200, "it answered, whatever became of the step"
    turn(seen=MEMBER, done=Unreachable("it went in the middle of a step"))
    assert asked("/readyz") == 503


def test_alive_is_a_loop_that_comes_round(state: State, clock: list[float], asked: Callable[[str], int]) -> None:
    state.beat()
    clock[0] = STUCK_SECONDS - 1
    assert asked("/livez") == 200
    clock[0] = STUCK_SECONDS
    assert asked("/livez") == 503
    state.beat()
    assert asked("/livez") == 200
    assert asked("/other") == 404
