"""What builders write is what the services read: the two sides never import each other, so only a test can tell."""

import json
from typing import Any

import pytest
from tests.unit.build.stacks import FULL, built

from hcs_operator.api.names import SERVICE_COMPONENTS
from hcs_services.gateway.config import GatewayConfig
from hcs_services.settings import Settings

SPECS: dict[str, dict[str, Any]] = {"smallest": {}, "full": FULL}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_gateway_reads_its_configuration(spec: dict[str, Any]) -> None:
    text = built(spec)["ConfigMap/shop-gateway"]["data"]["config.json"]
    config = GatewayConfig.model_validate_json(text)
    assert config.upstreams.keys() == {"write-api", "async-api", "read-api"}
    assert config.upstreams["read-api"].host == "shop-read-api.shops.svc.cluster.local"
    assert len(config.routes) == len(json.loads(text)["routes"]) > 0


def test_durations_reach_the_gateway_in_seconds() -> None:
    config = GatewayConfig.model_validate_json(built(FULL)["ConfigMap/shop-gateway"]["data"]["config.json"])
    assert (config.circuit_breaker.window, config.circuit_breaker.slow_call) == (30.0, 0.25)


@pytest.mark.parametrize("component", SERVICE_COMPONENTS)
def test_each_tier_reads_what_it_is_told(component: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [container] = built(FULL)[f"Deployment/shop-{component}"]["spec"]["template"]["spec"]["containers"]
    for entry in container["env"]:
        monkeypatch.setenv(entry["name"], entry["value"])
    settings = Settings()
    assert (settings.stack, settings.tier) == ("shop", component)
    assert settings.database_members_host == "shop-db-0.shops.svc.cluster.local"
    known = {str(field.validation_alias or name).upper() for name, field in Settings.model_fields.items()}
    assert {entry["name"] for entry in container["env"]} <= known


def test_a_worker_is_told_how_much_to_do_at_once_and_with_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    [container] = built(FULL)["Deployment/shop-worker"]["spec"]["template"]["spec"]["containers"]
    for entry in container["env"]:
        monkeypatch.setenv(entry["name"], entry["value"])
    settings = Settings()
    assert (settings.worker_concurrency, settings.worker_prefetch, settings.max_lag_seconds) == (16, 32, 2.0)
    assert (settings.email_url, settings.payment_url) == ("smtps://mail.example.org:465", "https://pay.example.org")
    assert (settings.object_store_url, settings.object_store_bucket) == ("https://s3.example.org", "shop")


def test_a_worker_of_a_stack_without_outside_parts_is_told_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    [container] = built({})["Deployment/shop-worker"]["spec"]["template"]["spec"]["containers"]
    for entry in container["env"]:
        monkeypatch.setenv(entry["name"], entry["value"])
    settings = Settings()
    assert (settings.email_url, settings.payment_url, settings.object_store_url) == (None, None, None)


@pytest.mark.parametrize(("spec", "told"), [({}, (5.0, 60.0)), (FULL, (2.0, 90.0))], ids=SPECS)
@pytest.mark.parametrize("component", ["read-api", "async-api", "worker"])
def test_each_tier_that_reads_at_replicas_is_told_how_old_they_may_be(
    component: str, spec: dict[str, Any], told: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    [container] = built(spec)[f"Deployment/shop-{component}"]["spec"]["template"]["spec"]["containers"]
    variables = {entry["name"]: entry["value"] for entry in container["env"]}
    assert {"MAX_LAG_SECONDS", "MAX_STALENESS_DURING_OUTAGE_SECONDS"} <= variables.keys()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.max_lag_seconds, settings.max_staleness_during_outage_seconds) == told
