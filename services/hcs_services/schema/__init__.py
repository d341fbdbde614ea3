"""The schema as numbered SQL files, one idempotent statement each; `hcs_services.migrate` runs them in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number is its version, its statement can be run again after a failover cut it off."""

    version: int
    name: str
    statement: str


def migrations() -> list[Migration]:
    """All migrations in order; raises ValueError unless they are numbered 1, 2, 3…"""
    found = []
    for entry in files(__name__).iterdir():
        match = _NAME.fullmatch(entry.name)
        if match:
            found.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8").strip()))
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError("the schema's files are not numbered without gaps")
    return found
