"""The engines start with what `build` writes for them: command, environment, configuration, Secrets."""

import base64
import json
import secrets as random
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from typing import Any

import pytest
from tests.engine.conftest import EngineImages
from tests.engine.containers import Container, Engines, until
from tests.engine.mysql_servers import NAMESPACE, Mysqld, MysqldMaker

from hcs_operator.api.spec import Stack, StackSpec
from hcs_operator.build import Context, desired
from hcs_operator.build.credentials import secrets
from hcs_services.gateway.rate_limit import Quota
from hcs_services.gateway.shared_buckets import PREFIX, SharedBuckets
from hcs_services.redis_connection.client import Client
from hcs_services.redis_connection.pipe import Words

pytestmark = pytest.mark.engine

SPEC = {
    "cache": {"maxMemory": "16Mi", "evictionPolicy": "allkeys-lru"},
    "gateway": {"rateLimit": {"scope": "global"}},
    "database": {"config": {"innodb_io_capacity": "400"}, "resources": {"limits": {"memory": "1Gi"}}},
    "queue": {"resources": {"limits": {"memory": "512Mi"}}},
    "readReplicas": {"resources": {"limits": {"memory": "1Gi"}}},
}
STACK = Stack("built", NAMESPACE.partition(".")[0], "uid-1", 1, StackSpec.model_validate(SPEC))
MEMBER, READER = "built-db-0", "built-replica-0"
IMAGES = dict.fromkeys(("services", "mysql", "redis", "rabbitmq", "agent"), "unused")
SECRETS = {name: make(random.token_bytes) for name, make in secrets(STACK).items()}


def documents() -> dict[tuple[str, str], Any]:
    found = [item.document for item in desired(STACK, Context(images=IMAGES, replicas={"replica": 1}))]
    return {(it["kind"], it["metadata"]["name"]): it for it in found}


def container_of(workload: str, index: int = 0) -> Mapping[str, Any]:
    template = documents()["StatefulSet", workload]["spec"]["template"]
    container: Mapping[str, Any] = template["spec"]["containers"][index]
    return container


def environment(workload: str, pod: str) -> dict[str, str]:
    """What the kubelet would set; the address stays empty, as it is not known before the start."""
    values = {"POD_NAME": pod, "POD_IP": ""}
    for entry in container_of(workload)["env"]:
        if "value" in entry:
            values[entry["name"]] = entry["value"].replace("$(POD_NAME)", pod)
    return values


def files(workload: str) -> dict[str, str]:
    """Every mounted ConfigMap and Secret of the first container, at its place."""
    template = documents()["StatefulSet", workload]["spec"]["template"]["spec"]
    sources = {volume["name"]: volume for volume in template["volumes"]}
    found: dict[str, str] = {}
    for mount in container_of(workload)["volumeMounts"]:
        source = sources.get(mount["name"], {})
        if "configMap" in source:
            contents = documents()["ConfigMap", source["configMap"]["name"]]["data"]
        else:
            contents = SECRETS.get(source.get("secret", {}).get("secretName"), {})
        found |= {f"{mount['mountPath']}/{name}": text for name, text in contents.items()}
    return found


def started_by(workload: str) -> tuple[list[str], str]:
    """The command of a workload's first container, and the script that it runs."""
    command: list[str] = container_of(workload)["command"]
    return command, files(workload)[command[-1]]


def begun(server: Mysqld) -> int:
    """How often mysqld has begun to serve in this container."""
    return server.container.logs(1000).count("mysqld: ready for connections")


def built(mysqld: MysqldMaker, workload: str) -> Mysqld:
    """The first server of a workload, as its pod starts it."""
    pod = f"{workload}-0"
    variables = [f"{name}={value}" for name, value in environment(workload, pod).items()]
    command = ("env", *variables, *container_of(workload)["command"])
    return mysqld(pod, service=workload, command=command, files=files(workload))


@pytest.fixture(scope="module")
def member(mysqld: MysqldMaker) -> Mysqld:
    """The first member."""
    return built(mysqld, MEMBER)


@pytest.fixture(scope="module")
def reader(mysqld: MysqldMaker) -> Mysqld:
    """The first reader."""
    return built(mysqld, READER)


