"""Containers of the tests' own, through the Docker Engine API on its Unix socket: start, stop, kill, pause, run a command inside.

The tests run inside a container on the same network, so a container is reached by its name. Its files are put in before it starts;
folders that the tests must see too (the MySQL socket) come from `Engines.shared`.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.slack import SLACK

SOCKET = "/var/run/docker.sock"


class DaemonError(AssertionError):
    """The daemon refused a call; carries its own words."""


class Late(AssertionError):
    """Something did not become true in its time."""


def until(what: str, probe: Callable[[], object], seconds: float, *, every: float = 0.2) -> None:
    """Waits until the probe answers something true; raises Late after `seconds` × SLACK, with the last error it raised, if
    any.
    """
    deadline = time.monotonic() + seconds * SLACK
    error: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if probe():
                return
        except Exception as raised:  # noqa: BLE001 - any error means "not yet"; the last one is told
            error = raised
        time.sleep(every)
    raise Late(f"{what}: not within {seconds:.0f} s × {SLACK:.0f} ({error!r})") from error


class _Connection(http.client.HTTPConnection):
    def __init__(self, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def call(method: str, path: str, body: object = None, /, *, timeout: float = 60, **query: str) -> Any:
    """One call of the Engine API: its JSON answer, or its bytes where it is not JSON. Raises DaemonError."""
    connection = _Connection(timeout)
    raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
    try:
        connection.request(method, f"{path}?{urlencode(query)}", raw, {"Content-Type": kind})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status >= 400:
        raise DaemonError(f"{method} {path}: {answer.status} {content.decode(errors='replace').strip()}")
    return json.loads(content) if "json" in (answer.getheader("Content-Type") or "") and content else content


@dataclass(frozen=True)
class Outcome:
    """How a command inside a container ended, and what it printed (stdout and stderr together)."""

    code: int
    text: str


@dataclass(frozen=True)
class Container:
    """One container, running or not. `name` is also its host name on the tests' network."""

    id: str
    name: str

    def start(self) -> None:
        """Starts it (again)."""
        call("POST", f"/containers/{self.id}/start")

    def stop(self, grace_seconds: int = 30) -> None:
        """SIGTERM, then SIGKILL after the grace; returns once it is down."""
        call("POST", f"/containers/{self.id}/stop", t=str(grace_seconds), timeout=grace_seconds + 30)

    def kill(self, signal: str = "KILL") -> None:
        """Sends its main process a signal; for KILL, returns once it is down."""
        call("POST", f"/containers/{self.id}/kill", signal=f"SIG{signal}")
        if signal == "KILL":
            call("POST", f"/containers/{self.id}/wait")

    def pause(self) -> None:
        """Freezes every process in it. One that waits for the disk cannot be frozen meanwhile, and the daemon gives up on
        it after a moment.
        """
        until("it is frozen", lambda: call("POST", f"/containers/{self.id}/pause") or True, 30)

    def unpause(self) -> None:
        """Thaws it."""
        call("POST", f"/containers/{self.id}/unpause")

    def cut_off(self, network: str) -> None:
        """Takes it off a network, as a partition would."""
        call("POST", f"/networks/{network}/disconnect", {"Container": self.id, "Force": True})

    def put_back(self, network: str, aliases: Sequence[str]) -> None:
        """Puts it on a network again, under these names."""
        body = {"Container": self.id, "EndpointConfig": {"Aliases": [self.name, *aliases]}}
        call("POST", f"/networks/{network}/connect", body)

    @property
    def state(self) -> dict[str, Any]:
        """Docker's word on it: Status, Running, ExitCode, …"""
        found: dict[str, Any] = call("GET", f"/containers/{self.id}/json")["State"]
        return found

    @property
    def address(self) -> str:
        """Its IP address on the tests' network; empty while it is down."""
        networks = call("GET", f"/containers/{self.id}/json")["NetworkSettings"]["Networks"]
        return str(next(iter(networks.values()))["IPAddress"])

    def logs(self, lines: int = 200) -> str:
        """The end of what it printed."""
        return _unframed(call("GET", f"/containers/{self.id}/logs", stdout="1", stderr="1", tail=str(lines)))

    def run(self, *command: str, user: str = "") -> Outcome:
        """Runs a command inside it and waits for its end."""
        body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, "User": user}
        execution = call("POST", f"/containers/{self.id}/exec", body)["Id"]
        text = _unframed(call("POST", f"/exec/{execution}/start", {"Detach": False}, timeout=300))
        return Outcome(call("GET", f"/exec/{execution}/json")["ExitCode"], text)

    def put(self, files: Mapping[str, str | bytes], *, owner: int = 0, mode: int = 0o444) -> None:
        """Writes files (absolute path → content), also into a container that is not started yet."""
        call("PUT", f"/containers/{self.id}/archive", _tar(files, owner, mode), path="/")

    def remove(self) -> None:
        """Removes it with its anonymous volumes."""
        call("DELETE", f"/containers/{self.id}", force="1", v="1")


