"""The migration Job's program against a real group of one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.write_api.conftest import ROOT

from hcs_services.migrate import MigrationFailed, migrate
from hcs_services.schema import Migration, migrations
from hcs_services.settings import Settings

pytestmark = pytest.mark.engine
Environment = Callable[[str], dict[str, str]]


@pytest.fixture
def settings(mysql_group: MysqlGroup, credentials: Path) -> Settings:
    """The Job's settings, over the group's own database."""
    return Settings(database_members_host=mysql_group.members_host, credentials_dir=credentials)


def program(environment: dict[str, str], **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hcs_services", "migrate"],
        env=os.environ | environment | {"PYTHONPATH": str(ROOT / "services")} | changes,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_program_brings_the_schema_up_to_date_and_says_so(tier_environment: Environment) -> None:
    first, second = program(tier_environment("migrate")), program(tier_environment("migrate"))

    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert '"applied": []' in second.stdout


def test_without_a_primary_it_ends_with_one_clear_line(tier_environment: Environment) -> None:
    environment = tier_environment("migrate")

    ended = program(environment, DATABASE_MEMBERS_HOST="nobody.invalid", MIGRATE_DEADLINE_SECONDS="1")

    assert ended.returncode == 1
    assert "no primary" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


async def test_a_table_that_is_gone_is_made_again_though_its_record_is_there(
    settings: Settings, mysql_group: MysqlGroup
) -> None:
    await migrate(settings, migrations())
    mysql_group.primary.run("DROP TABLE hcs.notifications")

    assert await migrate(settings, migrations()) == [8]
    assert mysql_group.primary.ask("SELECT COUNT(*) AS n FROM hcs.notifications")[0]["n"] == 0


async def test_a_key_that_is_there_without_its_record_is_taken_as_added(
    settings: Settings, mysql_group: MysqlGroup
) -> None:
    await migrate(settings, migrations())
    mysql_group.primary.run("DELETE FROM hcs.schema_migrations WHERE version = 13")

    assert await migrate(settings, migrations()) == [13]
    assert await migrate(settings, migrations()) == []


async def test_a_table_that_is_made_again_gets_its_keys_again(settings: Settings, mysql_group: MysqlGroup) -> None:
    await migrate(settings, migrations())
    mysql_group.primary.run("DROP TABLE hcs.reports")

    assert await migrate(settings, migrations()) == [9, 13]
    assert mysql_group.primary.ask("SHOW INDEX FROM hcs.reports WHERE Key_name = 'by_time'")


async def test_a_statement_that_is_wrong_fails_at_once(settings: Settings) -> None:
    wrong = [Migration(1, "wrong", "CREATE TABLE IF NOT EXISTS wrong (x NONSENSE)")]
    settings = settings.model_copy(update={"migrate_deadline_seconds": 60.0})

    async with asyncio.timeout(20):
        with pytest.raises(MigrationFailed, match="NONSENSE"):
            await migrate(settings, wrong)


async def test_it_waits_out_a_primary_that_hangs(settings: Settings, mysql_group: MysqlGroup) -> None:
    mysql_group.primary.container.pause()
    try:
        waiting = asyncio.create_task(migrate(settings, migrations()))
        await asyncio.sleep(2)
        assert not waiting.done()
    finally:
        mysql_group.primary.container.unpause()

    async with asyncio.timeout(60):
        assert await waiting == []
