"""Every task type has its handler, or the worker does not start."""

import pytest
from pydantic import BaseModel

from hcs_services.identifiers import TASK_TYPES
from hcs_services.settings import Settings
from hcs_services.worker import build
from hcs_services.worker.ports import Ports
from hcs_services.worker.registry import HANDLERS, Registry
from hcs_services.worker.task import Effect, Task

pytestmark = pytest.mark.unit


async def prepare(_task: Task, _payload: BaseModel, _ports: Ports) -> Effect:
    raise NotImplementedError


def test_every_task_type_has_a_handler() -> None:
    HANDLERS.require(TASK_TYPES)


def test_a_refund_is_tried_for_as_long_as_it_takes() -> None:
    refund = HANDLERS.get("refund_payment")
    assert refund is not None
    assert refund.tries is None


def test_a_report_which_may_be_large_shares_no_transaction() -> None:
    report = HANDLERS.get("generate_report")
    assert report is not None
    assert report.alone


def test_a_type_without_a_handler_fails_the_start() -> None:
    registry = Registry()
    registry.handles("send_email", payload=BaseModel, seconds=1)(prepare)
    with pytest.raises(ValueError, match="no handler for task type paint_house"):
        registry.require(["send_email", "paint_house"])


def test_a_type_has_one_handler() -> None:
    registry = Registry()
    registry.handles("send_email", payload=BaseModel, seconds=1)(prepare)
    with pytest.raises(ValueError, match="two handlers"):
        registry.handles("send_email", payload=BaseModel, seconds=1)(prepare)


def test_a_mail_url_that_is_none_fails_the_start() -> None:
    with pytest.raises(ValueError, match="EMAIL_URL"):
        build(Settings(email_url="sink:25"))
