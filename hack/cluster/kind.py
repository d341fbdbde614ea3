"""The kind cluster: made where it does not answer, over whatever an earlier one left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster import places
from hack.cluster.console import step
from hack.cluster.docker import Docker
from hack.cluster.shell import run, succeeds

NAME = "hcs"
NAMESPACE = "shop"  # the sample stack's, and kubectl's default in our kubeconfig
NETWORK = "hcs-kind"
NODES = f"label=io.x-k8s.kind.cluster={NAME}"
# On the host: gateway, mail sink, payment stub, object store.
_PORTS = {30080: 8080, 30081: 8081, 30082: 8082, 30083: 8083}


@dataclass(frozen=True)
class Kind:
    """kind and kubectl over one daemon. `built` tells our own node image from the upstream one."""

    docker: Docker
    programs: Path  # the folder of kind and kubectl
    image: str
    built: bool

    @property
    def _env(self) -> dict[str, str]:
        return {**self.docker.env, "KIND_EXPERIMENTAL_PROVIDER": "docker", "KIND_EXPERIMENTAL_DOCKER_NETWORK": NETWORK}

    def _kind(self, *arguments: str | Path) -> str:
        return run(self.programs / "kind", *arguments, "--name", NAME, env=self._env)

    def answers(self) -> bool:
        """Whether the cluster is there and whole: one that kind was killed over lacks nodes or the StorageClass."""
        if not self.nodes():
            return False
        if not places.KUBECONFIG.exists():
            self._point_kubectl(lambda: self._kind("export", "kubeconfig", "--kubeconfig", places.KUBECONFIG))
        kubectl: list[str | Path] = [
            self.programs / "kubectl",
            "--kubeconfig",
            places.KUBECONFIG,
            "--request-timeout",
            "5s",
        ]
        ready = [*kubectl, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout", "20s"]
        if not succeeds(*kubectl, "get", "--raw", "/readyz") or not succeeds(*ready):
            return False
        nodes = run(*kubectl, "get", "nodes", "--output", "name").split()
        classes = run(*kubectl, "get", "storageclasses", "--output", "name").split()
        return len(nodes) == len(configuration(built=self.built)["nodes"]) and bool(classes)

    def ensure(self) -> None:
        """Makes the cluster where it does not answer."""
        if self.answers():
            return
        if self.docker.containers(NODES):
            with step("removing what is left of an earlier cluster"):
                delete(self.docker)
        with step("making a cluster of three nodes"):
            self.docker.ensure_network(NETWORK)
            places.RUN.mkdir(parents=True, exist_ok=True)
            config = places.RUN / "kind.json"  # JSON is YAML
            config.write_text(json.dumps(configuration(built=self.built), indent=1))
            create: list[str | Path] = [
                "create",
                "cluster",
                "--config",
                config,
                "--image",
                self.image,
                "--wait",
                "180s",
            ]
            self._point_kubectl(lambda: self._kind(*create, "--kubeconfig", places.KUBECONFIG))
            kubectl = (self.programs / "kubectl", "--kubeconfig", places.KUBECONFIG)
            run(*kubectl, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout", "120s")

    def _point_kubectl(self, write: Callable[[], object]) -> None:
        """Has kind write our kubeconfig, and makes the sample stack's namespace its default."""
        places.KUBECONFIG.parent.mkdir(exist_ok=True)
        write()
        places.KUBECONFIG.chmod(0o600)
        kubectl = (self.programs / "kubectl", "--kubeconfig", places.KUBECONFIG)
        run(*kubectl, "config", "set-context", "--current", "--namespace", NAMESPACE)

    def nodes(self) -> list[str]:
        """The node containers' names."""
        return self.docker.run("ps", "--filter", NODES, "--format", "{{.Names}}").split()


def delete(docker: Docker) -> None:
    """Removes the cluster's containers, network and kubeconfig; there may be less than all of them."""
    docker.remove_containers(NODES)
    docker.remove_network(NETWORK)
    places.KUBECONFIG.unlink(missing_ok=True)


def configuration(*, built: bool) -> dict[str, Any]:
    """Kind's configuration. An image of ours needs what a node without systemd, and a host without all capabilities,
    asks for.
    """
    audit = places.HACK / "cluster" / "audit-policy.yaml"
    mounts = [{"hostPath": str(audit), "containerPath": "/etc/kubernetes/audit/policy.yaml", "readOnly": True}]
    ports = [
        {"containerPort": inside, "hostPort": outside, "listenAddress": "127.0.0.1"}
        for inside, outside in _PORTS.items()
    ]
    patches = [_api_server(), {"kind": "InitConfiguration", "nodeRegistration": {"taints": []}}, _PROMPT_RESTARTS]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": NAME,
        "networking": {"podSubnet": "198.19.0.0/16", "serviceSubnet": "198.18.192.0/20"},
        "nodes": [
            {"role": "control-plane", "extraPortMappings": ports, "extraMounts": mounts},
            {"role": "worker"},
            {"role": "worker"},
        ],
        "kubeadmConfigPatches": [json.dumps(patch) for patch in patches + (_without_systemd() if built else [])],
    }


# Tests end the same containers again and again, which a kubelet answers with longer and longer waits, up to five
# minutes. No fault is to have those before it in its time.
_PROMPT_RESTARTS = {
    "kind": "KubeletConfiguration",
    "featureGates": {"KubeletCrashLoopBackOffMax": True},
    "crashLoopBackOff": {"maxContainerRestartPeriod": "10s"},
}


def _api_server() -> dict[str, Any]:
    """The audit log is how a test counts an operator's writes."""
    policy, log = "/etc/kubernetes/audit", "/var/log/kubernetes"
    return {
        "kind": "ClusterConfiguration",
        "apiServer": {
            "extraArgs": {"audit-policy-file": f"{policy}/policy.yaml", "audit-log-path": f"{log}/audit.log"},
            "extraVolumes": [
                {
                    "name": "audit-policy",
                    "hostPath": policy,
                    "mountPath": policy,
                    "readOnly": True,
                    "pathType": "Directory",
                },
                {"name": "audit-log", "hostPath": log, "mountPath": log, "pathType": "DirectoryOrCreate"},
            ],
        },
    }


def _without_systemd() -> list[dict[str, Any]]:
    kubelet = {
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "resolvConf": "/etc/kubelet-resolv.conf",
        "oomScoreAdj": 0,
    }
    return [kubelet, {"kind": "KubeProxyConfiguration", "oomScoreAdj": 0}]
