"""The custom resource before a real API server: what it takes, what it refuses, and in which words."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from hcs_operator.api.crd import GROUP, KIND, PLURAL, VERSION
from hcs_operator.api.spec import Stack, StackSpec, parse_stack
from hcs_operator.kube.aio import Client
from hcs_operator.kube.errors import Refused
from hcs_operator.kube.port import STATUS
from hcs_operator.kube.resources import RESOURCES

from .stage import ROOT

pytestmark = pytest.mark.apiserver

EXAMPLES = ROOT / "examples"
STORE = {"bucket": "shop", "endpoint": "http://s3:8083", "secretRef": {"name": "store"}}


def resource(namespace: str, spec: Mapping[str, Any], name: str = "shop") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": metadata, "spec": dict(spec)}


def nested(path: str, value: object) -> dict[str, Any]:
    """`a.b`, 1 → {"a": {"b": 1}}."""
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def route(path: str, **other: object) -> dict[str, Any]:
    return {"methods": ["GET"], "path": path, "upstream": "read-api", **other}


# Where, a good value, a bad one, and a word that the refusal must contain so that its reader knows what to write.
RULES: list[tuple[str, Any, Any, str]] = [
    ("autoscaling.workers", {"minReplicas": 2, "maxReplicas": 2}, {"minReplicas": 3, "maxReplicas": 2}, "lower it"),
    ("autoscaling.readReplicas", {"minReplicas": 1, "maxReplicas": 1}, {"minReplicas": 6}, "lower it"),
    ("autoscaling.readReplicas.minReplicas", 1, 0, "greater than or equal to 1"),
    ("autoscaling.readReplicas.hints.readsPerReplica", 0.001, 1e-320, "greater than or equal to 0.001"),
    ("autoscaling.workers.hints.ratePerReplica", 0.001, 0.0009, "greater than or equal to 0.001"),
    ("autoscaling.workers.slo.maxWait", "1s", "999ms", "must be from 1s"),
    ("autoscaling.workers.idleTimeout", "5s", "4s", "must be from 5s"),
    ("autoscaling.readReplicas.lagBrake", "1s", "0s", "must be from 1s"),
    ("autoscaling.readReplicas.scaleOut.sustain", "5s", "1s", "must be from 5s"),
    ("autoscaling.readReplicas.scaleIn.drainTimeout", "20s", "1s", "must be from 5s"),
    ("autoscaling.mode", "Recommend", "recommend", "supported values"),
    ("cache.evictionPolicy", "allkeys-lru", "noeviction", "supported values"),
    ("cache.maxMemory", "4Mi", "1Mi", "at least 4Mi"),
    ("cache.maxMemory", "256Mi", "256 MB", "should match"),
    ("cache.resources.limits", {"cpu": "1.5", "memory": "1.5Gi"}, {"memory": "much"}, "Kubernetes quantity"),
    ("database.members", 3, 2, "members must be 1 or 3"),
    ("database.storage.size", "1Gi", "512Mi", "at least 1Gi"),
    ("database.config", {"innodb_io_capacity": "400"}, {"sync_binlog": "0"}, "remove that key"),
    ("database.config", {"max_connections": "300"}, {"group_replication_consistency": "EVENTUAL"}, "remove that key"),
    ("database.config", {"innodb_io_capacity": "400"}, {"innodb_doublewrite": "OFF"}, "remove that key"),
    ("database.config", {"innodb_io_capacity": "400"}, {"innodb_doublewr": "OFF"}, "remove that key"),
    ("database.config", {"innodb_io_capacity": "400"}, {"skip_log_bin": "ON"}, "remove that key"),
    ("database.config", {"max_connections": "300"}, {"Max-Connections": "300"}, "lower case"),
    ("database.config", {"max_connections": "300"}, {"max_connections": "1\nport=1"}, "one line"),
    ("database.maxStalenessDuringOutage", "0s", "8761h", "must be from 0s"),
    ("gateway.circuitBreaker.window", "1s", "10ms", "must be from 1s"),
    ("gateway.circuitBreaker.failureRatio", 1, 0, "greater than 0"),
    ("gateway.rateLimit.scope", "global", "cluster", "supported values"),
    ("gateway.routes", [route("/a", limitScope="local")], [route("/a", limitScope="none")], "supported values"),
    ("gateway.rateLimit.key", "header:X-Api-Key", "cookie", "should match"),
    ("gateway.rateLimit.trustedProxies", ["10.0.0.0/8", "::1"], ["10.0.0.0/40"], "CIDR"),
    ("gateway.routes", [route("/a/{b}")], [route("/a/{b")], "should match"),
    ("gateway.routes", [route("/api/v1/openapis")], [route("/api/v1/openapi/x.json")], "choose another path"),
    ("gateway.routes", [route("/healthz2")], [route("/healthz")], "choose another path"),
    ("gateway.routes", [route("/a/..b/.c")], [route("/a/../b")], "without it"),
    ("gateway.routes", [route("/a/...")], [route("/a/.")], "without it"),
    (
        "gateway.routes",
        [route("/a/{b}"), route("/a/{b}/c"), route("/a/b"), route("/a"), route("/a/{b}", methods=["PUT", "PATCH"])],
        [route("/a/{b}"), route("/x"), route("/a/{c}", methods=["POST", "GET"])],
        "remove the method from one",
    ),
    ("gateway.routes", [route("/a", methods=["GET", "GET"])], [route("/a"), route("/a")], "remove the method from one"),
    ("gateway.routes", [route("/a", methods=["PUT"])], [route("/a", methods=[])], "at least 1"),
    ("gateway.service", {"type": "NodePort", "nodePort": 30080}, {"nodePort": 30080}, "set the type"),
    (
        "gateway.service",
        {"type": "LoadBalancer", "externalTrafficPolicy": "Local"},
        {"externalTrafficPolicy": "Local"},
        "set the type",
    ),
    ("objectStore", {"enabled": True, **STORE}, {"enabled": True, "bucket": "shop"}, "needs bucket, endpoint"),
    ("objectStore.endpoint", "https://s3", "https://user:word@s3", "should match"),
    ("queue.replicas", 3, 2, "must be 1 or 3"),
    ("queue.replicas", 1, 4, "less than or equal to 3"),
    ("queue.consumerTimeout", "1m", "59s", "must be from 1m"),
    ("readReplicas.maxLag", "1s", "10ms", "must be from 1s"),
    ("workers", {"concurrency": 4, "prefetch": 4}, {"concurrency": 9, "prefetch": 8}, "raise prefetch"),
    ("workers.handlers.email", {"url": "smtps://mail:465"}, {"url": "http://mail"}, "should match"),
    ("workers.handlers.payment", {"url": "https://pay"}, {"url": "https://me:word@pay"}, "should match"),
    ("writeApi.extraEnv", [{"name": "A", "value": "1"}], [{"name": "A"}, {"name": "A"}], "Duplicate"),
    ("template.imagePullSecrets", [{"name": "pull"}], [{"name": "Pull"}], "should match"),
]


@pytest.mark.parametrize(("path", "good", "bad", "word"), RULES, ids=[f"{rule[0]}={rule[2]}" for rule in RULES])
async def test_a_rule_takes_the_good_and_refuses_the_bad_in_words(
    kube: Client, namespace: str, path: str, good: object, bad: object, word: str
) -> None:
    await kube.create(resource(namespace, nested(path, good)))
    with pytest.raises(Refused, match=word) as refusal:
        await kube.create(resource(namespace, nested(path, bad), "refused"))
    assert f"spec.{path.partition('.')[0]}" in str(refusal.value)


async def test_as_many_routes_as_there_may_be_are_judged_within_the_budget_of_rules(
    kube: Client, namespace: str
) -> None:
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    routes = [route(f"{'/{a}' * 62}/{number:07}", methods=methods) for number in range(64)]
    assert len(routes[0]["path"]) == 256
    await kube.create(resource(namespace, nested("gateway.routes", routes)))
    with pytest.raises(Refused, match="remove the method from one"):
        await kube.create(resource(namespace, nested("gateway.routes", [*routes[:-1], routes[0]]), "refused"))


# Where, the value that is stored, the one that may not follow it.
FIXED: list[tuple[str, Any, Any, str]] = [
    ("queue.storage", {"className": "fast"}, {"className": "slow"}, "className cannot change"),
    ("queue.replicas", 1, 3, "make a new stack with the other one"),
    ("queue.replicas", 3, 1, "put the former number back"),
    ("readReplicas.storage", {"className": "fast"}, {}, "className cannot change"),
    ("database", {}, {"credentialsSecret": {"name": "mine"}}, "change the Secret"),
]


@pytest.mark.parametrize(
    ("path", "stored", "next_", "word"), FIXED, ids=[f"{it[0]}: {it[1]} to {it[2]}" for it in FIXED]
)
async def test_what_cannot_change_says_what_to_do_instead(
    kube: Client, namespace: str, path: str, stored: object, next_: object, word: str
) -> None:
    document = await kube.create(resource(namespace, nested(path, stored)))
    changed = copy.deepcopy(document)
    parent = changed["spec"]
    for key in path.split(".")[:-1]:
        parent = parent[key]
    parent[path.rsplit(".", maxsplit=1)[-1]] = next_
    with pytest.raises(Refused, match=word):
        await kube.replace(changed)


@pytest.mark.parametrize("engine", ["database", "readReplicas", "queue"])
async def test_a_size_may_grow_and_be_taken_back_to_what_the_volumes_have(
    kube: Client, namespace: str, engine: str
) -> None:
    document = await _carried_out(kube, namespace, engine, "2Gi")
    for size in ("3Gi", "2Gi", "2048Mi"):
        document["spec"][engine]["storage"]["size"] = size
        document = await kube.replace(document)


@pytest.mark.parametrize("engine", ["database", "readReplicas", "queue"])
async def test_a_size_below_what_the_volumes_have_is_refused_with_what_to_write(
    kube: Client, namespace: str, engine: str
) -> None:
    document = await _carried_out(kube, namespace, engine, "2Gi")
    document["spec"][engine]["storage"]["size"] = "1Gi"
    with pytest.raises(Refused, match=rf"set spec\.{engine}\.storage\.size to status\.volumes\.{engine} or more"):
        await kube.replace(document)


async def _carried_out(kube: Client, namespace: str, engine: str, size: str) -> dict[str, Any]:
    """A resource of which the operator says that volumes have this size."""
    document = resource(namespace, nested(f"{engine}.storage.size", size))
    await kube.create(document)
    told = {**document, "status": {"volumes": {engine: size}}}
    return await kube.apply(told, manager=STATUS, subresource="status")


async def test_a_status_above_the_spec_is_refused_so_it_is_told_capped(kube: Client, namespace: str) -> None:
    with pytest.raises(Refused, match="volumes only grow"):
        await _carried_out_more(kube, namespace)


async def _carried_out_more(kube: Client, namespace: str) -> None:
    document = resource(namespace, nested("queue.storage.size", "1Gi"))
    await kube.create(document)
    await kube.apply({**document, "status": {"volumes": {"queue": "2Gi"}}}, manager=STATUS, subresource="status")


@pytest.mark.parametrize(
    ("name", "word"), [("a" * 41, "shorten it"), ("1shop", "begins with a letter"), ("shop.eu", "begins with a letter")]
)
async def test_a_name_whose_children_would_not_fit_is_refused(
    kube: Client, namespace: str, name: str, word: str
) -> None:
    await kube.create(resource(namespace, {}, "a" * 40))
    with pytest.raises(Refused, match=word):
        await kube.create(resource(namespace, {}, name))


async def test_an_empty_spec_is_filled_with_the_models_defaults(kube: Client, namespace: str) -> None:
    stored = await kube.create(resource(namespace, {}))
    parsed = parse_stack(stored)
    assert isinstance(parsed, Stack)
    assert parsed.spec == StackSpec()


async def test_a_misspelt_field_is_refused_by_who_asks_for_strictness(kube: Client, namespace: str) -> None:
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"
    with pytest.raises(Refused, match=r'unknown field "spec.gatewy"'):
        await kube._request(
            "POST", path, query=[("fieldValidation", "Strict")], body=resource(namespace, {"gatewy": {}})
        )


def _examples() -> list[Any]:
    """Each document of examples/, by file and kind; the values of the sample stack's chart as the stack they make."""
    found = [
        pytest.param(document, id=f"{path.name}: {document['kind']} {document['metadata']['name']}")
        for path in (EXAMPLES / "minimal.yaml", EXAMPLES / "production.yaml", EXAMPLES / "samples.yaml")
        for document in yaml.safe_load_all(path.read_text())
    ]
    values = yaml.safe_load((EXAMPLES / "shop.yaml").read_text())
    return [*found, pytest.param(resource("", values["spec"]), id="shop.yaml")]


