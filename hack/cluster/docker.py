"""A Docker daemon as `make` uses it: the classic builder, which every daemon has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import host
from hack.cluster.shell import CommandFailed, run, succeeds

_BEING_REMOVED = "is already in progress"
_REMOVAL_SECONDS = 60


@dataclass(frozen=True)
class Docker:
    """One daemon. `host` is its DOCKER_HOST; None is the one that the user's environment names."""

    host: str | None = None

    @property
    def env(self) -> dict[str, str]:
        """What a child process needs in its environment to talk to this daemon."""
        named = {"DOCKER_HOST": self.host, "DOCKER_CONTEXT": "default"} if self.host else {}
        return {**named, "DOCKER_BUILDKIT": "0"}

    def run(self, *arguments: str | Path, timeout: float | None = None, stdin: str | None = None) -> str:
        """What `docker …` printed."""
        return run("docker", *arguments, env=self.env, timeout=timeout, stdin=stdin)

    def answers(self) -> bool:
        """Whether the daemon is there."""
        return succeeds("docker", "version", "--format", "{{.Server.Version}}", env=self.env, timeout=20)

    def has_image(self, tag: str) -> bool:
        """Whether an image of that name is in the daemon."""
        return succeeds("docker", "image", "inspect", "--format", "{{.Id}}", tag, env=self.env)

    def pulls(self, tag: str) -> bool:
        """Whether the image is here or can be fetched from its registry."""
        return self.has_image(tag) or succeeds("docker", "pull", "--quiet", tag, env=self.env, timeout=600)

    def build(
        self,
        tag: str,
        context: Path,
        *,
        target: str | None = None,
        file: Path | None = None,
        arguments: Mapping[str, str],
    ) -> None:
        """Builds an image. Builds use the host's network: that is where package mirrors are reached from."""
        words: list[str | Path] = ["build", "--quiet", "--network", "host", "--tag", tag]
        for name, value in arguments.items():
            words += ["--build-arg", f"{name}={value}"]
        if target:
            words += ["--target", target]
        if file:
            words += ["--file", file]
        self.run(*words, context)
        self._forget_older(tag.partition(":")[0])

    def _forget_older(self, name: str) -> None:
        """Keeps the three newest builds of an image; one that a container uses stays in any case."""
        newest_first = self.run("images", "--format", "{{.Repository}}:{{.Tag}}", name).split()
        for tag in newest_first[3:]:
            succeeds("docker", "rmi", tag, env=self.env)

    def containers(self, *filters: str) -> list[str]:
        """Ids of all containers, stopped ones too, that the filters pick (as in `docker ps --filter`)."""
        words = [word for rule in filters for word in ("--filter", rule)]
        return self.run("ps", "--all", "--quiet", "--no-trunc", *words).split()

    def remove_containers(self, *filters: str) -> None:
        """Removes containers with their anonymous volumes; whoever is removing one already is waited for."""
        found = self.containers(*filters)
        if not found:
            return
        try:
            self.run("rm", "--force", "--volumes", *found)
        except CommandFailed as error:
            if _BEING_REMOVED not in str(error):
                raise
            if not host.holds(lambda: not set(found) & set(self.containers()), _REMOVAL_SECONDS):
                raise CommandFailed(f"still there after {_REMOVAL_SECONDS} s: containers {', '.join(found)}") from error

    def ensure_network(self, name: str) -> None:
        """Makes a bridge network where it is not there yet."""
        if not succeeds("docker", "network", "inspect", name, env=self.env):
            self.run("network", "create", "--label", "hcs=1", name)

    def remove_network(self, name: str) -> None:
        """Removes a network where it is there."""
        if succeeds("docker", "network", "inspect", name, env=self.env):
            self.run("network", "rm", name)


__all__ = ["CommandFailed", "Docker"]
