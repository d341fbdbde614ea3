"""Work that goes on beside a test's own, in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def at_work(count: int, work: Callable[[int, threading.Event], None]) -> Iterator[None]:
    """So many threads work while the block runs; each is given its number, and the event that says that it has ended."""
    done = threading.Event()
    threads = [threading.Thread(target=work, args=(number, done)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
