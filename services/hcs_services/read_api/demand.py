"""What one request asks of the state it is answered from: pure, from its header fields.

A consistency token names entities with versions and a GTID set. An entity that it names may come from any cache at
that version or newer. Any other entity skips the caches, whose entries say nothing about the token's transactions,
and is read from a server that has executed the GTID set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hcs_services import tokens
from hcs_services.problem import problem
from hcs_services.tokens import BadToken, ConsistencyToken


class Want(NamedTuple):
    """The demand on one entity: which version a cache must hold, which transactions a server must have executed."""

    version: int = 0
    gtid: str | None = None
    skip_caches: bool = False
    primary: bool = False
    relaxed: bool = False

    def without_token(self) -> Want:
        """What `X-Consistency: relaxed` falls back to."""
        return Want()


class Demand(NamedTuple):
    """The demand of one request, for whichever entities it reads."""

    token: ConsistencyToken | None = None
    no_cache: bool = False
    relaxed: bool = False

    def want(self, name: str) -> Want:
        """The demand on the entity that tokens call `name`."""
        gtid = self.token.gtid if self.token else None
        if self.no_cache:
            return Want(self._named(name) or 0, gtid, skip_caches=True, primary=True)
        if self.token is None:
            return Want()
        version = self._named(name)
        return Want(version or 0, gtid, skip_caches=version is None, relaxed=self.relaxed)

    def _named(self, name: str) -> int | None:
        return self.token.entities.get(name) if self.token else None


def parse(
    *, token: str | None, consistency: str | None, cache_control: str | None, key: Callable[[], bytes], shard: int
) -> Demand:
    """The demand of these header fields; raises the problem `malformed-token`. `key` is asked for only if needed."""
    return Demand(
        token=_parse_token(token, key, shard) if token is not None else None,
        no_cache="no-cache" in _words(cache_control),
        relaxed="relaxed" in _words(consistency),
    )


def _parse_token(text: str, key: Callable[[], bytes], shard: int) -> ConsistencyToken | None:
    try:
        token = tokens.decode(key(), text)
    except BadToken as error:
        raise problem("malformed-token", f"X-Consistency-Token is {error}.") from None
    return token if token.shard == shard else None  # another shard's history asks nothing of this one


def _words(value: str | None) -> set[str]:
    return {word.strip().lower() for word in value.split(",")} if value else set()
