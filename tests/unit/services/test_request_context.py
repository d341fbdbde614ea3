"""The ids of requests and traces."""

from __future__ import annotations

import os

import pytest

from hcs_services import request_context
from hcs_services.request_context import Digits

pytestmark = pytest.mark.unit


def test_no_digit_is_given_out_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = iter([b"\x01\x23\x45", b"\x67\x89\xab"])
    monkeypatch.setattr(os, "urandom", lambda _size: next(pages))
    digits = Digits(page=3)

    assert [digits.take(4), digits.take(2), digits.take(6)] == ["0123", "45", "6789ab"]


def test_what_is_left_of_a_page_is_dropped_rather_than_given_out_short(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = iter([b"\x01\x23\x45", b"\x67\x89\xab"])
    monkeypatch.setattr(os, "urandom", lambda _size: next(pages))
    digits = Digits(page=3)

    assert [digits.take(4), digits.take(4)] == ["0123", "6789"]


def test_a_child_process_gives_out_digits_of_its_own() -> None:
    request_context.accept_request_id(None)  # a page is there, and most of it left
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, request_context.accept_request_id(None).encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert request_context.accept_request_id(None) != os.read(reading, 24).decode()
    os.close(reading)
    os.close(writing)
