"""Pages written by hand with a part that a tool writes, between two comments. Pure."""

from __future__ import annotations


class NoMarkers(ValueError):
    """The page has no place for the tool's part."""


def with_marked(page: str, begin: str, end: str, text: str) -> str:
    """The page with `text` between its markers, and nothing else changed. Raises NoMarkers."""
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise NoMarkers(f"the page lacks {begin} or {end}")
    return f"{before}{begin}\n{text}{end}{after}"
