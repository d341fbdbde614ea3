"""What a saved image gives away: the machine that built it, a compiler, a secret. In its configuration, and in each
file of each layer, also one that a later layer removes.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from hack.cluster.archive import member, read

COMPILERS = {"cc", "gcc", "c++", "g++", "make", "go"}
_FILES_OF_SECRETS = re.compile(
    r"(^|/)(\.netrc|_netrc|\.pypirc|\.npmrc|\.git-credentials|\.dockercfg|\.docker/config\.json|auth\.conf"
    r"|auth\.conf\.d/.+|\.ssh/.+|id_(rsa|dsa|ecdsa|ed25519)|pip\.conf|\.kube/config)$"
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}")
_PASSWORD_IN_URL = re.compile(rb"://[^\s/:@\"'<>]{1,64}:[^\s/@\"'<>]{1,128}@[A-Za-z0-9]")
_PACKAGES = ("usr/", "opt/venv/")  # what others wrote: their documentation has URLs with a password to show how
_WHEELS = "/site-packages/"  # a wheel may name the home folder of whoever built it, and bring a key to test with
_SHORTEST = 6
_OF_BUILDS = re.compile(r"(?i)^(pip_.*|goproxy|https?_proxy|all_proxy)$")


@dataclass(frozen=True)
class Machine:
    """The one that builds: texts that name it with what they are, files that are its own, secrets with where they
    stand.
    """

    paths: Mapping[bytes, str]
    files: Mapping[str, bytes] = field(default_factory=dict)
    secrets: Mapping[bytes, str] = field(default_factory=dict)


def passwords(environment: Mapping[str, str]) -> dict[bytes, str]:
    """The passwords that builds are given to reach their registries with: value → variable. Those of under six
    characters are left out: they stand in any file.
    """
    found: dict[bytes, str] = {}
    for name, value in environment.items():
        if not _OF_BUILDS.match(name):
            continue
        for password in re.findall(r"://[^\s/:@]*:([^\s/@]+)@", value):
            found |= {text.encode(): name for text in {password, unquote(password)} if len(text) >= _SHORTEST}
    return found


def traces(saved: Path, machine: Machine) -> Iterator[str]:
    """Each trace in a `docker save`, in words; a secret is not in them."""
    with tarfile.open(saved) as archive:
        images = json.loads(read(archive, "manifest.json"))
        for image in images:
            yield from _told(f"the configuration of {image['RepoTags']}", read(archive, image["Config"]), machine)
        layers = {member(archive, layer).name: image["RepoTags"] for image in images for layer in image["Layers"]}
        for layer, owners in layers.items():
            with tarfile.open(fileobj=archive.extractfile(layer)) as files:
                yield from (f"{trace} ({owners})" for trace in _traces_in(files, machine))


def _traces_in(layer: tarfile.TarFile, machine: Machine) -> Iterator[str]:
    """Each trace in one layer."""
    for entry in layer:
        path = PurePosixPath(entry.name)
        if path.parent.name in {"bin", "sbin"} and path.name in COMPILERS:
            yield f"/{path} is a compiler"
        file = layer.extractfile(entry) if entry.isfile() else None
        if not file:
            continue
        content = file.read()
        if _FILES_OF_SECRETS.search(str(path)):
            yield f"/{path} is where secrets are kept"
        if content.strip() and content.strip() == machine.files.get(str(path)):
            yield f"/{path} is this machine's"
        yield from _told(f"/{path}", content, machine)


def _told(place: str, content: bytes, machine: Machine) -> Iterator[str]:
    """What the content of a file, or of a configuration, gives away."""
    wheel = _WHEELS in place
    for text, name in machine.paths.items():
        if text in content and not (name == "the home" and wheel):
            yield f"{place} names {name}, {text.decode()}"
    for text, name in machine.secrets.items():
        if text in content:
            yield f"{place} has the password of {name}"
    if not wheel and _PRIVATE_KEY.search(content):
        yield f"{place} has a private key"
    if not place.startswith(tuple(f"/{folder}" for folder in _PACKAGES)) and _PASSWORD_IN_URL.search(content):
        yield f"{place} has a URL with a password"
