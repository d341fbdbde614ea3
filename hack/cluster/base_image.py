"""The Debian base image, made by debootstrap where there is no registry to pull one from."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from hack.cluster import content, host, places
from hack.cluster.console import step
from hack.cluster.docker import CommandFailed, Docker
from hack.cluster.shell import run

SUITE = "trixie"
_AUTHORITIES = Path("/usr/local/share/ca-certificates")
_LEFT_OUT = (  # bulk, and what tells of the machine that built the image
    "etc/hostname",
    "etc/resolv.conf",
    "var/log/*",
    "var/lib/apt/lists/*",
    "var/cache/apt/*",
    *(f"usr/share/{name}/*" for name in ("doc", "man", "locale", "info")),
)


def ensure(docker: Docker) -> str:
    """The image's tag; builds it where it is not there."""
    tag = f"hcs/debian:{SUITE}-{content.digest(_authorities(), 'minbase', *_LEFT_OUT)}"
    if not docker.has_image(tag):
        host.ensure_packages({"debootstrap": "debootstrap"})
        with step(f"building {tag} (a minute or two)"), tempfile.TemporaryDirectory(dir=places.SCRATCH) as folder:
            root = Path(folder) / "root"
            run("debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, root)
            _trust_what_the_host_trusts(root)
            _import(docker, root, tag)
    return tag


def _authorities() -> list[Path]:
    return [_AUTHORITIES] if list(_AUTHORITIES.glob("*.crt")) else []


def _trust_what_the_host_trusts(root: Path) -> None:
    """A build inside the image needs the authorities that an administrator added here (a proxy's own, say)."""
    for certificate in _AUTHORITIES.glob("*.crt"):
        (root / _AUTHORITIES.relative_to("/") / certificate.name).write_bytes(certificate.read_bytes())
    run("chroot", root, "update-ca-certificates")


def _import(docker: Docker, root: Path, tag: str) -> None:
    left_out = [f"--exclude=./{pattern}" for pattern in _LEFT_OUT]
    command = f'tar -C "$1" {" ".join(left_out)} -c . | docker import --change \'CMD ["bash"]\' - "$2"'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command, "import", str(root), tag],
        env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **docker.env},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(f"docker import: {done.stderr.strip()}")
