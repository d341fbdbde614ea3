"""Brokers as `build` describes them: command, environment, configuration, Secret, probes, what runs before a stop."""

from __future__ import annotations

import secrets as random
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.engine.brokers import management
from tests.engine.containers import Container, Engines, Outcome, until
from tests.engine.mysql_servers import NAMESPACE

from hcs_operator.api.spec import Stack, StackSpec
from hcs_operator.build import Context, desired
from hcs_operator.build.credentials import secrets
from hcs_services.queue import Broker
from hcs_services.queue.topology import CLASS_QUEUES

LOOK = 0.5
"""Seconds between two looks at brokers, which the same two cores start meanwhile."""
IMAGES = dict.fromkeys(("services", "mysql", "redis", "rabbitmq", "agent"), "unused")


@dataclass
class ThreeBrokers:
    """The brokers of the stack `name`, by ordinal; their volumes outlive their containers."""

    engines: Engines
    image: str
    name: str = "three"
    containers: dict[int, Container] = field(default_factory=dict)
    secret: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        stack = self._stack()
        self.secret = secrets(stack)[stack.names.queue_secret](random.token_bytes)
        self.service = f"{self.name}-queue.{NAMESPACE}"

    @property
    def broker(self) -> Broker:
        """As the services see them."""
        return Broker(f"amqp://{self.service}:5672/", lambda: self.secret["password"])

    def make(self, ordinal: int, volume: str, *, formed: bool = False) -> Container:
        """A broker that is not started yet, over a volume of this name; `formed` where the operator has seen a cluster."""
        pod = f"{self.name}-queue-{ordinal}"
        settings, container = self._built(formed=formed)
        variables = {"POD_NAME": pod, "POD_IP": ""}
        for entry in container["env"]:
            if "value" in entry:
                variables[entry["name"]] = entry["value"].replace("$(POD_NAME)", pod)
        files = {f"/etc/hcs/rabbitmq/{name}": text for name, text in settings.items()}
        files |= {f"/etc/hcs/queue/{name}": text for name, text in self.secret.items()}
        self.containers[ordinal] = self.engines.create(
            self.image,
            f"{pod}-{volume}",
            container["command"],
            env=variables,
            files=files,
            volumes={f"{self.name}-{volume}": "/var/lib/rabbitmq"},
            aliases=self.aliases(ordinal),
        )
        return self.containers[ordinal]

    def aliases(self, ordinal: int) -> list[str]:
        """The names that a broker has on the network."""
        return [f"{self.name}-queue-{ordinal}.{self.service}", self.service]

    def probe(self, ordinal: int, name: str) -> Outcome:
        """What the kubelet would run."""
        return self._run(ordinal, self._built()[1][name])

    def before_stop(self, ordinal: int) -> Outcome:
        """What the kubelet would run before it stops a broker; returns once it has ended."""
        return self._run(ordinal, self._built()[1]["lifecycle"]["preStop"])

    def until_up(self, ordinals: Iterable[int] = range(3), seconds: float = 120) -> None:
        """Waits until these are started in the kubelet's eyes, and know of each other as running."""
        wanted = list(ordinals)
        for ordinal in wanted:
            until(f"broker {ordinal} is up", partial(self._started, ordinal), seconds, every=LOOK)
        one = f"brokers {wanted} are one cluster"
        until(one, lambda: self._running(wanted[0]) >= set(wanted), seconds, every=LOOK)

    def management(self, ordinal: int, path: str) -> Any:
        """A GET of the management API."""
        return management(self.containers[ordinal].address, self.secret["password"], path)

    def queues(self, asked: int) -> dict[str, Mapping[str, Any]]:
        """The class queues as a broker tells of them: leader, members, online."""
        found = self.management(asked, "/api/queues/%2F")
        return {queue["name"]: queue for queue in found if queue["name"] in CLASS_QUEUES}

    def leader(self, queue: str, asked: int = 0) -> int:
        """The ordinal of a queue's leader."""
        return _ordinal(self.queues(asked)[queue]["leader"])

    def until_serving(self, name: str) -> int:
        """Waits until it is known which broker a client of this name is connected to; answers its ordinal."""
        nodes: list[str] = []

        def known() -> bool:
            nodes[:] = [
                connection["node"]
                for connection in self.management(0, "/api/connections")
                if connection.get("client_properties", {}).get("connection_name") == name
            ]
            return len(nodes) == 1

        until(f"it is known where {name} is", known, 60, every=LOOK)
        return _ordinal(nodes[0])

    def held_by(self, asked: int) -> int:
        """How many brokers that are up hold the class queue that the fewest hold."""
        found = self.queues(asked)
        assert found.keys() == set(CLASS_QUEUES)
        return min(len(queue["online"]) for queue in found.values())

    def until_held(self, asked: int, nodes: int = 3, seconds: float = 120) -> None:
        """Waits until each class queue is held by so many brokers that are up."""
        until(f"each queue is held by {nodes}", lambda: self.held_by(asked) == nodes, seconds, every=LOOK)

    def _stack(self) -> Stack:
        spec = {"queue": {"replicas": 3, "resources": {"limits": {"memory": "512Mi"}}}}
        return Stack(self.name, NAMESPACE.partition(".")[0], "uid-1", 1, StackSpec.model_validate(spec))

    def _built(self, *, formed: bool = False) -> tuple[Mapping[str, str], Mapping[str, Any]]:
        context = Context(images=IMAGES, replicas={"replica": 1}, queue_formed=formed)
        found = (item.document for item in desired(self._stack(), context))
        documents = {(it["kind"], it["metadata"]["name"]): it for it in found}
        pod = documents["StatefulSet", f"{self.name}-queue"]["spec"]["template"]["spec"]
        return documents["ConfigMap", f"{self.name}-queue"]["data"], pod["containers"][0]

    def _run(self, ordinal: int, handler: Mapping[str, Any]) -> Outcome:
        return self.containers[ordinal].run(*handler["exec"]["command"])

    def _started(self, ordinal: int) -> bool:
        container = self.containers[ordinal]
        if container.state["Status"] == "exited":
            print(f"  broker {ordinal} has ended and is started again, as the kubelet would: {container.logs(12)}")
            container.start()
        # the probe's own question, asked cheaply first: each command in a container costs a tenth of a second of CPU
        socket.create_connection((container.address, 5672), timeout=2).close()
        return self.probe(ordinal, "startupProbe").code == 0

    def _running(self, asked: int) -> set[int]:
        return {_ordinal(node["name"]) for node in self.management(asked, "/api/nodes") if node["running"]}


def _ordinal(node: str) -> int:
    return int(node.partition(".")[0].rpartition("-")[2])
