"""What comes on a connection, as answers: httptools' parser, held to what may go on to a client. Does no IO.

The parser takes folds, which `headers.flaw` needs whole to judge, and with them it is mild about header fields; all
else it refuses itself: both kinds of length, two lengths, bad chunks, a bad status line. It knows nothing of HEAD, so
an answer to one is whole with its header, and what its length says never comes.
"""

import httptools

from hcs_services.gateway import headers
from hcs_services.gateway.pool.failures import Lost, Malformed
from hcs_services.http_conventions import WITHOUT_BODY

BARREN_BYTES = headers.MAX_HEADER_BYTES
"""How much may come in a row that is neither a header's end nor a part of a body."""
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class AnswerParser:
    """The answers on one connection, one at a time; one is asked for with `expect`. Any further one is `surplus`."""

    def __init__(self) -> None:
        self._parser = self._fresh()
        self._stuck = False  # whether the parser waits for the body of an answer to HEAD
        self._to_head = self._interim = self._until_end = self._keep_alive = False
        self._fields: list[tuple[bytes, bytes]] = []
        self._barren = 0
        self._fruitful = False
        self.surplus = False
        self.status: int | None = None
        self.whole = True
        self.pieces: list[bytes] = []
        self.buffered = 0

    def expect(self, *, to_head: bool) -> None:
        """Take what comes next for the answer to a request; `to_head`: its method is HEAD."""
        if self._stuck:
            self._parser, self._stuck = self._fresh(), False
        self._to_head, self._interim, self._until_end, self._keep_alive = to_head, False, False, False
        self._fields, self._barren = [], 0
        self.surplus, self.status, self.whole = False, None, False
        self.pieces, self.buffered = [], 0

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The answer's header, once its status is there; names in lower case."""
        return self._fields

    @property
    def in_step(self) -> bool:
        """Whether the answer is whole, nothing else came, and the endpoint keeps the connection."""
        return self.whole and self._keep_alive and not self.surplus

    def feed(self, data: bytes) -> None:
        """Parse what came. Raises Malformed; the parser is of no use then."""
        self._fruitful = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            raise cause if isinstance(cause, Malformed) else Malformed(str(error)) from None
        self._barren = 0 if self._fruitful else self._barren + len(data)
        if self._barren > BARREN_BYTES:
            raise Malformed(f"over {BARREN_BYTES} bytes came without an end of a header or a part of a body")

    def end(self) -> None:
        """The endpoint has closed its side. Raises Lost if the answer is not whole by that."""
        if not self.whole and not self._until_end:
            raise Lost("the connection ended before the answer was whole")
        self.whole = True

    def take(self) -> bytes:
        """Return what has come of the body since the last time."""
        taken = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)
        self.pieces, self.buffered = [], 0
        return taken

    def _fresh(self) -> httptools.HttpResponseParser:
        parser = httptools.HttpResponseParser(self)
        parser.set_dangerous_leniencies(lenient_headers=True)
        return parser

    # httptools callbacks

    def on_message_begin(self) -> None:
        """A message begins: the answer, one that comes before it, or one that nobody asked for."""
        self.surplus = self.whole

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field, unless it is a trailer."""
        if self.status is None:
            self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Judge a header; one of an interim answer (1xx) is dropped. An exception ends the parsing."""
        if self.whole:
            return
        status = self._parser.get_status_code()
        self._interim = 100 <= status < 200 and status != 101
        if not self._interim:
            self._judge(status)
            self.status, self._fruitful = status, True
            if self._to_head:
                self.whole = self._stuck = True
                self._keep_alive = self._parser.should_keep_alive()

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        if self._to_head and not self.surplus:
            raise Malformed("an answer to HEAD has a body")

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        if self.whole:
            if not self.surplus:
                raise Malformed("an answer to HEAD has a body")
            return
        self._fruitful = True
        self.pieces.append(body)
        self.buffered += len(body)

    def on_message_complete(self) -> None:
        """The answer is whole, or an interim one."""
        self._stuck = False
        if self._interim:
            self._fields = []
        elif not self.whole:
            self.whole = self._fruitful = True
            self._keep_alive = self._parser.should_keep_alive()

    def _judge(self, status: int) -> None:
        fields = self._fields
        flaw = headers.flaw(self._parser.get_http_version(), status, fields)
        if flaw is not None:
            raise Malformed(flaw)
        if status not in WITHOUT_BODY:
            self._until_end = _FRAMING.isdisjoint([name for name, _ in fields])
