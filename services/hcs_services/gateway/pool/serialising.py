"""A request as bytes. Every field is written here; nothing of what a client sent goes on as it came."""

from collections.abc import Sequence

WITHOUT_CONTENT = frozenset({"GET", "HEAD"})
"""Methods that have no body unless one is given; all others say that theirs is empty (RFC 9110, 8.6)."""


def request(method: str, target: str, fields: Sequence[tuple[str, str]], body: bytes) -> bytes:
    """Return a request of HTTP/1.1; `fields` are all but its length.

    Raises ValueError if a part of it holds what would end that part: whoever judged it before should have refused it.
    """
    lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in fields]]
    if body or method not in WITHOUT_CONTENT:
        lines.append(f"Content-Length: {len(body)}")
    text = "\r\n".join(lines)
    ends = len(lines) - 1
    if text.count("\n") != ends or text.count("\r") != ends or "\0" in text or lines[0].count(" ") != 2:
        raise ValueError("a part of the request's header holds the end of a line, a zero byte or a blank too many")
    return b"%b\r\n\r\n%b" % (text.encode(), body)
