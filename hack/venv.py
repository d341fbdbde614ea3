"""The development environment `.venv`: made and renewed from requirements/dev.lock by whoever needs it."""

from __future__ import annotations

import sys
from pathlib import Path

from hack.cluster import content, places
from hack.cluster.console import step
from hack.cluster.shell import run

VENV = places.ROOT / ".venv"
_LOCK = places.ROOT / "requirements" / "dev.lock"
_DONE = VENV / "locked"  # the digest of the lock file that is installed


def ensure() -> Path:
    """The environment's folder of programs, with what the lock file says in it."""
    wanted = content.digest([_LOCK], sys.version)
    if not _DONE.exists() or _DONE.read_text() != wanted:
        with step("installing requirements/dev.lock into .venv"):
            run(sys.executable, "-m", "venv", VENV)
            run(VENV / "bin" / "pip", "install", "--quiet", "--require-hashes", "--requirement", _LOCK)
            _DONE.write_text(wanted)
    return VENV / "bin"
