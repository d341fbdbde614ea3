"""The first order goes through a port that is not reached yet when the stack is Ready."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from hack.cluster import first_order
from hack.cluster.console import Refusal

pytestmark = pytest.mark.unit

ORDER = {"order_id": "one", "status": "PENDING"}
ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    "/healthz": (200, {"ok": True}),
    "/api/v1/products": (201, {}),
    "/api/v1/orders": (201, ORDER),
    "/api/v1/orders/one": (200, ORDER),
}


class Gateway(BaseHTTPRequestHandler):
    """Resets its first two connections, as a node does whose proxy knows no pod behind the port."""

    resets = 2

    def handle(self) -> None:
        """One connection."""
        if Gateway.resets:
            Gateway.resets -= 1
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        super().handle()

    def do_GET(self) -> None:
        """The stated answer of a path."""
        status, document = ANSWERS[self.path]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the base class looks for this name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Silent."""


@pytest.fixture
def gateway() -> Iterator[str]:
    """Its base URL."""
    Gateway.resets = 2
    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_port_that_resets_at_first_is_waited_for(gateway: str, capsys: pytest.CaptureFixture[str]) -> None:
    first_order.place(gateway)
    assert f"POST /api/v1/orders → 201 {json.dumps(ORDER)}" in capsys.readouterr().out
    assert Gateway.resets == 0


def test_a_port_that_never_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_order, "_REACHED_SECONDS", 0.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(Refusal, match=f"127.0.0.1:{port} does not answer"):
            first_order.place(f"http://127.0.0.1:{port}")
