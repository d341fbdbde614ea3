"""Settings of running servers on real MySQL: the declared ones are taken, changed and taken back without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from tests.engine.containers import until
from tests.engine.database.test_reader import serving
from tests.engine.database.trial import Trial

from hcs_operator.api.database import TEMPLATE_HASH, DatabaseView, Revision, Role
from hcs_operator.api.variables import DEFAULTS
from hcs_operator.decide.database.steps import Tune
from hcs_operator.decide.database.tuning import tunings
from hcs_operator.mysql.errors import NotTaken

pytestmark = pytest.mark.engine

OTHER = {"long_query_time": "0.500000", "max_allowed_packet": "16777216", "slow_query_log": "ON"}


@pytest.fixture(scope="module")
def stack(new_trial: Callable[[], Trial]) -> Trial:
    """A member and a reader that serves."""
    trial = new_trial()
    trial.start(0)
    trial.converge("the group of one is ready", lambda planned: planned.primary_ready)
    reader = trial.start(0, Role.READER)
    trial.converge("the reader serves", serving(reader.name))
    return trial


def heard(trial: Trial) -> DatabaseView:
    """A look in which every server answered."""
    looks: list[DatabaseView] = []

    def all_answer() -> bool:
        looks.append(trial.look())
        return all(it.facts for it in looks[-1].instances)

    until("all answer", all_answer, 30)
    return looks[-1]


def seen(trial: Trial, starts: Mapping[str, str]) -> DatabaseView:
    """A look at pods of the current template, beside a my.cnf that has `starts`."""
    view = heard(trial)
    current = tuple(replace(it, pod=replace(it.pod, annotations={TEMPLATE_HASH: "h"})) for it in view.instances)
    of_all = {role: Revision("r", "h") for role in Role}
    return replace(view, instances=current, revisions=of_all, starts=dict.fromkeys(Role, starts))


def tune(trial: Trial, starts: Mapping[str, str]) -> int:
    """One look's steps, carried out; returns how many there were."""
    steps = tunings(seen(trial, starts))
    for step in steps:
        asyncio.run(trial.port.perform(step))
    return len(steps)


def values(trial: Trial, name: str) -> set[str]:
    return {str(it.facts.variables[name].value) for it in heard(trial).instances if it.facts}


def test_a_server_has_each_declared_variable_and_its_default(stack: Trial) -> None:
    for it in heard(stack).instances:
        assert it.facts
        assert {name: found.value for name, found in it.facts.variables.items()} == DEFAULTS


def test_every_one_of_them_can_be_set_while_the_server_runs(stack: Trial) -> None:
    for it in stack.look().instances:
        asyncio.run(stack.port.perform(Tune(it.instance, tuple(DEFAULTS.items()))))


def test_a_change_reaches_member_and_reader_without_a_restart_and_is_taken_back(stack: Trial) -> None:
    before = {name: pod.container.state["StartedAt"] for name, pod in stack.pods.items()}
    assert tune(stack, OTHER) == len(stack.pods)
    assert {name: values(stack, name) for name in OTHER} == {name: {value} for name, value in OTHER.items()}
    assert tune(stack, OTHER) == 0
    assert tune(stack, {}) == len(stack.pods)
    assert {name: values(stack, name) for name in OTHER} == {name: {DEFAULTS[name]} for name in OTHER}
    assert tune(stack, {}) == 0
    assert {name: pod.container.state["StartedAt"] for name, pod in stack.pods.items()} == before
    assert stack.turn().readers_ready == 1


def test_what_somebody_else_has_set_stays(stack: Trial) -> None:
    for pod in stack.pods.values():
        pod.server.run("SET GLOBAL max_sort_length = 2048")
    assert tune(stack, {}) == 0
    assert tune(stack, {"max_sort_length": "1024"}) == len(stack.pods)


def test_mysql_refuses_what_a_start_would_cut_and_sets_the_rest(stack: Trial) -> None:
    wanted = {"max_allowed_packet": "1000", "max_sort_length": "4096"}
    for step in tunings(seen(stack, wanted)):
        with pytest.raises(NotTaken, match=r"max_allowed_packet = 1000 \(error 1231: .*can't be set to the value"):
            asyncio.run(stack.port.perform(step))
    assert values(stack, "max_allowed_packet") == {DEFAULTS["max_allowed_packet"]}
    assert values(stack, "max_sort_length") == {"4096"}
    assert tune(stack, {}) == len(stack.pods), "the key is taken away again"


def test_a_key_that_a_server_was_started_with_and_my_cnf_lost_goes_back_to_its_default(stack: Trial) -> None:
    pod = next(it for it in stack.pods.values() if it.role is Role.READER)
    added = pod.container.run("sh", "-c", "echo max_sort_length=512 >> /etc/hcs/mysql/my.cnf", user="root")
    assert added.code == 0, added
    pod.container.kill()
    stack.revive(pod)
    pod.server.until_answers()
    assert values(stack, "max_sort_length") == {"512", DEFAULTS["max_sort_length"]}
    assert tune(stack, {}) == 1
    assert values(stack, "max_sort_length") == {DEFAULTS["max_sort_length"]}
