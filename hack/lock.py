"""Cuts requirements/*.lock from pyproject.toml's extras: `python3 -m hack.lock`. They name no index.

uv resolves for every Python and platform at once; it is used for this alone and lives in the cache.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hack.cluster import places
from hack.cluster.console import die, step
from hack.cluster.shell import CommandFailed, run

LOCKS = {
    "dev": ("operator", "services", "samples", "dev"),
    "operator": ("operator",),
    "services": ("services",),
    "samples": ("samples",),
}


def main() -> None:
    """Cuts dev first; the others are cut within it, so that all agree on each version."""
    uv = _uv()
    folder = places.ROOT / "requirements"
    for name, extras in LOCKS.items():
        with step(f"cutting requirements/{name}.lock"):
            options = ["--universal", "--generate-hashes", "--no-header", "--no-emit-index-url", "--quiet"]
            options += [f"--extra={extra}" for extra in extras]
            options += [] if name == "dev" else ["--constraint=requirements/dev.lock"]
            target = folder / f"{name}.lock"
            run(uv, "pip", "compile", "pyproject.toml", *options, f"--output-file={target}", cwd=places.ROOT)


def _uv() -> Path:
    venv = places.CACHE / "uv"
    if not (venv / "bin" / "uv").exists():
        run(sys.executable, "-m", "venv", venv)
        run(venv / "bin" / "pip", "install", "--quiet", "uv")
    return venv / "bin" / "uv"


if __name__ == "__main__":
    try:
        main()
    except CommandFailed as error:
        die(str(error))
