"""The base image holds nothing of the machine that made it."""

from __future__ import annotations

import pytest
from hack.cluster import base_image
from hack.cluster.docker import Docker

pytestmark = pytest.mark.unit


def test_an_image_with_more_in_it_is_not_taken_for_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Docker, "has_image", lambda *_: True)
    now = base_image.ensure(Docker())
    monkeypatch.setattr(base_image, "_LEFT_OUT", base_image._LEFT_OUT[1:])
    assert base_image.ensure(Docker()) != now