@pytest.mark.parametrize(
    ("role", "workload", "number", "recovery"), [("member", MEMBER, 100, "OFF"), ("reader", READER, 1000, "ON")]
)
def test_mysqld_starts_with_its_settings(
    role: str, workload: str, number: int, recovery: str, request: pytest.FixtureRequest
) -> None:
    server, pod = request.getfixturevalue(role), f"{workload}-0"
    wanted = {
        "server_id": number,
        "report_host": f"{pod}.{workload}.{NAMESPACE}",
        "relay_log_recovery": int(recovery == "ON"),
        "super_read_only": 1,
        "skip_name_resolve": 1,
        "secure_file_priv": "NULL",
        "innodb_io_capacity": 400,
        "innodb_buffer_pool_size": 256 * 2**20,
        "group_replication_local_address": f"{pod}.{workload}.{NAMESPACE}:3306",
        "group_replication_paxos_single_leader": 1,
        "group_replication_ssl_mode": "VERIFY_IDENTITY",
    }
    rows = server.ask("SELECT " + ", ".join(f"@@GLOBAL.{name} AS {name}" for name in wanted))
    assert rows == [wanted]
    active = "SELECT COUNT(*) AS n FROM information_schema.plugins WHERE plugin_name IN ('clone', 'group_replication') AND plugin_status = 'ACTIVE'"
    assert server.ask(active) == [{"n": 2}]
    assert server.ask("SELECT @@GLOBAL.gtid_executed AS gtids") == [{"gtids": ""}]
    timed = "SELECT ENABLED AS on_ FROM performance_schema.setup_consumers WHERE NAME = 'events_statements_cpu'"
    assert server.ask(timed) == [{"on_": "YES"}]


def test_mysqld_finds_its_data_again_begins_once_more_in_its_container_and_ends_when_it_is_told_early(
    member: Mysqld,
) -> None:
    assert started_by(READER) == started_by(MEMBER), "a reader begins and ends otherwise"
    uuid = member.ask("SELECT @@server_uuid AS uuid")
    member.container.kill()
    member.container.start()
    member.until_answers()
    assert member.ask("SELECT @@server_uuid AS uuid") == uuid
    started, before = member.container.state["StartedAt"], begun(member)
    member.run("RESTART")
    until("it begins once more", lambda: begun(member) > before, 60)
    assert member.container.state["StartedAt"] == started, "its container ended: a kubelet waits with the next one"
    member.container.kill()
    member.container.start()
    until(
        "mysqld begins", lambda: "mysqld\n" in member.container.run("sh", "-c", "cat /proc/*/comm").text, 30, every=0.01
    )
    member.container.stop()
    assert member.container.state["ExitCode"] == 0, "it was told before it took signals, and must have heard it"


def test_a_member_that_is_told_to_end_while_it_makes_its_data_ends(
    engines: Engines, engine_images: EngineImages
) -> None:
    command, env = container_of("built-db-0")["command"], environment("built-db-0", "built-db-0-9")
    container = engines.start(engine_images.mysql, "built-db-0-9", command, env=env, files=files("built-db-0"))
    until("the data is being made", lambda: container.run("test", "-d", "/var/lib/mysql/new").code == 0, 30)
    container.stop()
    assert container.state["ExitCode"] == 143


def test_redis_starts_with_its_password_and_its_limit(engines: Engines, engine_images: EngineImages) -> None:
    container = engines.start(
        engine_images.redis, "built-cache-0", container_of("built-cache")["command"], files=files("built-cache")
    )
    password = SECRETS["built-cache"]["password"]

    def ask(*words: str) -> str:
        return container.run("sh", "-c", f'REDISCLI_AUTH={password} exec redis-cli "$@"', "cli", *words).text.strip()

    until("redis answers", lambda: ask("PING") == "PONG", 30)
    assert ask("CONFIG", "GET", "maxmemory").split() == ["maxmemory", str(16 * 2**20)]
    assert ask("CONFIG", "GET", "maxmemory-policy").split() == ["maxmemory-policy", "allkeys-lru"]
    assert "NOAUTH" in container.run("redis-cli", "PING").text
    probe = container_of("built-cache")["livenessProbe"]["exec"]["command"]
    assert container.run(*probe).code == 0


