"""Running other programs: their output is kept back, and shown when they fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hack.cluster import places

Argument = str | Path


class CommandFailed(Exception):
    """A program ended with another exit code than 0; the message carries the end of what it said."""


def run(
    *command: Argument,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
) -> str:
    """What the program printed on stdout. `env` is laid over this process's environment, in which programs are told to
    leave the home folder alone. Raises CommandFailed.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **places.HOMES, **(env or {})},
            cwd=cwd,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandFailed(f"{words[0]}: not installed") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{' '.join(words[:6])}: no end within {timeout:.0f} s") from error
    if done.returncode:
        said = "\n".join(f"{done.stdout}\n{done.stderr}".strip().splitlines()[-40:])
        raise CommandFailed(f"{' '.join(words[:6])}: exit {done.returncode}\n{said}")
    return done.stdout


def succeeds(*command: Argument, env: Mapping[str, str] | None = None, timeout: float = 60) -> bool:
    """Whether the program ends with 0."""
    try:
        run(*command, env=env, timeout=timeout)
    except CommandFailed:
        return False
    return True
