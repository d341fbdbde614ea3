"""runc, asked only for capabilities that this host has.

Root may lack one (CAP_SYS_RESOURCE, say); Docker's `--privileged` then asks for more than runc can give. This runtime
drops the others from what it is given before runc starts. It is used only where a capability is missing, and stands
alone: the daemon runs it by path, without the project's other modules.
"""

import json
import os
import sys
from typing import Any

# In the kernel's order (linux/capability.h).
# fmt: off
NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)
# fmt: on


def bounding_set() -> set[str]:
    """The capabilities that this process could ever have."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - starts in a few milliseconds without pathlib
        mask = next(int(line.split()[1], 16) for line in status if line.startswith("CapBnd"))
    return {f"CAP_{name}" for bit, name in enumerate(NAMES) if mask >> bit & 1}


def bound(path: str, keys: tuple[str, ...]) -> None:
    """Rewrites a runtime specification's capability sets, found under `keys`, within the bounding set."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        document: Any = json.load(file)
    parent = document
    for key in keys:
        parent = parent.get(key) or {}
    allowed = bounding_set()
    for kind, capabilities in (parent.get("capabilities") or {}).items():
        parent["capabilities"][kind] = [name for name in capabilities if name in allowed]
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(document, file)


def option(arguments: list[str], *names: str) -> str | None:
    """The value that follows one of the option's names."""
    return next((arguments[at + 1] for at, word in enumerate(arguments[:-1]) if word in names), None)


def main(arguments: list[str]) -> None:
    """Bounds what the action will start, then becomes runc."""
    action = next((word for word in arguments if word in {"create", "run", "exec"}), None)
    if action in {"create", "run"}:
        bound(os.path.join(option(arguments, "--bundle", "-b") or ".", "config.json"), ("process",))  # noqa: PTH118
    elif action == "exec" and (process := option(arguments, "--process", "-p")):
        bound(process, ())
    os.execvp("runc", ["runc", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
