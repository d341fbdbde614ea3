"""The queue: RabbitMQ, one node or three, whose users, permissions and policies are loaded at each start."""

import json

from hcs_operator.api.durations import milliseconds
from hcs_operator.api.labels import selector
from hcs_operator.api.names import QUEUE
from hcs_operator.api.quantities import in_bytes
from hcs_operator.api.spec import Stack
from hcs_operator.build import queue_cluster
from hcs_operator.build.context import Context, Document, fingerprint
from hcs_operator.build.metadata import config_map, metadata
from hcs_operator.build.pods import (
    ENGINE_USER,
    Pod,
    Sizes,
    claim_template,
    empty_dir,
    from_pod,
    pod_template,
    retention,
    security,
)

_CONFIG, _SECRET, _DATA = "/etc/hcs/rabbitmq", "/etc/hcs/queue", "/var/lib/rabbitmq"
_DEFINITIONS = "/tmp/definitions"  # noqa: S108 - an emptyDir
_DEAD_LETTERS = "hcs.dead"
_SIZES = Sizes(cpu="50m", memory="256Mi", cpu_limit="2", memory_limit="1Gi")
_LETTERS_STAY = {
    "vhost": "/",
    "name": "hcs-letters-stay",
    "pattern": f"^{_DEAD_LETTERS.replace('.', '[.]')}$",
    "apply-to": "quorum_queues",
    "priority": 0,
    "definition": {"delivery-limit": 10**9},
}
"""RabbitMQ drops a message that was delivered and given back 20 times, and behind the dead letters is no other queue.
An argument of the queue could not be given to one that exists, and 4.0 takes no -1 in a policy."""
_MEMORY_SHARE = 0.6
"""Publishers are held back when messages take this part of the limit; the rest is the runtime's."""
# A node that cannot resolve its own name, or resolves it to its last address, gives up: DNS may be a moment behind.
# Erlang wants its cookie readable by its owner alone, which a mounted Secret cannot be.
# Definitions are read from a folder in the order of its files' names; a mounted Secret is a folder of more than that.
# A shell that is process 1 hears no SIGTERM without a trap, and would wait for others until its grace is over.
_START = f"""set -eu
trap 'exit 143' TERM
until getent ahosts "${{RABBITMQ_NODENAME#*@}}" | grep -qF "$POD_IP "; do sleep 0.5; done
rm -f "$HOME/.erlang.cookie"
install -m 0400 {_SECRET}/erlang-cookie "$HOME/.erlang.cookie"
mkdir -p {_DEFINITIONS}
ln -sf {_SECRET}/definitions.json {_DEFINITIONS}/1-accounts.json
ln -sf {_CONFIG}/policies.json {_DEFINITIONS}/2-policies.json
"""
_RUN = "exec rabbitmq-server\n"


def queue(stack: Stack, context: Context) -> list[Document]:
    """ConfigMap and StatefulSet."""
    name, files = stack.names.of(QUEUE), configuration(stack, context)
    annotations = {
        "highconcurrency.dev/configuration": fingerprint(files),
        "highconcurrency.dev/credentials": context.secret_hashes.get(stack.names.queue_secret, ""),
    }
    spec = stack.spec.queue
    volumes = [
        {"name": "configuration", "configMap": {"name": name}},
        {"name": "secret", "secret": {"secretName": stack.names.queue_secret}},
        empty_dir("tmp", "64Mi"),
    ]
    containers = [_container(stack, context)]
    pod = Pod(
        QUEUE,
        containers,
        volumes,
        group=ENGINE_USER,
        grace_seconds=60,
        annotations=annotations,
        apart=_clustered(stack) and spec.spread == "Required",
    )
    # Not part of the configuration: it would roll the pods.
    marks = {queue_cluster.FORMED: "yes\n"} if _clustered(stack) and context.queue_formed else {}
    return [
        config_map(stack, name, QUEUE, files | marks),
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata(stack, name, QUEUE),
            "spec": {
                "serviceName": name,
                "replicas": spec.replicas,
                "revisionHistoryLimit": 3,
                "podManagementPolicy": "Parallel",
                **({"minReadySeconds": queue_cluster.SETTLE_SECONDS} if _clustered(stack) else {}),
                "selector": {"matchLabels": selector(stack.name, QUEUE)},
                "template": pod_template(stack, pod, spec.template),
                "persistentVolumeClaimRetentionPolicy": retention(spec.storage.reclaim),
                "volumeClaimTemplates": [claim_template(stack, QUEUE, spec.storage.size, spec.storage.class_name)],
            },
        },
    ]


