"""Only what we own is compared, and what differs is said in words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_operator.decide.diff import HASH_ANNOTATION, drift, stamped

pytestmark = pytest.mark.unit


def deployment(**container: Any) -> dict[str, Any]:
    main = {"name": "main", "image": "a:1", "env": [{"name": "A", "value": "1"}], **container}
    return {"kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": {"spec": {"containers": [main]}}}}


def test_what_the_api_server_filled_in_is_no_drift() -> None:
    live = deployment(imagePullPolicy="Always", terminationMessagePath="/dev/termination-log")
    assert drift(deployment(), live | {"status": {"replicas": 1}}) is None


def test_an_element_another_manager_added_is_no_drift() -> None:
    live = deployment(env=[{"name": "B", "value": "2"}, {"name": "A", "value": "1"}])
    assert drift(deployment(), live) is None


def test_an_edited_field_is_named_with_both_values() -> None:
    assert (
        drift(deployment(), deployment(image="evil:1")) == "spec.template.spec.containers.image evil:1 -> a:1 of main"
    )


def test_a_removed_element_is_drift() -> None:
    assert drift(deployment(), deployment(env=[])) == "spec.template.spec.containers.env.name unset -> A of main"


def test_a_list_with_one_owner_compares_as_a_whole() -> None:
    want = {"rules": [{"verbs": ["get"]}]}
    assert drift(want, {"rules": [{"verbs": ["get", "list"]}]}) == "rules.verbs 2 elements -> 1 elements"


@pytest.mark.parametrize(
    ("ours", "theirs", "word"),
    [
        ({"selector": {"a": "b"}}, {"selector": {"a": "b", "x": "y"}}, "spec.selector.x y -> unset"),
        (
            {"podSelector": {"matchLabels": {"a": "b"}}},
            {"podSelector": {"matchLabels": {"a": "b", "x": "y"}}},
            "spec.podSelector.matchLabels.x y -> unset",
        ),
        ({"nodeSelector": {"a": "b"}}, {"nodeSelector": {"a": "b", "x": "y"}}, "spec.nodeSelector.x y -> unset"),
        (
            {"ingress": [{"ports": [{"port": 1, "protocol": "TCP"}]}]},
            {"ingress": [{"ports": [{"port": 1, "protocol": "TCP"}], "from": [{"podSelector": {}}]}]},
            "spec.ingress.from [{'podSelector': {}}] -> unset",
        ),
    ],
    ids=["service", "policy", "node", "rule"],
)
def test_a_key_more_in_a_selector_is_drift(ours: dict[str, Any], theirs: dict[str, Any], word: str) -> None:
    assert drift({"spec": ours}, {"spec": theirs}) == word
    assert drift({"spec": ours}, {"spec": ours}) is None


@pytest.mark.parametrize(
    ("resource", "ours", "theirs"),
    [
        ("cpu", "1000m", "1"),
        ("cpu", "0.5", "500m"),
        ("cpu", "0.0005", "500u"),
        ("cpu", "1e-12", "1n"),
        ("cpu", 1, "1"),
        ("memory", "1024Mi", "1Gi"),
        ("memory", "2e3", "2k"),
        ("memory", "1Ei", "1152921504606846976"),
        ("hugepages-2Mi", "0.5Gi", "512Mi"),
        ("example.org/gpu", "1000m", "1"),
    ],
)
def test_equal_quantities_are_no_drift(resource: str, ours: object, theirs: object) -> None:
    assert drift({"limits": {resource: ours}}, {"limits": {resource: theirs}}) is None


def test_different_quantities_are_drift() -> None:
    assert drift({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1G"}}) == "limits.memory 1G -> 1Gi"


def test_the_values_of_configmaps_and_secrets_are_not_shown() -> None:
    assert drift({"data": {"password": "new"}}, {"data": {"password": "old"}}) == "data.password differs"


def test_an_empty_map_that_the_api_server_drops_is_no_drift() -> None:
    assert drift({"spec": {"emptyDir": {}, "list": []}}, {"spec": {}}) is None


def test_a_field_we_stop_wanting_changes_the_hash() -> None:
    before, after = stamped(deployment()), stamped(deployment(env=[]))
    assert before["metadata"]["annotations"][HASH_ANNOTATION] != after["metadata"]["annotations"][HASH_ANNOTATION]


def test_stamping_leaves_the_document_as_it_was() -> None:
    document = deployment()
    stamped(document)
    assert document == deployment()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_a_document_never_drifts_from_itself(document: dict[str, Any]) -> None:
    assert drift(document, document) is None


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), JSON)
def test_any_live_object_can_be_compared(document: dict[str, Any], live: Any) -> None:
    drift(document, live if isinstance(live, dict) else {"x": live})
