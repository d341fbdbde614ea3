"""What `make up` says at its end, also where the first order fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack.cluster import __main__ as cluster
from hack.cluster import choice, first_order, install
from hack.cluster.console import Refusal
from hack.cluster.install import Cluster

pytestmark = pytest.mark.unit


def test_the_addresses_are_said_before_the_order_that_may_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: str) -> None:
        raise Refusal("503 instead of 201")

    monkeypatch.setattr(choice, "external", lambda: None)
    monkeypatch.setattr(cluster, "prepare", lambda: (Cluster(Path("/programs"), Path("/kubeconfig")), {}))
    for installs in ("operator", "samples", "stack"):
        monkeypatch.setattr(install, installs, lambda *_: None)
    monkeypatch.setattr(first_order, "place", refused)
    with pytest.raises(Refusal):
        cluster.up()
    said = capsys.readouterr().out
    assert [name for name, address in first_order.ADDRESSES.items() if f"{name}: {address}" not in said] == []
