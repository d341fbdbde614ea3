"""Which route a request takes: a tree of path segments, literals before parameters.

Segments are compared percent-decoded, so `/%6Frders` is `/orders`. A segment that would mean another path to whoever
decodes it later (an encoded slash, `.` or `..`, a control character, broken UTF-8) matches nothing: gateway and service
must never disagree about which resource a request is for.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

Target = TypeVar("Target")
_PLAIN = re.compile(rb"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
"""Paths of which each segment is what it looks like."""
_REFUSED = frozenset("/\\\x7f") | {chr(code) for code in range(0x20)}


class RoutingError(Exception):
    """A route table contradicts itself or holds a malformed path."""


@dataclass(frozen=True, slots=True)
class MethodNotAllowed:
    """The path is known, the method is not; `allow` are the methods that are, sorted."""

    allow: tuple[str, ...]


@dataclass(slots=True)
class _Node(Generic[Target]):
    literals: "dict[str, _Node[Target]]" = field(default_factory=dict)
    parameter: "_Node[Target] | None" = None
    targets: dict[str, Target] = field(default_factory=dict)

    def matching(self, segments: list[str], depth: int = 0) -> "Iterator[_Node[Target]]":
        """Yield the nodes whose shape fits, the most literal one first."""
        if depth == len(segments):
            if self.targets:
                yield self
            return
        literal = self.literals.get(segments[depth])
        if literal is not None:
            yield from literal.matching(segments, depth + 1)
        if self.parameter is not None:
            yield from self.parameter.matching(segments, depth + 1)


class Router(Generic[Target]):
    """Routes by method and path template."""

    def __init__(self) -> None:
        self._root: _Node[Target] = _Node()

    def add(self, methods: Iterable[str], template: str, target: Target) -> None:
        """Add a route; GET answers HEAD too. Raises RoutingError for a duplicate or a malformed template."""
        node = self._root
        for segment in _template_segments(template):
            if segment.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        for method in {*methods, "HEAD"} if "GET" in methods else set(methods):
            if method in node.targets:
                raise RoutingError(f"{method} {template} is routed twice")
            node.targets[method] = target

    def match(self, method: str, raw_path: bytes) -> Target | MethodNotAllowed | None:
        """Return the route of a request line's path (undecoded, without query), or why there is none."""
        segments = path_segments(raw_path)
        if segments is None:
            return None
        nearest = self._nearest(segments)
        if nearest is not None and method in nearest.targets:
            return nearest.targets[method]
        allow: set[str] = set()
        for node in self._root.matching(segments):
            target = node.targets.get(method)
            if target is not None:
                return target
            allow.update(node.targets)
        return MethodNotAllowed(tuple(sorted(allow))) if allow else None

    def _nearest(self, segments: list[str]) -> _Node[Target] | None:
        """The node that `matching` would yield first, unless its way there leads astray."""
        node: _Node[Target] | None = self._root
        for segment in segments:
            assert node is not None
            node = node.literals.get(segment, node.parameter)
            if node is None:
                return None
        return node


def path_segments(raw_path: bytes) -> list[str] | None:
    """Split a path into decoded segments; None if it is not absolute or a segment is empty or ambiguous."""
    if _PLAIN.fullmatch(raw_path):
        return raw_path[1:].decode().split("/")
    if not raw_path.startswith(b"/"):
        return None
    segments: list[str] = []
    for raw in raw_path[1:].split(b"/"):
        try:
            segment = (unquote_to_bytes(raw) if b"%" in raw else raw).decode()
        except UnicodeDecodeError:
            return None
        if segment in {"", ".", ".."} or not _REFUSED.isdisjoint(segment):
            return None
        segments.append(segment)
    return segments


def _template_segments(template: str) -> list[str]:
    segments = template.removeprefix("/").split("/")
    for segment in segments:
        name = segment[1:-1] if segment.startswith("{") and segment.endswith("}") else None
        malformed = not name.isidentifier() if name is not None else not segment or "{" in segment or "}" in segment
        if malformed or not template.startswith("/"):
            raise RoutingError(f"{template!r} is not a path template: segments are literals or {{name}}")
    return segments
