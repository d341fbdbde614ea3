"""Ports for processes that tests start."""

import os
import random
import socket
from contextlib import suppress

_SIDE_BY_SIDE, _MANY = 5, 2_000
_OURS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SIDE_BY_SIDE
_BELOW_OUTGOING = range(20_000 + _OURS * _MANY, 20_000 + (_OURS + 1) * _MANY)
"""Of the ports that the kernel gives to outgoing connections one could be taken again before it is used. Of processes
that test side by side each has its own.
"""


_given: set[int] = set()  # who was given one may not have bound it yet


def free_port() -> int:
    """A port that was free a moment ago, and was given to nobody before."""
    while True:
        port = random.choice(_BELOW_OUTGOING)
        if port in _given:
            continue
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
