"""kube-apiserver, etcd and kube-controller-manager on loopback: real schemas, CEL, ownership, audit, and pods that nobody runs."""

import asyncio
import os
import secrets
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.ports import free_port
from tests.slack import SLACK

START_LIMIT = 90.0
CONTROLLERS = (
    "deployment-controller",
    "disruption-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "statefulset-controller",
)
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "None"},
    ],
}


def binary(name: str) -> str:
    """Find a built binary where the cluster tooling puts them; a missing one is a plain failure, never a skip."""
    cache = Path(os.environ.get("HCS_CACHE") or Path.home() / ".cache" / "hcs") / "bin"
    folders = [os.environ.get("HCS_TEST_PATH", ""), *map(str, sorted(cache.glob("kubernetes-*"))), os.environ["PATH"]]
    found = shutil.which(name, path=os.pathsep.join(folders))
    assert found, (
        f"{name} is neither in HCS_TEST_PATH nor under {cache} nor on PATH: `make test ARGS=apiserver` builds it"
    )
    return found


@dataclass
class ControlPlane:
    """A running API server. `kubeconfig(user)` signs in as an administrator by that name, so audit can tell users apart."""

    folder: Path
    port: int = field(default_factory=free_port)
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    token: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        client, peer = free_port(), free_port()
        etcd = [
            binary("etcd"),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
            "--log-level=error",
        ]
        self._spawn("etcd", etcd)
        self._spawn("kube-apiserver", self._apiserver(client))
        self._await_ready()

    def start_controllers(self) -> None:
        """Once the definitions are served: the garbage collector finds one that comes later after half a minute."""
        self._spawn("kube-controller-manager", self._controllers())

    def stop(self) -> None:
        """End all at once: their data is thrown away, and a graceful API server takes 20 s for its open watches."""
        for process in reversed(self.processes):
            process.kill()
            process.wait(10)

    def kubeconfig(self, user: str) -> Path:
        """A user's; written once, as another operator may be reading it."""
        path = self.folder / f"{user}.kubeconfig"
        if path.exists():
            return path
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": f"https://127.0.0.1:{self.port}",
                        "certificate-authority": str(self.folder / "certs" / "apiserver.crt"),
                    },
                }
            ],
            "users": [{"name": user, "user": {"token": f"{user}-{self.token}"}}],
        }
        path.write_text(yaml.safe_dump(content))
        return path

    def _apiserver(self, etcd_port: int) -> list[str]:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        (self.folder / "sa.key").write_bytes(pem)
        (self.folder / "audit.yaml").write_text(yaml.safe_dump(AUDIT_POLICY))
        users = ("player", "operator", "second", "controllers")
        lines = [f"{user}-{self.token},{user},{user},system:masters" for user in users]
        (self.folder / "tokens.csv").write_text("\n".join(lines) + "\n")
        return [
            binary("kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--cert-dir={self.folder / 'certs'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={self.folder / 'sa.key'}",
            f"--service-account-signing-key-file={self.folder / 'sa.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
            f"--audit-policy-file={self.folder / 'audit.yaml'}",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-mode=blocking",
            "--watch-cache=true",
            "--v=0",
        ]

    def _controllers(self) -> list[str]:
        return [
            binary("kube-controller-manager"),
            f"--kubeconfig={self.kubeconfig('controllers')}",
            f"--service-account-private-key-file={self.folder / 'sa.key'}",
            f"--controllers={','.join(CONTROLLERS)}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--v=0",
        ]

    def _spawn(self, name: str, command: list[str]) -> None:
        output = (self.folder / f"{name}.log").open("wb")
        # their heaps are small and soon full again: with Go's default of 100 they collect much of the time
        environment = {**os.environ, "GOGC": "400"}
        self.processes.append(subprocess.Popen(command, stdout=output, stderr=output, env=environment))

    def _await_ready(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}/readyz", headers={"Authorization": f"Bearer player-{self.token}"}
        )
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            dead = [process for process in self.processes if process.poll() is not None]
            assert not dead, f"the control plane died; see the logs in {self.folder}"
            try:
                with urllib.request.urlopen(request, context=context, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise AssertionError(f"the API server was not ready in {START_LIMIT} s; see the logs in {self.folder}")


class Late(AssertionError):
    """Something did not become true in its time."""


async def until(condition: Callable[[], Awaitable[object]], seconds: float, what: str) -> None:
    """Poll until something true is returned; raise Late in words once `seconds` × SLACK have passed."""
    deadline = time.monotonic() + seconds * SLACK
    while not await condition():
        if time.monotonic() > deadline:
            raise Late(f"not within {seconds:g} s × {SLACK:g}: {what}")
        await asyncio.sleep(0.4)
