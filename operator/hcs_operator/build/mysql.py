"""What members and readers have in common: my.cnf, the start script, the pod with mysqld and its agent.

The settings are those of docs/concepts.md and the reasons beside them; the operator's agent does all that needs SQL.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hcs_operator.api.database import TEMPLATE_HASH, Role
from hcs_operator.api.labels import selector
from hcs_operator.api.quantities import in_bytes
from hcs_operator.api.spec import Stack
from hcs_operator.api.spec_engines import Storage
from hcs_operator.api.spec_tiers import PodTemplate, Resources
from hcs_operator.api.variables import needing_restart
from hcs_operator.build import mounts
from hcs_operator.build.context import Context, Document, fingerprint
from hcs_operator.build.metadata import config_map, metadata
from hcs_operator.build.mysql_config import LEAVE, START, render
from hcs_operator.build.pods import (
    ENGINE_USER,
    SERVICES_USER,
    Pod,
    Sizes,
    claim_template,
    empty_dir,
    from_pod,
    http_probe,
    pod_template,
    retention,
    security,
)

_SIZES = Sizes(cpu="100m", memory="640Mi", cpu_limit="2", memory_limit="1536Mi")
_AGENT_SIZES = Sizes(cpu="10m", memory="64Mi", cpu_limit="500m", memory_limit="192Mi")
_RUN = {"name": "run", "mountPath": "/run/mysqld"}
_TMP = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - an emptyDir
_DATA = {"name": "data", "mountPath": "/var/lib/mysql"}
_TLS = {"name": "tls", "mountPath": "/etc/hcs/tls", "readOnly": True}
_CONFIG = {"name": "configuration", "mountPath": "/etc/hcs/mysql", "readOnly": True}
# A member's last act may be to hand over; a big shutdown flush comes after it.
GRACE_SECONDS = 120


def instances(
    stack: Stack,
    context: Context,
    component: str,
    role: Role,
    *,
    count: int | None,
    storage: Storage,
    resources: Resources,
    template: PodTemplate,
) -> list[Document]:
    """ConfigMap and StatefulSet of members or readers. OnDelete and Parallel: the operator orders restarts by role."""
    name = stack.names.of(component)
    sizes = _SIZES.with_spec(resources)
    config, memory = stack.spec.database.config, in_bytes(sizes["limits"]["memory"])
    files = {"my.cnf": render(role, config, memory), "start.sh": START}
    at_start = {**files, "my.cnf": render(role, needing_restart(config), memory)}
    containers = [_mysqld(stack, context, component, role, sizes), _agent(stack, context, component, role)]
    volumes = [
        {"name": "configuration", "configMap": {"name": name}},
        {"name": "tls", "secret": {"secretName": stack.names.database_tls}},
        mounts.all_passwords(stack),
        empty_dir("run", "16Mi"),
        empty_dir("tmp", "1Gi"),
    ]
    bare = Pod(
        component, containers, volumes, group=ENGINE_USER, grace_seconds=GRACE_SECONDS, apart=_apart(stack, role)
    )
    annotations = {TEMPLATE_HASH: fingerprint(_without_agent(pod_template(stack, bare, template)), at_start)}
    pod = replace(bare, annotations=annotations)
    spec: dict[str, Any] = {
        "serviceName": name,
        "revisionHistoryLimit": 3,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "selector": {"matchLabels": selector(stack.name, component)},
        "template": pod_template(stack, pod, template),
        "persistentVolumeClaimRetentionPolicy": retention(storage.reclaim),
        "volumeClaimTemplates": [claim_template(stack, component, storage.size, storage.class_name)],
    }
    if count is not None:
        spec["replicas"] = count
    workload = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(stack, name, component),
        "spec": spec,
    }
    return [config_map(stack, name, component, files), workload]


def _apart(stack: Stack, role: Role) -> bool:
    return role is Role.MEMBER and stack.spec.database.spread == "Required"


def _without_agent(template: Mapping[str, Any]) -> dict[str, Any]:
    """All that matters to mysqld: an agent of another release comes with the next restart, and causes none."""
    containers = [container for container in template["spec"]["containers"] if container["name"] != "agent"]
    return {**template, "spec": {**template["spec"], "containers": containers}}


def _environment(stack: Stack, context: Context, component: str, role: Role) -> list[Document]:
    host = stack.names.host(component, stack.namespace, context.cluster_domain)
    return [
        from_pod("POD_NAME", "metadata.name"),
        from_pod("POD_IP", "status.podIP"),
        {"name": "POD_FQDN", "value": f"$(POD_NAME).{host}"},
        {"name": "HCS_STACK", "value": stack.name},
        {"name": "HCS_ROLE", "value": role.value},
    ]


def _mysqld(stack: Stack, context: Context, component: str, role: Role, sizes: Document) -> Document:
    answers = {"exec": {"command": ["sh", "-c", _ANSWERS]}, "timeoutSeconds": 5}
    leave = {"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", LEAVE]}}}} if role is Role.MEMBER else {}
    return {
        "name": "mysqld",
        "image": context.images["mysql"],
        "command": ["sh", "/etc/hcs/mysql/start.sh"],
        "env": _environment(stack, context, component, role),
        "ports": [{"name": "mysql", "containerPort": 3306, "protocol": "TCP"}],
        "startupProbe": {**answers, "periodSeconds": 2, "failureThreshold": 450},
        "livenessProbe": {**answers, "periodSeconds": 10, "failureThreshold": 6},
        "readinessProbe": http_probe("/readyz", 9091, period=3, failures=3),
        "resources": sizes,
        "securityContext": security(ENGINE_USER),
        "volumeMounts": [_CONFIG, _TLS, _DATA, _RUN, _TMP],
        **leave,
    }


# Alive and ready mean that it answers SQL; what it may be used for is judged elsewhere. Readiness is what the agent saw
# last, once a second: a client in the container for each look would cost a tenth of a second of the processor.
_ANSWERS = "mysql --no-defaults --socket=/run/mysqld/mysqld.sock --user=root --execute='SELECT 1' >/dev/null"


def _agent(stack: Stack, context: Context, component: str, role: Role) -> Document:
    return {
        "name": "agent",
        "image": context.images["agent"],
        "command": ["env", "--block-signal=TERM", "python3", "-m", "hcs_operator.agent"],
        "env": _environment(stack, context, component, role),
        "ports": [{"name": "agent", "containerPort": 9091, "protocol": "TCP"}],
        "livenessProbe": http_probe("/livez", 9091, period=10, failures=6, timeout=5),
        "resources": _AGENT_SIZES.with_spec(Resources()),
        "securityContext": security(SERVICES_USER),
        "volumeMounts": [
            {"name": "database", "mountPath": f"{mounts.ROOT}/database", "readOnly": True},
            _TLS,
            _RUN,
            _TMP,
        ],
    }
