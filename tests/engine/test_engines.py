"""The engines that the other tests rest on are what they claim to be."""

from __future__ import annotations

from pathlib import Path

import pymysql
import pytest
from tests.engine.brokers import RabbitmqServer, RedisServer
from tests.engine.mysql_servers import Mysqld, MysqlGroup

pytestmark = pytest.mark.engine


def test_the_group_of_one_is_online_and_primary(mysql_group: MysqlGroup) -> None:
    member = mysql_group.primary.ask(
        "SELECT member_state, member_role FROM performance_schema.replication_group_members"
    )
    assert member == [{"member_state": "ONLINE", "member_role": "PRIMARY"}]


def test_an_account_reaches_the_schema_over_verified_tls(mysql_group: MysqlGroup) -> None:
    with mysql_group.connection("app") as connection, connection.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
        row = cursor.fetchone()
    assert row
    assert row["Value"]


def test_a_reader_repeats_what_the_primary_commits(mysql_group: MysqlGroup, mysql_reader: Mysqld) -> None:
    with mysql_group.connection("migrate") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE repeated (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO repeated VALUES (7)")
    gtids = mysql_group.primary.ask("SELECT @@GLOBAL.gtid_executed AS gtids")[0]["gtids"]
    mysql_reader.ask("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, 30)", gtids)
    assert mysql_reader.ask("SELECT id FROM hcs.repeated") == [{"id": 7}]


def test_a_reader_refuses_writes(mysql_reader: Mysqld) -> None:
    with pytest.raises(pymysql.err.OperationalError, match="super-read-only"):
        mysql_reader.run("CREATE DATABASE elsewhere")


def test_redis_asks_for_its_password(redis_server: RedisServer) -> None:
    assert "OK" in redis_server.command("SET", "greeting", "hello")
    assert "NOAUTH" in redis_server.container.run("redis-cli", "GET", "greeting").text


def test_rabbitmq_lists_its_user(rabbitmq_server: RabbitmqServer) -> None:
    users = rabbitmq_server.management("/api/users")
    assert isinstance(users, list)
    assert [user["name"] for user in users] == ["hcs"]


def test_the_work_tree_is_read_only() -> None:
    with pytest.raises(OSError, match="Read-only"):
        (Path(__file__).parents[2] / "written-by-a-test").touch()
