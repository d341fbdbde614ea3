"""What a saved image gives away is found wherever it stands, and a secret is not repeated."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from tests.cluster.layers import Machine, passwords, traces

pytestmark = pytest.mark.unit

MACHINE = Machine(
    paths={b"/srv/build/cache/": "the cache", b"/home/ann/": "the home"},
    files={"etc/hostname": b"forge"},
    secrets={b"hunter2": "PIP_INDEX_URL"},
)
KEY = b"-----BEGIN PRIVATE KEY-----\nMIIEvgIBADANBgkqhkiG9w0BAQEF\n"
WHEEL = "opt/venv/lib/python3.13/site-packages"


def tar(files: dict[str, bytes]) -> bytes:
    """An archive of these files."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def saved(folder: Path, layer: dict[str, bytes], configuration: str = "{}") -> Path:
    """A `docker save` of an image with one layer of its own over an innocent one."""
    manifest = [{"RepoTags": ["hcs/x:1"], "Config": "config", "Layers": ["base", "own"]}]
    file = folder / "saved.tar"
    file.write_bytes(
        tar(
            {
                "manifest.json": json.dumps(manifest).encode(),
                "config": configuration.encode(),
                "base": tar({"bin/sh": b"#!"}),
                "own": tar(layer),
            }
        )
    )
    return file


@pytest.mark.parametrize(
    ("name", "content", "trace"),
    [
        ("opt/hcs/x.pyc", b"..//srv/build/cache/tmp/x.py", "names the cache, /srv/build/cache/"),
        (f"{WHEEL}/x.so", b"/srv/build/cache/", "names the cache, /srv/build/cache/"),
        ("./etc/hostname", b"forge\n", "is this machine's"),
        ("usr/local/bin/gcc", b"", "is a compiler"),
        ("root/.netrc", b"", "is where secrets are kept"),
        ("etc/pip.conf", b"[global]", "is where secrets are kept"),
        ("etc/apt/auth.conf.d/mirror.conf", b"machine", "is where secrets are kept"),
        ("root/.ssh/known_hosts", b"", "is where secrets are kept"),
        ("usr/lib/x", b"--index-url=ann:hunter2@pypi", "has the password of PIP_INDEX_URL"),
        ("usr/lib/x.pem", KEY, "has a private key"),
        ("etc/apt/sources.list", b"deb https://ann:other@mirror.example x", "has a URL with a password"),
        ("opt/hcs/settings.py", b'"https://ann:other@mirror.example"', "has a URL with a password"),
    ],
)
def test_a_trace_in_a_layer_is_told(name: str, content: bytes, trace: str, tmp_path: Path) -> None:
    [told] = traces(saved(tmp_path, {name: content}), MACHINE)
    assert told == f"/{name.removeprefix('./')} {trace} (['hcs/x:1'])"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (f"{WHEEL}/x.so", b"/home/ann/src/x.c"),
        (f"{WHEEL}/tests/server.key", KEY),
        ("usr/share/perl/HTTP/Tiny.pm", b"http://john:password@example.com"),
        ("usr/lib/python3.13/netrc.py", b"class netrc"),
        ("usr/lib/x", b"-----BEGIN PRIVATE KEY-----"),
        ("usr/share/gcc/x", b""),
        ("etc/hostname", b"another"),
        ("etc/hostname", b""),
    ],
)
def test_what_tells_of_nobody_is_no_trace(name: str, content: bytes, tmp_path: Path) -> None:
    assert list(traces(saved(tmp_path, {name: content}), MACHINE)) == []


@pytest.mark.parametrize(
    ("configuration", "trace"),
    [
        ('{"Env": ["HTTPS_PROXY=http://ann:other@proxy"]}', "has a URL with a password"),
        ('{"history": [{"created_by": "|1 TOKEN=hunter2"}]}', "has the password of PIP_INDEX_URL"),
        ('{"Env": ["HOME=/srv/build/cache/x"]}', "names the cache, /srv/build/cache/"),
    ],
)
def test_a_trace_in_a_configuration_is_told(configuration: str, trace: str, tmp_path: Path) -> None:
    assert list(traces(saved(tmp_path, {}, configuration), MACHINE)) == [f"the configuration of ['hcs/x:1'] {trace}"]


def test_the_passwords_of_builds_are_those_in_their_urls_also_when_decoded() -> None:
    environment = {
        "PIP_INDEX_URL": "https://ann:a%40long@pypi.example/simple",
        "GOPROXY": "https://:secrettoken@go.example,direct",
        "https_proxy": "http://proxy.example:3128",
        "PIP_NO_CACHE_DIR": "1",
        "HTTP_PROXY": "http://x:x@proxy.example",
        "DATABASE": "mysql://x:elsewhere@db",
    }
    assert passwords(environment) == {
        b"a%40long": "PIP_INDEX_URL",
        b"a@long": "PIP_INDEX_URL",
        b"secrettoken": "GOPROXY",
    }