@dataclass
class Engines:
    """Makes containers on one network and removes them at the end.

    `shared` is a folder of this process that containers can mount parts of (`Engines.share`); `shared_outside` is the same folder as
    the daemon's host knows it.
    """

    network: str
    run: str
    shared: Path
    shared_outside: Path
    made: list[Container] = field(default_factory=list)

    def share(self, name: str, *, owner: int = 999) -> Path:
        """A new folder that this process and containers see, owned by the engines' uid. Mount it with `mounts={name: "/inside"}`."""
        folder = self.shared / name
        folder.mkdir(parents=True)
        os.chown(folder, owner, owner)
        return folder

    def create(
        self,
        image: str,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        files: Mapping[str, str | bytes] | None = None,
        owner: int = 999,
        mode: int = 0o440,
        mounts: Mapping[str, str] | None = None,
        volumes: Mapping[str, str] | None = None,
        aliases: Sequence[str] = (),
        memory_mib: int = 0,
    ) -> Container:
        """A container that is not started yet.

        `files`: absolute path → content, owned by `owner`. `mounts`: shared folder's name → path inside. `volumes`: named volume →
        path inside (it outlives the container until the run ends). `aliases`: more names on the network; several containers may
        have the same one, as pods behind a headless Service. `owner`: the uid and gid that it runs as, too.
        """
        binds = [f"{self.shared_outside / folder}:{inside}" for folder, inside in (mounts or {}).items()]
        binds += [f"{self.run}-{volume}:{inside}" for volume, inside in (volumes or {}).items()]
        body = {
            "Image": image,
            "Entrypoint": list(command),
            "Cmd": [],
            "User": f"{owner}:{owner}",
            "Hostname": name.split(".", maxsplit=1)[0],
            "Env": [f"{key}={value}" for key, value in (env or {}).items()],
            "Labels": {"hcs-test-run": self.run},
            "HostConfig": {"Binds": binds, "NetworkMode": self.network, "Memory": memory_mib << 20},
            "NetworkingConfig": {"EndpointsConfig": {self.network: {"Aliases": [name, *aliases]}}},
        }
        container = Container(call("POST", "/containers/create", body, name=f"{self.run}-{name}")["Id"], name)
        self.made.append(container)
        if files:
            container.put(files, owner=owner, mode=mode)
        return container

    def start(self, image: str, name: str, command: Sequence[str], **options: Any) -> Container:
        """A started container; the options are those of `create`."""
        container = self.create(image, name, command, **options)
        container.start()
        return container

    def remove_all(self) -> None:
        """Removes every container that was made here."""
        for container in self.made:
            try:
                container.remove()
            except DaemonError as error:
                if "No such container" not in str(error):
                    raise


def _unframed(stream: bytes) -> str:
    """Docker frames output without a terminal: 1 byte stream, 3 zero, 4 length, payload."""
    text = bytearray()
    at = 0
    while at + 8 <= len(stream):
        length = int.from_bytes(stream[at + 4 : at + 8], "big")
        text += stream[at + 8 : at + 8 + length]
        at += 8 + length
    return text.decode(errors="replace")


def _tar(files: Mapping[str, str | bytes], owner: int, mode: int) -> bytes:
    """The files, and the folders that lead to them where Docker would make root's."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, content in files.items():
            raw = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode, entry.uid, entry.gid, entry.mtime = len(raw), mode, owner, owner, int(time.time())
            tar.addfile(entry, io.BytesIO(raw))
    return archive.getvalue()