def configuration(stack: Stack, context: Context) -> dict[str, str]:
    """rabbitmq.conf and the plugins. Figures are collected each second: the autoscaler looks that often."""
    limit = in_bytes(_SIZES.with_spec(stack.spec.queue.resources)["limits"]["memory"])
    lines = [
        f"load_definitions = {_DEFINITIONS}",
        "listeners.tcp.default = 5672",
        "management.tcp.port = 15672",
        "collect_statistics_interval = 1000",
        f"vm_memory_high_watermark.absolute = {int(limit * _MEMORY_SHARE)}",
        "disk_free_limit.absolute = 200MB",
        f"consumer_timeout = {milliseconds(stack.spec.queue.consumer_timeout)}",
        "log.console = true",
        "log.console.level = info",
        *(queue_cluster.configuration(nodes(stack, context)) if _clustered(stack) else ()),
        "",
    ]
    return {
        "rabbitmq.conf": "\n".join(lines),
        "advanced.config": "[{rabbit, [{quorum_tick_interval, 1000}]}].\n",
        "enabled_plugins": "[rabbitmq_management,rabbitmq_prometheus].\n",
        "policies.json": json.dumps({"policies": [_LETTERS_STAY]}, indent=1),
    }


def nodes(stack: Stack, context: Context) -> list[str]:
    """Erlang names of all nodes."""
    name, host = stack.names.of(QUEUE), stack.names.host(QUEUE, stack.namespace, context.cluster_domain)
    return [f"rabbit@{name}-{ordinal}.{host}" for ordinal in range(stack.spec.queue.replicas)]


def _clustered(stack: Stack) -> bool:
    return stack.spec.queue.replicas > 1


def _container(stack: Stack, context: Context) -> Document:
    host = stack.names.host(QUEUE, stack.namespace, context.cluster_domain)
    variables = {
        "RABBITMQ_USE_LONGNAME": "true",
        "RABBITMQ_NODENAME": f"rabbit@$(POD_NAME).{host}",
        "RABBITMQ_CONFIG_FILE": f"{_CONFIG}/rabbitmq.conf",
        "RABBITMQ_ADVANCED_CONFIG_FILE": f"{_CONFIG}/advanced.config",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{_CONFIG}/enabled_plugins",
        "RABBITMQ_MNESIA_BASE": f"{_DATA}/mnesia",
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": "/tmp/rabbitmq.pid",  # noqa: S108 - an emptyDir
        "HOME": _DATA,
        # Idle schedulers sleep instead of spinning: nodes share their cores with everything else.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
    }
    probe: Document = {"tcpSocket": {"port": 5672}}
    script, started, alive, lifecycle = _START + _RUN, probe, probe, {}
    if _clustered(stack):
        script = (
            _START + queue_cluster.joining(_DATA, f"{_CONFIG}/{queue_cluster.FORMED}", nodes(stack, context)) + _RUN
        )
        started, alive = queue_cluster.startup_probe(_DATA), queue_cluster.liveness_probe(_DATA, _SECRET)
        lifecycle = {"lifecycle": {"preStop": queue_cluster.before_stop()}}
        variables["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] += f" {queue_cluster.WAITS}"
    return {
        "name": "rabbitmq",
        "image": context.images["rabbitmq"],
        "command": ["sh", "-c", script],
        "env": [
            from_pod("POD_NAME", "metadata.name"),
            from_pod("POD_IP", "status.podIP"),
            *({"name": name, "value": value} for name, value in variables.items()),
        ],
        "ports": [
            {"name": "amqp", "containerPort": 5672, "protocol": "TCP"},
            {"name": "management", "containerPort": 15672, "protocol": "TCP"},
        ],
        "startupProbe": {"periodSeconds": 2, "failureThreshold": 150, **started},
        "livenessProbe": {**alive, "periodSeconds": 20, "failureThreshold": 6, "timeoutSeconds": 5},
        "readinessProbe": {**probe, "periodSeconds": 3, "failureThreshold": 2, "timeoutSeconds": 3},
        **lifecycle,
        "resources": _SIZES.with_spec(stack.spec.queue.resources),
        "securityContext": security(ENGINE_USER),
        "volumeMounts": [
            {"name": "configuration", "mountPath": _CONFIG, "readOnly": True},
            {"name": "secret", "mountPath": _SECRET, "readOnly": True},
            {"name": "data", "mountPath": _DATA},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir
        ],
    }
