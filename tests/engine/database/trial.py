"""A stack's database without Kubernetes: real mysqld, a real agent beside each, and the operator's own look, plan and steps.

What Kubernetes does is played here and nowhere else: a container that ended is started again, pods have addresses, and the custom
resource lives in the in-memory API server.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.engine.containers import Container, until
from tests.engine.mysql_servers import NAMESPACE, Mysqld, MysqldMaker

from hcs_operator.act.database import execute
from hcs_operator.agent.accounts import ACCOUNTS
from hcs_operator.api.database import Access, DatabaseView, Instance, Role
from hcs_operator.api.observed import PodView
from hcs_operator.build.mysql_config import BY_ROLE, GROUP, LEAVE
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.kube.errors import KubeError
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import API_VERSION, STACK_KIND
from hcs_operator.mysql.client import MySQL
from hcs_operator.mysql.errors import DatabaseError
from hcs_operator.observe.database import look
from hcs_operator.tls import issue

AGENT_UID = 65532
AGENT = (sys.executable, "-m", "hcs_operator.agent")
_SETTINGS = {"super_read_only": "ON", "loose-clone_ssl_ca": "/etc/hcs/tls/ca.crt"}
_OF_ROLE: Mapping[Role, Mapping[str, str]] = {
    Role.MEMBER: {**BY_ROLE[Role.MEMBER], **{f"loose-group_replication_{name}": it for name, it in GROUP.items()}},
    Role.READER: BY_ROLE[Role.READER],
}
_COMPONENTS = {Role.MEMBER: "db", Role.READER: "replica"}


@dataclass(frozen=True)
class Wishes:
    """`observe.database.Wishes`."""

    name: str
    uid: str
    namespace: str = "engine"
    members: int = 1
    max_lag: float = 5.0
    max_staleness: float = 60.0
    drain_timeout: float = 60.0
    promote: str = ""
    allow_data_loss: str = ""
    errant: str = "Rebuild"
    paused: bool = False

    @property
    def credentials_secret(self) -> str:
        return f"{self.name}-database"


@dataclass
class Pod:
    """One mysqld container and the agent's process beside it."""

    name: str
    role: Role
    server: Mysqld
    tls: Path
    agent: subprocess.Popen[bytes] | None = None
    agent_address: str = ""
    """The pod's address as its agent was told: a pod keeps it over restarts of its containers, a container does not."""

    @property
    def container(self) -> Container:
        return self.server.container


