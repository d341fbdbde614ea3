"""One `make` at a time builds, makes and removes: two would trip over each other. Running tests needs no lock."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from hack.cluster import places
from hack.cluster.console import say


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Waits for another make to end. What one that was killed left in the scratch folder goes."""
    places.CACHE.mkdir(parents=True, exist_ok=True)
    with (places.CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another make is building; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(places.SCRATCH, ignore_errors=True)
        places.SCRATCH.mkdir()
        yield
