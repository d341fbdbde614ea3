"""What a user wrote is read, or refused in one sentence; it never raises."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_operator.api.spec import SpecProblem, Stack, StackSpec, parse_stack


def body(spec: Any, name: str = "shop") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop", "uid": "u", "generation": 2}, "spec": spec}


def test_an_empty_spec_is_a_whole_stack() -> None:
    parsed = parse_stack(body({}))
    assert isinstance(parsed, Stack)
    assert parsed.spec == StackSpec()
    assert (parsed.name, parsed.namespace, parsed.uid, parsed.generation) == ("shop", "shop", "u", 2)


def test_fields_of_another_version_are_ignored() -> None:
    parsed = parse_stack(body({"shards": 4, "cache": {"mode": "Cluster", "maxMemory": "1Gi"}}))
    assert isinstance(parsed, Stack)
    assert parsed.spec.cache.max_memory == "1Gi"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"cache": {"maxMemory": "much"}}, "spec.cache.maxMemory"),
        ({"autoscaling": {"workers": {"slo": {"maxWait": "0s"}}}}, "must be from 1s"),
        ({"database": {"resources": {"limits": {"memory": "lots"}}}}, "is no quantity"),
        ({"gateway": {"rateLimit": {"trustedProxies": ["10.0.0.0/40"]}}}, "spec.gateway.rateLimit.trustedProxies"),
        ({"autoscaling": {"readReplicas": {"minReplicas": 0}}}, "spec.autoscaling.readReplicas.minReplicas"),
        ({"autoscaling": {"readReplicas": {"hints": {"readsPerReplica": 1e-320}}}}, "readsPerReplica"),
        ({"autoscaling": {"workers": {"hints": {"ratePerReplica": 1e-320}}}}, "ratePerReplica"),
        ({"gateway": {"replicas": "two"}}, "spec.gateway.replicas"),
        (
            {
                "gateway": {
                    "routes": [
                        {"methods": ["GET"], "path": "/a/{b}", "upstream": "read-api"},
                        {"methods": ["POST", "GET"], "path": "/a/{c}", "upstream": "write-api"},
                    ]
                }
            },
            "GET /a/{c} is routed twice",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_its_field(spec: dict[str, Any], words: str) -> None:
    problem = parse_stack(body(spec))
    assert isinstance(problem, SpecProblem)
    assert words in problem.message


@pytest.mark.parametrize("name", ["a" * 41, "1shop", "shop.eu"])
def test_a_name_that_children_could_not_carry_is_refused(name: str) -> None:
    problem = parse_stack(body({}, name))
    assert isinstance(problem, SpecProblem)
    assert name in problem.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(["gateway", "cache", "database", "storage", "size", "routes", "config", "x"]),
            children,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_spec_whatever_raises(spec: Any) -> None:
    assert isinstance(parse_stack(body(spec)), Stack | SpecProblem)
