"""What holds for every document that is built, whatever the spec."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.unit.build.stacks import FULL, IMAGES, QUEUE_OF_THREE, built, context, stack

from hcs_operator.api.labels import labels
from hcs_operator.api.names import SERVICE_COMPONENTS
from hcs_operator.api.spec import StackSpec
from hcs_operator.api.spec_engines import RESERVED_CONFIG, RESERVED_PREFIXES
from hcs_operator.build import Context, Tier, desired

SPECS = {"smallest": {}, "full": FULL, "queue of three": QUEUE_OF_THREE}


def workloads(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in built(spec, worker=1, replica=1).items():
        if "template" in document.get("spec", {}):
            yield name, document


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_document_is_labelled_owned_and_in_the_stacks_namespace(spec: dict[str, Any]) -> None:
    for name, document in built(spec).items():
        metadata = document["metadata"]
        component = metadata["labels"]["app.kubernetes.io/component"]
        assert metadata["labels"] == labels("shop", component), name
        assert metadata["namespace"] == "shops"
        [owner] = metadata["ownerReferences"]
        assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (stack().uid, True, False), name


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_pod_is_restricted(spec: dict[str, Any]) -> None:
    for name, document in workloads(spec):
        pod = document["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert security["runAsUser"] > 0, name


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_container_has_requests_limits_and_a_probe(spec: dict[str, Any]) -> None:
    for name, document in workloads(spec):
        for container in document["spec"]["template"]["spec"]["containers"]:
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            assert "memory" in container["resources"]["limits"], name
            assert "livenessProbe" in container or document["kind"] == "Job", name


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_mount_has_its_volume_and_every_volume_a_mount(spec: dict[str, Any]) -> None:
    for name, document in workloads(spec):
        pod = document["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", ())}
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == volumes, name


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_no_secret_is_in_an_environment_or_a_command(spec: dict[str, Any]) -> None:
    for name, document in workloads(spec):
        for container in document["spec"]["template"]["spec"]["containers"]:
            given = container.get("env", ())
            assert not [entry for entry in given if "secretKeyRef" in entry.get("valueFrom", {})], name


def test_each_selector_picks_its_own_pods_and_no_other_stacks() -> None:
    for name, document in workloads({}):
        if document["kind"] != "Job":
            pod = document["spec"]["template"]["metadata"]["labels"]
            wanted = document["spec"]["selector"]["matchLabels"]
            assert wanted.items() <= pod.items(), name
            assert wanted["highconcurrency.dev/stack"] == "shop"


def test_the_order_is_that_of_a_start() -> None:
    tiers = [item.tier for item in desired(stack(), context())]
    assert tiers == sorted(tiers)
    assert set(tiers) == set(Tier)


def test_counts_that_the_autoscaler_owns_are_absent() -> None:
    left, given = built({}), built({}, worker=3, replica=2)
    for name, count in (("Deployment/shop-worker", 3), ("StatefulSet/shop-replica-0", 2)):
        assert "replicas" not in left[name]["spec"]
        assert given[name]["spec"]["replicas"] == count


def test_database_pods_change_only_when_the_operator_deletes_them() -> None:
    for name in ("StatefulSet/shop-db-0", "StatefulSet/shop-replica-0"):
        spec = built()[name]["spec"]
        assert spec["updateStrategy"] == {"type": "OnDelete"}
        assert spec["podManagementPolicy"] == "Parallel"


def template_hash(spec: dict[str, Any], **images: str) -> str:
    built_ = [i.document for i in desired(stack(spec), Context(images={**IMAGES, **images}))]
    [members] = [it for it in built_ if it["metadata"]["name"] == "shop-db-0" and it["kind"] == "StatefulSet"]
    return str(members["spec"]["template"]["metadata"]["annotations"]["highconcurrency.dev/template-hash"])


def test_another_agent_restarts_no_database_and_another_setting_does() -> None:
    assert template_hash({}, agent="other") == template_hash({})
    assert template_hash({}, mysql="other") != template_hash({})
    assert template_hash({"database": {"config": {"max_connections": "500"}}}) != template_hash({})


def test_another_image_is_another_migration() -> None:
    def job(image: str) -> str:
        [name] = [n for n in _names(image) if n.startswith("shop-migrate-")]
        return name

    def _names(image: str) -> list[str]:
        found = desired(stack(), Context(images={**IMAGES, "services": image}))
        return [item.document["metadata"]["name"] for item in found if item.document["kind"] == "Job"]

    assert job("a") == job("a") != job("b")


def test_a_new_configuration_rolls_what_reads_it_once() -> None:
    def annotation(spec: dict[str, Any], workload: str) -> str:
        template = built(spec)[workload]["spec"]["template"]["metadata"]
        return str(template["annotations"]["highconcurrency.dev/configuration"])

    limited = {"gateway": {"rateLimit": {"capacity": 5}}}
    assert annotation(limited, "Deployment/shop-gateway") != annotation({}, "Deployment/shop-gateway")
    smaller = {"cache": {"maxMemory": "64Mi"}}
    assert annotation(smaller, "StatefulSet/shop-cache") != annotation({}, "StatefulSet/shop-cache")


def test_what_the_user_asks_of_all_pods_is_in_all_pods_and_the_tiers_own_wins() -> None:
    for name, document in workloads(FULL):
        template = document["spec"]["template"]
        assert template["metadata"]["labels"]["team"] == "shop", name
        assert template["metadata"]["annotations"]["example.org/scrape"] == "true", name
        assert template["spec"]["nodeSelector"]["pool"] == "apps", name
    assert built(FULL)["StatefulSet/shop-db-0"]["spec"]["template"]["spec"]["nodeSelector"]["disk"] == "nvme"


def test_a_spread_without_a_selector_spreads_the_components_own_pods() -> None:
    [constraint] = built(FULL)["Deployment/shop-gateway"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"


def test_members_have_a_node_each_unless_they_may_share_one() -> None:
    def apart(spread: str) -> dict[str, Any]:
        document = built({"database": {"spread": spread}})["StatefulSet/shop-db-0"]
        found: dict[str, Any] = document["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]
        return found

    assert list(apart("Required")) == ["requiredDuringSchedulingIgnoredDuringExecution"]
    assert list(apart("Preferred")) == ["preferredDuringSchedulingIgnoredDuringExecution"]


def test_users_labels_never_replace_the_operators() -> None:
    spec = {"template": {"labels": {"highconcurrency.dev/stack": "other"}}}
    for name, document in workloads(spec):
        assert document["spec"]["template"]["metadata"]["labels"]["highconcurrency.dev/stack"] == "shop", name


def environment(document: Mapping[str, Any]) -> dict[str, str]:
    [container] = document["spec"]["template"]["spec"]["containers"]
    names = [entry["name"] for entry in container["env"]]
    assert len(names) == len(set(names)), "the API server refuses a name that is there twice"
    return {entry["name"]: entry["value"] for entry in container["env"]}


def test_a_variable_of_the_users_replaces_one_of_ours() -> None:
    variables = environment(built(FULL)["Deployment/shop-async-api"])
    assert (variables["LOG_LEVEL"], variables["HCS_NAMESPACE"]) == ("debug", "mine")


def test_each_tier_is_told_what_the_contract_promises() -> None:
    promised = {
        "HCS_STACK",
        "HCS_TIER",
        "HCS_NAMESPACE",
        "DATABASE_MEMBERS_HOST",
        "DATABASE_READERS_HOST",
        "CACHE_URL",
        "QUEUE_URL",
    }
    for component in SERVICE_COMPONENTS:
        assert promised <= environment(built()[f"Deployment/shop-{component}"]).keys(), component


def test_retained_volumes_outlive_the_stack_and_others_go_with_it() -> None:
    def policy(spec: dict[str, Any]) -> object:
        return built(spec)["StatefulSet/shop-db-0"]["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"]

    assert policy({}) == "Retain"
    assert policy({"database": {"storage": {"reclaim": "Delete"}}}) == "Delete"


def test_a_default_gives_way_to_what_the_spec_says() -> None:
    def resources(**given: Mapping[str, str]) -> dict[str, Any]:
        pod = built({"database": {"resources": given}})["StatefulSet/shop-db-0"]["spec"]["template"]["spec"]
        found: dict[str, Any] = pod["containers"][0]["resources"]
        return found

    assert resources(limits={"memory": "512Mi"})["requests"]["memory"] == "512Mi"
    assert resources(requests={"memory": "8Gi"})["limits"]["memory"] == "8Gi"


def test_the_buffer_pool_follows_the_memory_limit() -> None:
    def pool(limit: str) -> str:
        text = built({"database": {"resources": {"limits": {"memory": limit}}}})["ConfigMap/shop-db-0"]["data"][
            "my.cnf"
        ]
        return next(line for line in str(text).splitlines() if line.startswith("innodb_buffer_pool_size"))

    assert pool("1Gi") == "innodb_buffer_pool_size=256M"
    assert pool("16Gi") == "innodb_buffer_pool_size=9230M"
    assert pool("1.5Gi") == "innodb_buffer_pool_size=384M"


FREE = {
    "character_set_server",
    "default_time_zone",
    "innodb_buffer_pool_size",
    "innodb_redo_log_capacity",
    "max_connections",
    "performance_schema_consumer_events_statements_cpu",
}
"""Of the keys that are set here, those that a user may set otherwise."""


def test_what_my_cnf_sets_is_refused_to_users_or_known_to_be_theirs() -> None:
    found = built(replica=1)
    lines = [
        line.partition("=")[0]
        for name in ("db", "replica")
        for line in found[f"ConfigMap/shop-{name}-0"]["data"]["my.cnf"].splitlines()
        if "=" in line
    ]
    refused = {key for key in lines if key in RESERVED_CONFIG or key.startswith(RESERVED_PREFIXES)}
    assert set(lines) - refused == FREE


@pytest.mark.parametrize(
    "key", ["innodb_doublewrite", "disable_log_bin", "skip_networking", "bind_address", "init_file"]
)
def test_what_would_weaken_durability_or_open_a_door_is_refused(key: str) -> None:
    assert key in RESERVED_CONFIG or key.startswith(RESERVED_PREFIXES)


def test_a_received_transaction_outlives_a_crash_on_members_and_a_reader_starts_clean() -> None:
    found = built()
    assert "relay_log_recovery=OFF" in found["ConfigMap/shop-db-0"]["data"]["my.cnf"]
    assert "relay_log_recovery=ON" in found["ConfigMap/shop-replica-0"]["data"]["my.cnf"]


def test_network_policies_admit_the_stacks_own_flows_and_the_operator_only() -> None:
    found = {name: it for name, it in built().items() if it["kind"] == "NetworkPolicy"}
    cache = found["NetworkPolicy/shop-cache"]["spec"]["ingress"]
    peers = {p["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for rule in cache for p in rule["from"]}
    assert peers == {"write-api", "read-api", "worker"}
    admin = found["NetworkPolicy/shop-worker"]["spec"]["ingress"]
    assert [rule["ports"] for rule in admin] == [[{"port": 9090, "protocol": "TCP"}]]
    [operator] = admin[0]["from"]
    assert operator["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "hcs-system"}}
    assert found["NetworkPolicy/shop-deny"]["spec"].get("ingress") is None


def test_network_policies_can_be_left_to_the_user() -> None:
    assert not [name for name in built({"networkPolicy": {"enabled": False}}) if name.startswith("NetworkPolicy")]


def test_the_smallest_stack_asks_for_little() -> None:
    requested = 0
    for _, document in workloads({}):
        copies = document["spec"].get("replicas", 1)
        for container in document["spec"]["template"]["spec"]["containers"]:
            requested += copies * int(container["resources"]["requests"]["cpu"].removesuffix("m"))
    assert requested <= 800, "millicores of a small machine"


def test_defaults_are_spelt_as_the_api_server_stores_them() -> None:
    for name, document in workloads({}):
        for container in document["spec"]["template"]["spec"]["containers"]:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if "httpGet" in container.get(probe, {}):
                    assert container[probe]["httpGet"]["scheme"] == "HTTP", name
            for port in container.get("ports", ()):
                assert port["protocol"] == "TCP", name


def test_a_spec_of_another_version_is_built_without_what_is_unknown() -> None:
    assert StackSpec.model_validate({"later": {"x": 1}, "cache": {"mode": "Cluster"}}) == StackSpec()