@dataclass
class Trial:
    """One stack's database. `status` is what the operator wrote into the custom resource."""

    stack: str
    make: MysqldMaker
    folder: Path
    authority: issue.Pair
    pods: dict[str, Pod] = field(default_factory=dict)
    cluster: Cluster = field(default_factory=Cluster)
    leaving: frozenset[str] = frozenset()
    journal: Mapping[str, Any] | None = None
    port: MySQL = field(default_factory=MySQL)

    def __post_init__(self) -> None:
        for account in ACCOUNTS:
            self.set_password(account.password_file, secrets.token_urlsafe(24))
        self.create_stack()

    def create_stack(self) -> None:
        """A custom resource without status, as after its first apply."""
        self.cluster = Cluster()
        metadata = {"name": self.stack, "namespace": "engine"}
        made = self.cluster.put({"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": metadata})
        self.wishes = Wishes(self.stack, made["metadata"]["uid"])

    @property
    def status(self) -> Mapping[str, Any]:
        """`status.database` of the custom resource."""
        stack = self.cluster.objects[Ref(STACK_KIND, self.wishes.namespace, self.stack)]
        found: Mapping[str, Any] = (stack.get("status") or {}).get("database") or {}
        return found

    def set_password(self, file: str, password: str) -> None:
        """Play a changed Secret."""
        path = self.folder / file
        path.unlink(missing_ok=True)
        path.write_text(password)
        path.chmod(0o444)

    def password(self, file: str) -> str:
        return (self.folder / file).read_text()

    def start(self, ordinal: int, role: Role = Role.MEMBER, *, agent: bool = True) -> Pod:
        """A pod: mysqld, and the agent unless told otherwise."""
        component = _COMPONENTS[role]
        name = f"{self.stack}-{component}-0-{ordinal}"
        service = f"{self.stack}-{component}-0"
        tls = self.folder / f"tls-{name}"
        tls.mkdir(exist_ok=True, mode=0o755)
        self.mount_certificate(tls, self.certificate(self.names(name, service), datetime.now(UTC)))
        server_id = 1 + ordinal + (1000 if role is Role.READER else 0)
        files = {f"/etc/hcs/tls/{file}": (tls / file).read_text() for file in ("tls.crt", "tls.key", "ca.crt")}
        server = self.make(
            name, service=service, server_id=server_id, settings={**_SETTINGS, **_OF_ROLE[role]}, files=files
        )
        pod = Pod(name, role, server, tls)
        self.pods[name] = pod
        if agent:
            self.start_agent(pod)
        return pod

    def names(self, name: str, service: str) -> list[str]:
        return [f"{name}.{service}.{NAMESPACE}", f"{service}.{NAMESPACE}"]

    def certificate(self, names: list[str], now: datetime) -> issue.Pair:
        """One for a pod, issued at that time."""
        return issue.server(self.stack, names, issue.new_key(), self.authority, now)

    def mount_certificate(self, tls: Path, pair: issue.Pair) -> None:
        """Put a certificate into the folder that the pod's agent has mounted."""
        for file, text in {
            "tls.crt": pair.certificate,
            "tls.key": pair.key,
            "ca.crt": self.authority.certificate,
        }.items():
            (tls / file).unlink(missing_ok=True)
            (tls / file).write_text(text)

    def revive(self, *pods: Pod) -> None:
        """Play the kubelet: start containers again that have ended, of these pods or of all."""
        ended = [pod for pod in pods or self.pods.values() if not pod.container.state["Running"]]
        for pod in ended:
            pod.container.start()
        for pod in ended:
            if pod.agent and pod.container.address != pod.agent_address:
                self.stop_agent(pod)
                self.start_agent(pod)

    def lose_volume(self, pod: Pod) -> None:
        """Kill a server whose data are gone. They are moved aside in one step: a server makes a temporary file anew each
        time a session ends, and a folder that is emptied under it may keep one, which no server starts on.
        """
        moved = pod.container.run("mv", "/var/lib/mysql/data", f"/var/lib/mysql/lost-{secrets.token_hex(3)}")
        assert moved.code == 0, moved.text
        pod.container.kill()

    def delete(self, pod: Pod) -> None:
        """Play a pod's deletion: its hook, then SIGTERM; the volume stays."""
        if pod.role is Role.MEMBER:
            pod.container.run("sh", "-c", LEAVE)
        self.stop_agent(pod)
        pod.container.stop()
        pod.container.remove()
        del self.pods[pod.name]

    def start_agent(self, pod: Pod) -> None:
        """Run the agent as its container would: own process, own user, settings by environment."""
        (pod.server.socket.parent / "stopping").unlink(missing_ok=True)
        pod.agent_address = pod.container.address
        with (self.folder / f"{pod.name}.log").open("ab") as log:
            pod.agent = subprocess.Popen(
                AGENT, env=self._environment(pod), user=AGENT_UID, group=AGENT_UID, stdout=log, stderr=log
            )

    def agent_log(self, pod: Pod) -> str:
        """What the pod's agents have logged."""
        log = self.folder / f"{pod.name}.log"
        return log.read_text() if log.exists() else ""

    def _environment(self, pod: Pod) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[3] / "operator"),
            "HCS_ROLE": pod.role.value,
            "HCS_STACK": self.stack,
            "POD_NAME": pod.name,
            "POD_IP": pod.agent_address,
            "POD_FQDN": pod.server.host,
            "HCS_MYSQL_SOCKET": str(pod.server.socket),
            "HCS_DATABASE_CREDENTIALS": str(self.folder),
            "HCS_TLS": str(pod.tls),
            "HCS_AGENT_PORT": "0",
        }

    def stop_agent(self, pod: Pod) -> None:
        if pod.agent:
            pod.agent.kill()
            pod.agent.wait()
            pod.agent = None

    def instance(self, pod: Pod, user: str = "hcs_admin", password: str = "") -> Instance:
        """How to reach a pod as one of its accounts."""
        file = next(it.password_file for it in ACCOUNTS if it.user == user)
        access = Access(user, password or self.password(file), self.authority.certificate)
        return Instance(pod.name, pod.role, pod.server.host, pod.container.address, access)

    def look(self) -> DatabaseView:
        """What the operator sees now."""
        secrets_ = {
            f"{self.stack}-ca": {"ca.crt": self.authority.certificate},
            self.wishes.credentials_secret: {it.password_file: self.password(it.password_file) for it in ACCOUNTS},
        }
        views = [_view(pod) for pod in self.pods.values()]
        exports = [document for ref, document in self.cluster.objects.items() if ref.kind == "ConfigMap"]
        return asyncio.run(look(self.port, self.wishes, views, secrets=secrets_, live={}, exports=exports))

    def plan(self) -> DatabasePlan:
        """What the operator would do now."""
        return plan(self.look(), previous=self.status, journal=self.journal, now=time.time(), leaving=self.leaving)

    def turn(self) -> DatabasePlan:
        """One whole look of the operator: plan, steps, status."""
        planned = self.plan()
        asyncio.run(self._execute(planned))
        self.journal = planned.journal
        metadata = {"name": self.stack, "namespace": self.wishes.namespace}
        status = {"database": dict(planned.status)}
        document = {"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": metadata, "status": status}
        asyncio.run(self.cluster.apply(document, manager="hcs-operator-status", subresource="status"))
        return planned

    async def _execute(self, planned: DatabasePlan) -> None:
        for step in planned.steps:
            try:
                await execute(step, self.port, self.cluster)
            except (DatabaseError, KubeError) as error:
                print(f"{type(step).__name__}: {error}")
                return

    def converge(self, what: str, good: Callable[[DatabasePlan], object], seconds: float = 90) -> DatabasePlan:
        """Let operator and kubelet work until the plan is as wanted; returns that plan."""
        last: list[DatabasePlan] = []

        def turn() -> bool:
            self.revive()
            last[:] = [self.turn()]
            return bool(good(last[0]))

        try:
            until(what, turn, seconds, every=0.5)
        except AssertionError as late:
            logs = [log for pod in self.pods.values() for log in (pod.container.logs(20), self.agent_log(pod))]
            raise AssertionError("\n".join([str(late), str(last), str(self.look()), *logs])) from late
        return last[0]

    def close(self) -> None:
        for pod in self.pods.values():
            self.stop_agent(pod)
            pod.container.remove()
        self.port.close()


def _view(pod: Pod) -> PodView:
    running = pod.container.state["Running"]
    return PodView(
        name=pod.name,
        uid=pod.container.id,
        component=_COMPONENTS[pod.role],
        ip=pod.container.address if running else "",
        node="node-1",
        ready=running,
        deleting=False,
        created_at=0.0,
        ready_at=0.0,
        image="",
        labels={},
        annotations={},
        problem=None,
    )
