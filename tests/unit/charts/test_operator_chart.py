"""The operator's chart: what it installs, with which rights, and what it refuses."""

from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.charts.rendering import OPERATOR, ROOT, STACK, refusal, rendered

from hcs_operator.config import Config, Images
from hcs_operator.kube.resources import PRUNED_KINDS, RESOURCES, SCALER_KIND

IMAGES = {name: f"example.org/{name}@sha256:1" for name in ("services", "mysql", "redis", "rabbitmq")}


def pod(values: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = rendered(OPERATOR, values)["Deployment/hcs-operator"]["spec"]["template"]["spec"]
    return found


def environment(values: dict[str, Any] | None = None) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in pod(values)["containers"][0]["env"]}


def rules(role: dict[str, Any]) -> set[tuple[str, str, str]]:
    """(group, resource, verb) triples."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_two_replicas_in_restricted_pods_with_probes() -> None:
    deployment = rendered(OPERATOR)["Deployment/hcs-operator"]
    assert deployment["spec"]["replicas"] == 2
    spec = deployment["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    [container] = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "admin"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
    assert {"requests", "limits"} == container["resources"].keys()


def test_a_budget_and_a_metrics_service_pick_the_operators_pods() -> None:
    found = rendered(OPERATOR)
    labels = found["Deployment/hcs-operator"]["spec"]["template"]["metadata"]["labels"]
    budget = found["PodDisruptionBudget/hcs-operator"]["spec"]["selector"]["matchLabels"]
    service = found["Service/hcs-operator-metrics"]["spec"]["selector"]
    assert budget.items() <= labels.items()
    assert service.items() <= labels.items()


def test_pods_carry_the_label_by_which_stacks_network_policies_admit_the_operator() -> None:
    labels = rendered(OPERATOR)["Deployment/hcs-operator"]["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "hcs-operator"


def test_the_definition_is_the_generated_one_and_is_kept() -> None:
    definition = rendered(OPERATOR)["CustomResourceDefinition/highconcurrencystacks.highconcurrency.dev"]
    assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    generated = yaml.safe_load((ROOT / "crds" / "highconcurrencystacks.yaml").read_text())
    assert definition["spec"] == generated["spec"]


def test_the_definition_can_be_left_out_or_given_up() -> None:
    assert not [name for name in rendered(OPERATOR, {"crds": {"enabled": False}}) if name.startswith("CustomResource")]
    loose = rendered(OPERATOR, {"crds": {"keep": False}})[
        "CustomResourceDefinition/highconcurrencystacks.highconcurrency.dev"
    ]
    assert "helm.sh/resource-policy" not in loose["metadata"].get("annotations", {})


def test_every_setting_of_the_operator_that_the_chart_gives_is_one_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    given = environment(
        {"watchNamespaces": ["a", "b"], "clusterDomain": "example.local", "images": IMAGES, "workers": 3}
    )
    for name, value in {**given, "POD_NAMESPACE": "hcs-system", "POD_NAME": "me"}.items():
        monkeypatch.setenv(name, value)
    config = Config()
    assert (config.namespaces, config.cluster_domain, config.workers) == (("a", "b"), "example.local", 3)
    assert (config.lease_namespace, config.identity) == ("hcs-system", "me")
    assert Images().model_dump() == {**IMAGES, "agent": pod()["containers"][0]["image"]}
    known = {"POD_NAMESPACE", "POD_NAME", "LOG_LEVEL"}
    known |= {f"HCS_{name.upper()}" for name in Config.model_fields} | {
        f"HCS_IMAGE_{name.upper()}" for name in Images.model_fields
    }
    assert given.keys() <= known


def test_the_operator_may_do_what_it_does_with_each_kind() -> None:
    granted = rules(rendered(OPERATOR)["ClusterRole/hcs-operator"])
    for kind in PRUNED_KINDS:
        resource = RESOURCES[kind]
        for verb in ("get", "list", "watch", "create", "patch", "delete"):
            assert (resource.group, resource.plural, verb) in granted, (kind, verb)
    needed = {
        ("highconcurrency.dev", "highconcurrencystacks", "watch"),
        ("highconcurrency.dev", "highconcurrencystacks/status", "patch"),
        ("apps", "deployments/scale", "patch"),
        ("apps", "statefulsets/scale", "patch"),
        ("", "pods", "patch"),
        ("", "pods", "delete"),
        ("", "pods/eviction", "create"),
        ("", "events", "create"),
        ("", "events", "list"),
        ("", "events", "list"),
        (RESOURCES[SCALER_KIND].group, RESOURCES[SCALER_KIND].plural, "watch"),
    }
    assert needed <= granted


def test_the_operator_may_not_do_what_it_never_does() -> None:
    granted = rules(rendered(OPERATOR)["ClusterRole/hcs-operator"])
    assert not [rule for rule in granted if "*" in rule]
    assert not [rule for rule in granted if rule[1] in {"pods/exec", "nodes", "secrets/*", "clusterroles"}]
    assert ("highconcurrency.dev", "highconcurrencystacks", "patch") not in granted, "the user's spec is never written"
    assert {verb for group, resource, verb in granted if resource == "pods/eviction"} == {"create"}
    assert {verb for group, resource, verb in granted if resource == "persistentvolumeclaims"} == {
        "get",
        "list",
        "watch",
        "patch",
    }


def test_in_namespaced_mode_there_is_no_cluster_wide_right() -> None:
    found = rendered(OPERATOR, {"watchNamespaces": ["shop", "test"]})
    assert not [name for name in found if name.startswith("ClusterRole")]
    for namespace in ("shop", "test"):
        assert ("apps", "deployments", "create") in rules(found[f"Role/hcs-operator in {namespace}"])
        [subject] = found[f"RoleBinding/hcs-operator in {namespace}"]["subjects"]
        assert (subject["name"], subject["namespace"]) == ("hcs-operator", "hcs-system")


def test_the_lease_is_writable_in_the_operators_own_namespace_alone() -> None:
    found = rendered(OPERATOR)
    assert ("coordination.k8s.io", "leases", "create") in rules(found["Role/hcs-operator-lease in hcs-system"])
    assert not [rule for rule in rules(found["ClusterRole/hcs-operator"]) if rule[1] == "leases"]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"replica": 1}, "replica"),
        ({"image": {"tag": "1"}}, "tag"),
        ({"images": {"postgres": "x"}}, "postgres"),
        ({"watchNamespaces": ["Shop"]}, "watchNamespaces"),
        ({"workers": 0}, "workers"),
        ({"logLevel": "loud"}, "logLevel"),
        ({"crds": {"enabled": "yes"}}, "crds"),
    ],
)
def test_a_misspelt_or_impossible_value_is_refused_by_name(values: dict[str, Any], word: str) -> None:
    assert word in refusal(OPERATOR, values)


@pytest.mark.parametrize("chart", [OPERATOR, STACK], ids=lambda chart: chart.name)
def test_every_value_is_explained(chart: Path) -> None:
    lines = (chart / "values.yaml").read_text().splitlines()
    keys = {line.partition(":")[0]: number for number, line in enumerate(lines) if line[:1].isalpha()}
    schema = yaml.safe_load((chart / "values.schema.json").read_text())
    assert keys.keys() | {"global"} == schema["properties"].keys(), "Helm itself knows `global`"
    assert not [key for key, number in keys.items() if not _explained(lines, number)]


def _explained(lines: list[str], number: int) -> bool:
    """Whether a comment stands right before a value, or before one of the values in its block."""
    block = takewhile(lambda line: line.startswith(" "), lines[number + 1 :])
    return lines[number - 1].startswith("# ") or any(line.startswith("  # ") for line in block)
