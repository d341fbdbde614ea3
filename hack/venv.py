"""The development environment `.venv`: a link to one in the cache that was installed from requirements/dev.lock."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from hack.cluster import content, places
from hack.cluster.console import Refusal, step
from hack.cluster.lock import one_at_a_time
from hack.cluster.shell import run

VENV = places.ROOT / ".venv"
KEPT = places.CACHE / "venv"
_LOCK = places.ROOT / "requirements" / "dev.lock"
_DONE = "locked"  # holds the digest of what is installed, once all of it is


def ensure() -> Path:
    """The environment's folder of programs, with what the lock file says in it. Raises Refusal."""
    wanted = content.digest([_LOCK], sys.version)
    if not _is_done(VENV, wanted):
        _link(_made(wanted))
    return VENV / "bin"


def _made(wanted: str) -> Path:
    """The environment of that digest, which clones share."""
    folder = KEPT / wanted
    with one_at_a_time():
        if not _is_done(folder, wanted):
            with step("installing requirements/dev.lock"):
                run(sys.executable, "-m", "venv", "--clear", folder)
                run(folder / "bin" / "pip", "install", "--quiet", "--require-hashes", "--requirement", _LOCK)
                (folder / _DONE).write_text(wanted)
        content.keep_newest(KEPT.iterdir(), 2)
    return folder


def _is_done(folder: Path, wanted: str) -> bool:
    done = folder / _DONE
    return done.exists() and done.read_text() == wanted


def _link(folder: Path) -> None:
    if VENV.is_symlink():
        VENV.unlink()
    elif (VENV / _DONE).exists():
        shutil.rmtree(VENV)
    elif VENV.exists():
        raise Refusal(f"{VENV} was not made by this project: move it away")
    VENV.symlink_to(folder, target_is_directory=True)
