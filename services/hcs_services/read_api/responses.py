"""Answers as responses, the same for every door: 200 with the document as it is stored, 304, or a problem."""

from __future__ import annotations

from collections.abc import Callable

from hcs_services.application import Rendered
from hcs_services.http_conventions import etag, none_match
from hcs_services.problem import Problem, problem
from hcs_services.read_api.cached_reads import Answer


class Responder:
    """`frozen_seconds` says for how long there has been no primary, 0 while there is one; `clock` is Unix time."""

    def __init__(self, frozen_seconds: Callable[[], float], clock: Callable[[], float]) -> None:
        self._frozen_seconds = frozen_seconds
        self._clock = clock

    def __call__(self, answer: Answer, if_none_match: str | None, absent: Callable[[], Problem]) -> Rendered:
        """The response; raises the absence's problem, with the same header fields."""
        headers = self._headers(answer)
        data, version = answer.entry.data, answer.entry.version
        if data is None:
            missing = absent()
            missing.headers.update({name.decode(): value.decode() for name, value in headers})
            raise missing
        headers.append((b"etag", etag(version).encode()))
        if none_match(if_none_match, version):
            return 304, headers, b""
        headers += [(b"content-length", b"%d" % len(data)), (b"content-type", b"application/json")]
        return 200, headers, data

    def _headers(self, answer: Answer) -> list[tuple[bytes, bytes]]:
        age, frozen = answer.entry.age_seconds(self._clock() * 1000), self._frozen_seconds()
        headers = [(b"x-data-source", answer.source.encode()), (b"age", b"%d" % age)]
        if answer.relaxed:
            headers.append((b"x-consistency", b"relaxed"))
        if frozen > 0:
            headers.append((b"x-data-frozen", b"%d" % int(frozen)))
        return headers


def no_order() -> Problem:
    """The absence of an order."""
    return problem("order-not-found", "There is no order with this id.")


def no_product() -> Problem:
    """The absence of a product."""
    return problem("product-not-found", "There is no product with this id.")


def no_list() -> Problem:
    """The absence of a list: there is none, a user without orders has an empty one."""
    return problem("route-not-found", "There is no such list.")