@pytest.mark.parametrize("document", _examples())
async def test_an_example_is_taken_as_it_stands(kube: Client, namespace: str, document: Mapping[str, Any]) -> None:
    metadata = {**document["metadata"], "namespace": namespace}
    strictly = [("fieldValidation", "Strict"), ("dryRun", "All")]
    path = RESOURCES[document["kind"]].path(namespace)
    stored = await kube._request("POST", path, query=strictly, body={**document, "metadata": metadata})
    if document["kind"] == KIND:
        assert isinstance(parse_stack(stored), Stack)


def test_every_example_is_tried() -> None:
    tried = {parameter.id.partition(":")[0] for parameter in _examples()}
    assert tried == {path.name for path in EXAMPLES.glob("*.yaml")}


async def test_the_scale_subresource_is_the_count_of_workers(kube: Client, namespace: str) -> None:
    await kube.create(resource(namespace, {"autoscaling": {"mode": "Off"}, "workers": {"replicas": 2}}))
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}/shop/scale"
    scale = await kube._request("GET", path)
    assert scale["spec"]["replicas"] == 2
    await kube._request("PUT", path, body={**scale, "spec": {"replicas": 5}})
    stack = await kube._request("GET", path.removesuffix("/scale"))
    assert stack["spec"]["workers"]["replicas"] == 5