async def test_the_redis_of_limits_lets_gateways_take_from_buckets_and_do_nothing_else(
    engines: Engines, engine_images: EngineImages
) -> None:
    container = engines.start(
        engine_images.redis, "built-limits-0", container_of("built-limits")["command"], files=files("built-limits")
    )
    probe = container_of("built-limits")["livenessProbe"]["exec"]["command"]
    until("redis answers", lambda: container.run(*probe).code == 0, 30)
    assert "NOAUTH" in container.run("redis-cli", "PING").text
    password = SECRETS["built-limits"]["password"]
    client = Client(f"redis://{container.address}:6379/0", seconds=5, password=lambda: password, name="gateway")
    buckets = SharedBuckets(client, Quota(2, 0.001))
    await buckets.probe()
    assert [(await buckets.take(b"one", 1)).allowed for _ in range(3)] == [True, True, False]
    forbidden: list[Words] = [
        ("GET", "elsewhere"),
        ("DEL", PREFIX + b"one"),
        ("EVAL", "return 1", 0),
        ("CONFIG", "GET", "maxmemory"),
        ("FLUSHALL",),
        ("KEYS", "*"),
    ]
    assert [str(reply)[:6] for reply in await client.batch(forbidden)] == ["NOPERM"] * len(forbidden)
    await client.aclose()


@pytest.fixture(scope="module")
def broker(engines: Engines, engine_images: EngineImages) -> Iterator[Container]:
    host = f"built-queue.{NAMESPACE}"
    container = engines.start(
        engine_images.rabbitmq,
        "built-queue-0",
        container_of("built-queue")["command"],
        env=environment("built-queue", "built-queue-0"),
        files=files("built-queue"),
        volumes={"data-built-queue-0": "/var/lib/rabbitmq"},
        aliases=[f"built-queue-0.{host}", host],
    )
    until("rabbitmq answers", lambda: management(container, "/api/overview")[0] == 200, 90)
    yield container
    container.remove()


def management(
    container: Container,
    path: str,
    user: str = "hcs",
    password: str | None = None,
    **body: Mapping[str, Any],
) -> tuple[int, Any]:
    """(status, JSON) of a GET, or of what `put` or `post` names with that body; (0, None) while nothing answers."""
    word = password or SECRETS["built-queue"]["password"]
    method, content = next(((verb.upper(), json.dumps(value)) for verb, value in body.items()), ("GET", None))
    connection = HTTPConnection(container.address, 15672, timeout=10)
    try:
        token = base64.b64encode(f"{user}:{word}".encode()).decode()
        connection.request(method, path, content, {"Authorization": f"Basic {token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    except (OSError, ValueError):
        return 0, None
    finally:
        connection.close()


def test_rabbitmq_knows_its_own_user_and_no_other(broker: Container) -> None:
    assert management(broker, "/api/overview")[0] == 200
    assert management(broker, "/api/overview", "guest", "guest")[0] == 401


def node(container: Container) -> Mapping[str, Any]:
    status, nodes = management(container, "/api/nodes")
    assert status == 200
    found: Mapping[str, Any] = nodes[0]
    return found


def test_rabbitmq_keeps_to_its_limits_and_counts_each_second(broker: Container) -> None:
    until("the node has told its figures", lambda: "mem_limit" in node(broker), 30)
    assert node(broker)["name"] == f"rabbit@built-queue-0.built-queue.{NAMESPACE}"
    assert node(broker)["mem_limit"] == int(512 * 2**20 * 0.6)
    asked = "[application:get_env(rabbit, K) || K <- [quorum_tick_interval, collect_statistics_interval, consumer_timeout]]."
    said = broker.run("rabbitmqctl", "eval", asked)
    assert said.text.split() == ["[{ok,1000},{ok,1000},{ok,1800000}]"], said.text


def test_a_dead_letter_is_looked_at_and_given_back_as_often_as_anybody_likes(broker: Container) -> None:
    queue = {"durable": True, "arguments": {"x-queue-type": "quorum", "x-overflow": "reject-publish"}}
    letter = {"properties": {}, "routing_key": "hcs.dead", "payload": "a letter", "payload_encoding": "string"}
    look = {"count": 1, "ackmode": "reject_requeue_true", "encoding": "auto"}
    assert management(broker, "/api/queues/%2F/hcs.dead", put=queue)[0] == 201
    assert management(broker, "/api/exchanges/%2F/amq.default/publish", post=letter) == (200, {"routed": True})
    for _ in range(50):
        status, seen = management(broker, "/api/queues/%2F/hcs.dead/get", post=look)
        assert (status, [message["payload"] for message in seen]) == (200, ["a letter"])
