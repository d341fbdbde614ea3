from __future__ import annotations

import re
from pathlib import Path

import pytest

from hcs_services import schema
from hcs_services.schema import migrations

SCHEMA = Path(schema.__file__).parent


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in migrations()] == list(range(1, 15))


@pytest.mark.parametrize("path", sorted(SCHEMA.glob("*.sql")), ids=lambda path: path.stem)
def test_each_migration_is_one_statement_that_can_be_run_again_on_a_table_with_a_primary_key(path: Path) -> None:
    text = path.read_text()

    assert ";" not in text
    if re.fullmatch(r"ALTER TABLE \w+ ADD KEY \w+ \([a-z_, ]+\)\n", text):
        return
    assert text.startswith("CREATE TABLE IF NOT EXISTS ")
    assert "PRIMARY KEY" in text
    if not re.search("heartbeat|relay_lease|dead_letter_audit", path.name):
        assert re.search(r"slot +SMALLINT UNSIGNED NOT NULL", text)
        assert re.search(r"ver +BIGINT UNSIGNED NOT NULL", text)
