"""The Redis that counts limits for all gateways: there only where it is asked, and open to nobody but the gateways."""

import json
import secrets as random
from typing import Any

import pytest
from tests.unit.build.stacks import built, stack

from hcs_operator.api.observed import Child
from hcs_operator.build.credentials import secrets
from hcs_operator.decide.plan import kept
from hcs_services.gateway.config import GatewayConfig

pytestmark = pytest.mark.unit
GLOBAL: dict[str, Any] = {"gateway": {"rateLimit": {"scope": "global"}}}


def route(**other: Any) -> dict[str, Any]:
    return {"methods": ["GET"], "path": "/a", "upstream": "read-api", **other}


@pytest.mark.parametrize(
    ("gateway", "counts"),
    [
        ({}, False),
        ({"rateLimit": {"scope": "global"}}, True),
        ({"rateLimit": {"scope": "global", "enabled": False}}, False),
        ({"routes": [route(limitScope="global")]}, True),
        ({"routes": [route(limitScope="global", cost=0)]}, False),
        ({"rateLimit": {"scope": "global"}, "routes": [route(limitScope="local")]}, False),
        ({"rateLimit": {"scope": "global"}, "routes": [route()]}, True),
    ],
)
def test_it_is_made_where_a_request_is_counted_there(gateway: dict[str, Any], counts: bool) -> None:
    spec = {"gateway": gateway}
    found = built(spec)
    assert [name for name in found if name.endswith("/shop-limits")] == (
        [
            "NetworkPolicy/shop-limits",
            "PodDisruptionBudget/shop-limits",
            "Service/shop-limits",
            "ConfigMap/shop-limits",
            "StatefulSet/shop-limits",
        ]
        if counts
        else []
    )
    assert ("shop-limits" in secrets(stack(spec))) == counts
    assert (Child("Secret", "shop-limits") in kept(stack(spec))) == counts
    config = GatewayConfig.model_validate_json(found["ConfigMap/shop-gateway"]["data"]["config.json"])
    assert any(config.counts_globally(each) for each in config.routes) == counts
    [container] = found["Deployment/shop-gateway"]["spec"]["template"]["spec"]["containers"]
    assert ("LIMITS_URL" in {entry["name"] for entry in container["env"]}) == counts
    assert ("/etc/hcs/limits" in {mount["mountPath"] for mount in container["volumeMounts"]}) == counts


def test_a_limit_of_local_scope_is_told_as_ever_so_that_gateways_of_earlier_releases_read_it() -> None:
    config = json.loads(built({})["ConfigMap/shop-gateway"]["data"]["config.json"])
    assert "scope" not in config["rateLimit"]
    assert not [each for each in config["routes"] if "limitScope" in each]


def test_only_the_gateways_reach_it_and_only_they_have_its_password() -> None:
    found = built(GLOBAL)
    [rule] = found["NetworkPolicy/shop-limits"]["spec"]["ingress"]
    assert rule["ports"] == [{"port": 6379, "protocol": "TCP"}]
    [peer] = rule["from"]
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"
    using = [name for name, it in found.items() if '"secretName": "shop-limits"' in json.dumps(it)]
    assert using == ["StatefulSet/shop-limits", "Deployment/shop-gateway"]
    assert list(secrets(stack(GLOBAL))["shop-limits"](random.token_bytes)) == ["password"]


def test_it_forgets_nothing_before_its_time_and_the_cache_stays_as_it_is() -> None:
    found = built(GLOBAL)
    assert "maxmemory-policy noeviction\n" in found["ConfigMap/shop-limits"]["data"]["redis.conf"]
    assert found["StatefulSet/shop-cache"] == built({})["StatefulSet/shop-cache"]
