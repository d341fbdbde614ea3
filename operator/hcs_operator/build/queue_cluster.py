"""What makes one cluster of several queue nodes (docs/adr/0007-three-brokers-are-one-cluster.md).

A single node has none of it. Nodes find each other by the names that their pods have. From their first start on Khepri
keeps the metadata: only with it any two of three go on after all were killed, Mnesia waits for the last one to stop.
"""

from collections.abc import Sequence

from hcs_operator.build.context import Document

SETTLE_SECONDS = 5
"""How long a node is ready before a roll takes the next one."""
FORMED = "formed"
"""The file that says that a cluster was formed once."""
_DAY = 86400
WAITS = f"-rabbit khepri_leader_wait_retry_timeout {_DAY * 1000}"
"""Arguments of the server: milliseconds that a node waits at its start for a majority of the others. 4.0 ends after
30 s, and two that are restarted ever more seldom then miss each other."""
_STOP_SECONDS = 30
"""How long at most a node that is to stop waits for the others."""
_OF_ONE = (
    "this volume holds the queue of a single node: make the stack again with spec.queue.replicas 1, "
    "or delete the claim and the tasks in it"
)
_FLAGS_OF_4_0 = (
    *("classic_mirrored_queue_version", "classic_queue_type_delivery_support", "detailed_queues_endpoint"),
    *("direct_exchange_routing_v2", "drop_unroutable_metric", "empty_basic_get_metric", "feature_flags_v2"),
    *("implicit_default_bindings", "khepri_db", "listener_records_in_ets", "maintenance_mode_status"),
    *("message_containers", "message_containers_deaths_v2", "quorum_queue", "quorum_queue_non_voters"),
    *("rabbit_exchange_type_local_random", "rabbitmq_4.0.0", "restart_streams", "stream_filtering", "stream_queue"),
    *("stream_sac_coordinator_unblock_group", "stream_single_active_consumer", "stream_update_config_command"),
    *("tracking_records_in_ets", "user_limits", "virtual_host_metadata"),
)
"""All that a new node of RabbitMQ 4.0 has, and Khepri: it takes a whole list only. 4.1 takes what differs, and from 4.2
on Khepri is the default (https://www.rabbitmq.com/docs/metadata-store/how-to-enable-khepri)."""
# `shrink` is refused by a node that is not fully up, to which nobody would be a member, and tells of each queue that it
# took the member out of, or could not: asked twice, nothing left to tell is the proof. Who is no member is told by
# `forget_cluster_node` as an error, in other words by 4.0 than by later ones.
_FORGOTTEN = """forgotten() {
  for node in "$@"; do
    [ "$node" != "$RABBITMQ_NODENAME" ] || continue
    timeout 30 rabbitmq-queues --silent --node "$node" shrink "$RABBITMQ_NODENAME" >/dev/null 2>&1 || continue
    left=$(timeout 30 rabbitmq-queues --silent --node "$node" shrink "$RABBITMQ_NODENAME" 2>/dev/null) || continue
    if printf '%s\\n' "$left" | grep -qE '[[:space:]](ok|error)'; then continue; fi
    if said=$(timeout 30 rabbitmqctl --node "$node" forget_cluster_node "$RABBITMQ_NODENAME" 2>&1); then return 0; fi
    case "$said" in *not_a_cluster_node* | *"not in the cluster"*) return 0 ;; esac
  done
  return 1
}"""
# Port 5672 (hexadecimal 1628), on which a node listens once it is in the cluster.
_LISTENS = "cat /proc/net/tcp /proc/net/tcp6 | grep -q ':1628 .* 0A '"


def configuration(nodes: Sequence[str]) -> list[str]:
    """Lines of rabbitmq.conf by which `nodes` become one cluster, and hold each quorum queue on all of them.

    A node that finds no other waits for one, for good: on its own it would be a second cluster.
    """
    members = "quorum_queue.continuous_membership_reconciliation"
    return [
        "cluster_formation.peer_discovery_backend = classic_config",
        *(f"cluster_formation.classic_config.nodes.{number} = {node}" for number, node in enumerate(nodes, start=1)),
        "cluster_formation.discovery_retry_limit = 1000000",
        "queue_leader_locator = balanced",
        f"{members}.enabled = true",
        f"{members}.interval = 30000",
        f"{members}.trigger_interval = 1000",
        f"{members}.target_group_size = {len(nodes)}",
    ]


def joining(data: str, formed: str, nodes: Sequence[str]) -> str:
    """Script that runs before a node over the volume at `data` starts.

    A node whose volume is new may still be a member in the eyes of the others. They have to forget it first, its places
    in the queues before the rest: there it would vote without the log of what it has confirmed. Once the file `formed`
    is there, somebody has data and it waits for that; before, there may be nobody to ask. What a volume holds without
    having been ready once is of a start that was cut short, unless no start of such a node has begun: then it is of a
    single node.
    """
    return f"""{_FORGOTTEN}
if [ ! -e {data}/joined ]; then
  if [ -e {data}/mnesia ] && [ ! -e {data}/joining ]; then
    echo "{_OF_ONE}" | tee /dev/termination-log
    exit 1
  fi
  touch {data}/joining
  rm -rf {data}/mnesia
  until forgotten {" ".join(nodes)}; do
    [ -e {formed} ] || break
    echo "without data it waits until another broker has forgotten it, which takes a majority of them"
    sleep 2
  done
  case "$(rabbitmqctl version)" in
  4.0.*) export RABBITMQ_FEATURE_FLAGS={",".join(_FLAGS_OF_4_0)} ;;
  4.1.*) export RABBITMQ_FEATURE_FLAGS=+khepri_db ;;
  esac
fi
"""


def startup_probe(data: str) -> Document:
    """Started once it is in the cluster; until then it may wait for the others as long as they take."""
    script = f"{_LISTENS} && touch {data}/joined"
    return {**_shell(script), "timeoutSeconds": 5, "periodSeconds": 2, "failureThreshold": _DAY // 2}


def liveness_probe(data: str, secret: str) -> Document:
    """Alive with the Secret's cookie: nodes with different ones cannot meet, so a roll would stop at the first."""
    return _shell(f'{_LISTENS} && [ "$(cat {data}/.erlang.cookie)" = "$(cat {secret}/erlang-cookie)" ]')


def before_stop() -> Document:
    """Stop once every queue keeps its majority without this node, or has not got one in time."""
    return _shell(f"rabbitmq-upgrade await_online_quorum_plus_one --timeout {_STOP_SECONDS} || true")


def _shell(script: str) -> Document:
    return {"exec": {"command": ["sh", "-c", script]}}
