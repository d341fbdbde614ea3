"""Stacks' databases for the engine tests of the operator's database part."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.engine.database.trial import Trial
from tests.engine.mysql_servers import MysqldMaker
from tests.engine.write_api.conftest import start_write_api

from hcs_operator.tls import issue

__all__ = ["founded", "new_trial", "start_write_api"]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def new_trial(mysqld: MysqldMaker) -> Iterator[Callable[[], Trial]]:
    """Makes databases that have no pod yet; ends their pods with the module."""
    made: list[tuple[Trial, Path]] = []

    def make() -> Trial:
        stack = f"lab{next(_numbers)}"
        folder = Path(tempfile.mkdtemp())
        folder.chmod(0o755)  # the agent runs as another user
        trial = Trial(stack, mysqld, folder, issue.authority(stack, issue.new_key(), datetime.now(UTC)))
        made.append((trial, folder))
        return trial

    yield make
    for trial, folder in made:
        trial.close()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def founded(new_trial: Callable[[], Trial]) -> Trial:
    """A group of one, founded by operator and agent."""
    trial = new_trial()
    trial.start(0)
    trial.converge("the group of one is ready", lambda planned: planned.primary_ready)
    return trial
