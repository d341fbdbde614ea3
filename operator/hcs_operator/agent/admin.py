"""The agent's HTTP port: /livez and /readyz for the kubelet."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STUCK_SECONDS = 300.0
"""A loop that has not come round for so long is dead: its longest statement takes half of it."""


class State:
    """What the loop tells the port; written by one thread, read by others."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat = clock()
        self.ready = False
        """mysqld has answered the last look."""

    def beat(self) -> None:
        """Note that the loop comes round."""
        self._beat = self._clock()

    @property
    def alive(self) -> bool:
        """Whether the loop comes round."""
        return self._clock() - self._beat < STUCK_SECONDS


def serve(state: State, port: int) -> ThreadingHTTPServer:
    """Start answering, in threads that end with the process."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            good = {"/livez": state.alive, "/readyz": state.ready}.get(self.path)
            status, body = (404, b"not found\n") if good is None else (200, b"ok\n") if good else (503, b"not yet\n")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the kubelet asks every few seconds."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="admin", daemon=True).start()
    return server
