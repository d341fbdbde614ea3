"""Content hashes: what was built from the same bytes is never built again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

_PASSED_OVER = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def files_below(*paths: Path) -> list[Path]:
    """Every file at or below the paths, sorted; what tools leave behind is passed over."""
    found: set[Path] = set()
    for path in paths:
        candidates = [path] if path.is_file() else path.rglob("*")
        found.update(file for file in candidates if file.is_file() and not _PASSED_OVER & set(file.parts))
    return sorted(found)


def keep_newest(made: Iterable[Path], count: int) -> None:
    """Removes all folders but those that were made last: a change can be taken back without making them anew."""
    for older in sorted(made, key=lambda folder: folder.stat().st_mtime)[:-count]:
        shutil.rmtree(older)


def digest(paths: Iterable[Path], *more: str) -> str:
    """Ten hex digits over the files' names (relative to their common root), modes and bytes, and over `more`."""
    state = hashlib.sha256()
    for path in paths:
        for file in files_below(path):
            name = file.name if file == path else str(file.relative_to(path))
            executable = file.stat().st_mode & 0o100
            state.update(f"{name}\0{executable}\0{file.stat().st_size}\0".encode())
            state.update(file.read_bytes())
    for text in more:
        state.update(f"\0{text}".encode())
    return state.hexdigest()[:10]
