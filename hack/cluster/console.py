"""What `make` says: one line when a step begins, one when it ends, each with the seconds so far."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

_begun = time.monotonic()


def say(text: str) -> None:
    """One line, with the seconds since the command began."""
    print(f"[{time.monotonic() - _begun:5.0f} s] {text}", flush=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Names a step before it runs and its elapsed seconds after."""
    say(f"{name} …")
    started = time.monotonic()
    yield
    say(f"{name}: {time.monotonic() - started:.1f} s")


class Refusal(Exception):
    """Nothing can be done here until a person does something; the message says what."""


def die(message: str) -> NoReturn:
    """Ends the command with one clear line."""
    print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(1)
