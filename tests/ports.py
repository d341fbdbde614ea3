"""Ports for processes that tests start."""

import random
import socket
from contextlib import suppress

_BELOW_OUTGOING = range(20_000, 30_000)
"""Of the ports that the kernel gives to outgoing connections one could be taken again before it is used."""


def free_port() -> int:
    """A port that was free a moment ago."""
    while True:
        port = random.choice(_BELOW_OUTGOING)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
