"""How an exchange with an endpoint fails.

NotConnected   no connection could be made: the endpoint saw nothing of the request
Broken         the connection ended, or is of no use, before the answer was whole
├─ Lost        it was closed or reset
└─ Malformed   what came on it is no sound HTTP/1.1 answer
"""


class NotConnected(Exception):
    """No connection could be made; nothing was sent."""


class Broken(Exception):
    """No whole answer came; the endpoint may have acted on the request."""


class Lost(Broken):
    """The connection ended before the answer did."""


class Malformed(Broken):
    """What came is no sound answer; the message says why."""
