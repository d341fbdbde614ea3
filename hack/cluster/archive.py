"""Image archives for containerd: the OCI image layout, with chosen names, and without the layers that the reader has.

`docker save` writes whole images under the names they have in the daemon. A node that got an image's base layers before
needs only what is new, which for a change in our own code is a thousandth.
https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster.docker import Docker

_KINDS = "application/vnd.oci.image"


@dataclass(frozen=True)
class _Archive:
    """A layout being written; each blob goes in once."""

    tar: tarfile.TarFile
    written: set[str]

    def add(self, name: str, content: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        self.tar.addfile(entry, io.BytesIO(content))

    def blob(self, content: bytes, kind: str) -> dict[str, Any]:
        """Adds a document; its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self.written:
            self.written.add(digest)
            self.add(f"blobs/sha256/{digest}", content)
        return {"mediaType": f"{_KINDS}.{kind}", "digest": f"sha256:{digest}", "size": len(content)}


def write(docker: Docker, names: Mapping[str, str], target: Path, *, known: Collection[str] = ()) -> None:
    """Writes the daemon's images (keys) under other names (values); layers whose digest is in `known` are left out."""
    saved = target.with_suffix(".saved")
    docker.run("save", "--output", saved, *names)
    with tarfile.open(saved) as source, tarfile.open(target, "w") as tar:
        archive = _Archive(tar, {digest.removeprefix("sha256:") for digest in known})
        manifests = [
            {**_image(source, archive, image), "annotations": {"io.containerd.image.name": names[tag]}}
            for image in json.loads(read(source, "manifest.json"))
            for tag in image["RepoTags"]
        ]
        archive.add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        archive.add("index.json", json.dumps({"schemaVersion": 2, "manifests": manifests}).encode())
    saved.unlink()


def _image(source: tarfile.TarFile, archive: _Archive, image: Mapping[str, Any]) -> dict[str, Any]:
    """Adds one image's blobs; its manifest's descriptor. The configuration names each layer by its tar's digest."""
    configuration = read(source, image["Config"])
    layers = []
    for path, digest in zip(image["Layers"], json.loads(configuration)["rootfs"]["diff_ids"], strict=True):
        layer = member(source, path)
        layers.append({"mediaType": f"{_KINDS}.layer.v1.tar", "digest": digest, "size": layer.size})
        if (plain := digest.removeprefix("sha256:")) not in archive.written:
            archive.written.add(plain)
            entry = tarfile.TarInfo(f"blobs/sha256/{plain}")
            entry.size = layer.size
            archive.tar.addfile(entry, source.extractfile(layer))
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_KINDS}.manifest.v1+json",
        "config": archive.blob(configuration, "config.v1+json"),
        "layers": layers,
    }
    return archive.blob(json.dumps(manifest).encode(), "manifest.v1+json")


def member(source: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    """A file in a saved image; a layer that it shares with another is a link to that one's."""
    found = source.getmember(name)
    if found.issym():
        return member(source, posixpath.normpath(posixpath.join(posixpath.dirname(name), found.linkname)))
    return found


def read(source: tarfile.TarFile, name: str) -> bytes:
    """A file's bytes."""
    file = source.extractfile(name)
    assert file, name
    return file.read()
