"""A traceback in the log shows where something broke, never the values that were at hand."""

import json
import logging

import pytest
import structlog

from hcs_operator.runtime import logs

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def as_before() -> object:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_traceback_has_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    password = "never-shown"
    try:
        len(password) / 0
    except ZeroDivisionError:
        structlog.get_logger("hcs_operator.test").exception("look_broke")
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert json.loads(line)["exception"][0]["exc_type"] == "ZeroDivisionError"
    assert password not in line
