"""The gateway beside Envoy and HAProxy: one core each, in front of the same nginx, which shares the load's core."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.services import cores, peers, wrk
from benchmarks.services.measurement import PRODUCT
from benchmarks.services.rounds import Comparison, Contender
from benchmarks.services.stage import Server, Stage
from tests.ports import free_port

from hcs_operator.build.gateway import REFERENCE_ROUTES

_SMALL = '{"product_id":"book-1","name":"A book","price":"19.90","stock":1000,"version":1764352800000000}'
_UPSTREAM = "the upstream alone (ceiling)"
_STEADY = (PRODUCT, "Envoy", _UPSTREAM)  # at the same rate: the upstream's latencies are what the load itself adds
_BODIES = {"small": "GET, 95 bytes", "large": "GET, 64 KiB"}


def comparisons(stage: Stage) -> Iterator[Comparison]:
    """A row for small answers, one for large ones."""
    (stage.folder / "large").write_text(f'"{"x" * (65_536 - 2)}"')
    upstream = _upstream(stage)
    gateways = {
        PRODUCT: (_product(stage, upstream.port), None),
        "Envoy": (_envoy(stage, upstream.port), 1.0),
        "HAProxy": (_haproxy(stage, upstream.port), 0.45),
        _UPSTREAM: (upstream, None),
        "an empty ASGI application": (stage.plain("plain_nothing", {}), None),
    }
    for body, words in _BODIES.items():
        path = f"/api/v1/products/{body}"
        requests = wrk.write(stage.folder / f"{body}-requests", [wrk.get(path)])
        contenders = [
            Contender(name, server.loaded(path), target, at_rate=server.steady(requests) if name in _STEADY else None)
            for name, (server, target) in gateways.items()
        ]
        yield Comparison(f"gateway-{body}", f"gateway: {words}", contenders)


def _upstream(stage: Stage) -> Server:
    port = free_port()
    file = stage.folder / "nginx.conf"
    file.write_text(peers.upstream(port, str(stage.folder), _SMALL))
    return stage.start("nginx", ["nginx", "-c", str(file)], port, core=cores.LOAD)


def _product(stage: Stage, upstream: int) -> Server:
    file = stage.folder / "gateway.json"
    file.write_text(peers.product(REFERENCE_ROUTES, dict.fromkeys(peers.upstreams(REFERENCE_ROUTES), upstream)))
    return stage.product("gateway", {"GATEWAY_CONFIG": str(file)})


def _envoy(stage: Stage, upstream: int) -> Server:
    port, file = free_port(), stage.folder / "envoy.json"
    file.write_text(peers.envoy(REFERENCE_ROUTES, port, upstream, str(stage.folder / "envoy-access.log")))
    command = ["envoy", "--concurrency", "1", "--log-level", "warn", "--config-path", str(file)]
    return stage.start("envoy", command, port)


def _haproxy(stage: Stage, upstream: int) -> Server:
    port, file = free_port(), stage.folder / "haproxy.cfg"
    file.write_text(peers.haproxy(REFERENCE_ROUTES, port, upstream))
    return stage.start("haproxy", ["haproxy", "-db", "-f", str(file)], port)
