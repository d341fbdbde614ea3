"""The rate limit is by client address: two pods have buckets of their own, and a forged header buys nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until

pytestmark = pytest.mark.cluster

CAPACITY = 20
PROGRAM = """
import json, sys, urllib.error, urllib.request
url, count, forged = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "forged"
seen = {}
for number in range(count):
    headers = {"X-Forwarded-For": f"192.0.2.{number}"} if forged else {}
    try:
        status = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10).status
    except urllib.error.HTTPError as error:
        status = error.code
        if status == 429:
            assert all(error.headers[it] for it in ("Retry-After", "RateLimit", "RateLimit-Policy")), error.headers
    seen[status] = seen.get(status, 0) + 1
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def limited(small: Stack) -> Stack:
    """A stack whose clients may send 20 requests and then one each 10 s: a bucket that two pods shared would still be
    empty when the second one comes.
    """
    limit = {"enabled": True, "capacity": CAPACITY, "refillPerSecond": 0.1, "key": "ip", "trustedProxies": []}
    small.become({"gateway": {"rateLimit": limit}})
    return small


def test_two_pods_have_a_bucket_each_and_a_forged_header_buys_nothing(limited: Stack) -> None:
    first = _client(limited, "first", count=60, forged=False)
    second = _client(limited, "second", count=60, forged=True)
    for seen in (first, second):
        assert CAPACITY <= seen["404"] < 60, seen
        assert seen["429"] > 0, seen


def test_a_trusted_proxys_header_names_the_client(limited: Stack) -> None:
    pods = limited.kubectl.run("get", "nodes", "--output=jsonpath={.items[*].spec.podCIDR}").split()
    limited.patch({"gateway": {"rateLimit": {"trustedProxies": pods}}})
    limited.until_ready(120)
    until(
        "the gateway has the new list",
        lambda: _client(limited, "trusted", count=60, forged=True).get("429", 0) == 0,
        60,
    )
    seen = _client(limited, "plain", count=60, forged=False)
    assert seen.get("429", 0) > 0, seen  # the limit is still on


def _client(stack: Stack, name: str, *, count: int, forged: bool) -> dict[str, Any]:
    """Runs the program in a pod with an address of its own; answers how often each status was seen."""
    kubectl = stack.kubectl
    image = stack.resource()["status"]["images"]["services"]
    url = f"http://{stack.name}-gateway:8080/api/v1/products/none"
    restricted = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "client",
        "image": image,
        "command": ["python3", "-c", PROGRAM, url, str(count), "forged" if forged else "plain"],
        "securityContext": restricted,
    }
    kubectl.delete("pod", name)
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]},
        }
    )

    def ended() -> str | None:
        pod = kubectl.get("pod", name)
        assert pod
        return pod["status"]["phase"] if pod["status"]["phase"] in {"Succeeded", "Failed"} else None

    phase = until(f"client {name}", ended, 60)
    log = kubectl.run("logs", name)
    assert phase == "Succeeded", log
    seen: dict[str, Any] = json.loads(log)
    return seen
