"""Envoy, HAProxy and the upstream behind all gateways, configured to do what the product's gateway does.

The reference application's routes by method and path, a rate limit that counts and refuses nothing, a breaker per
upstream, one retry, a request id, a line of access log each. Pure: only text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hcs_operator.api.routes import Route

PLENTY = 1_000_000
"""Requests a second that no contender reaches: the limit is counted, and never hit."""
_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_SEGMENT = re.compile(r"\{[^}]+\}")


def upstream(port: int, folder: str, small: str) -> str:
    """Nginx's configuration: `small` for any path, a file of `folder` for one that ends in its name."""
    return f"""
user root;
master_process off;
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port};
    default_type application/json;
    location / {{ return 200 '{small}'; }}
    location /api/v1/products/large {{ alias {folder}/large; }}
  }}
}}
"""


def product(routes: Sequence[Route], ports: Mapping[str, int]) -> str:
    """The gateway's configuration, as the operator writes it; `ports` by upstream."""
    return json.dumps(
        {
            "upstreams": {name: {"host": "127.0.0.1", "port": ports[name]} for name in upstreams(routes)},
            "routes": [{**route.model_dump(by_alias=True), "methods": list(route.methods)} for route in routes],
            "rateLimit": {"capacity": PLENTY, "refillPerSecond": PLENTY},
        }
    )


_HAPROXY_DEFAULTS = """
global
  nbthread 1
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 1s
  timeout client 75s
  timeout server 10s
  retries 1
  option redispatch
  http-reuse always
backend unknown
  http-request return status 404
backend clients
  stick-table type ip size 100k expire 30s store http_req_rate(1s)
"""


def haproxy(routes: Sequence[Route], port: int, to: int) -> str:
    """HAProxy's configuration. Its breaker is `observe layer7` with an error limit."""
    server = f"server one 127.0.0.1:{to} check inter 2s observe layer7 error-limit 50 on-error mark-down"
    backends = [f"backend {name}\n  {server}" for name in upstreams(routes)]
    frontend = [
        "frontend in",
        f"bind 127.0.0.1:{port}",
        "unique-id-format %[uuid()]",
        "unique-id-header X-Request-Id",
        "option forwardfor",
        "http-request track-sc0 src table clients",
        f"http-request deny deny_status 429 if {{ sc0_http_req_rate gt {PLENTY} }}",
        *(_haproxy_rule(route) for route in routes),
        "default_backend unknown",
    ]
    return "\n".join([_HAPROXY_DEFAULTS, *backends, "\n  ".join(frontend), ""])


def _haproxy_rule(route: Route) -> str:
    path = f"^{_SEGMENT.sub('[^/]+', route.path)}$"
    return f"use_backend {route.upstream} if {{ method {' '.join(route.methods)} }} {{ path_reg {path} }}"


def envoy(routes: Sequence[Route], port: int, to: int, log: str) -> str:
    """Envoy's configuration: its local rate limit, circuit breakers and outlier detection."""
    manager = {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "use_remote_address": True,
        "access_log": [_access_log(log)],
        "http_filters": [
            _local_rate_limit(),
            {"name": "router", "typed_config": {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"}},
        ],
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [_envoy_route(each) for each in routes]}]
        },
    }
    listener = {
        "name": "in",
        "address": _address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    clusters = [_cluster(name, to) for name in upstreams(routes)]
    return json.dumps({"static_resources": {"listeners": [listener], "clusters": clusters}})


def _access_log(path: str) -> dict[str, Any]:
    words = {
        "timestamp": "%START_TIME%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(:PATH)%",
        "status": "%RESPONSE_CODE%",
        "bytes": "%BYTES_SENT%",
        "milliseconds": "%DURATION%",
        "request_id": "%REQ(X-REQUEST-ID)%",
    }
    kind = f"{_EXTENSIONS}.access_loggers.file.v3.FileAccessLog"
    return {"name": "file", "typed_config": {"@type": kind, "path": path, "log_format": {"json_format": words}}}


def _local_rate_limit() -> dict[str, Any]:
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return {
        "name": "limit",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "limit",
            "token_bucket": {"max_tokens": PLENTY, "tokens_per_fill": PLENTY, "fill_interval": "1s"},
            "filter_enabled": always,
            "filter_enforced": always,
            "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        },
    }


def _envoy_route(route: Route) -> dict[str, Any]:
    methods = {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(route.methods)}}}
    template = {
        "@type": f"{_EXTENSIONS}.path.match.uri_template.v3.UriTemplateMatchConfig",
        "path_template": route.path,
    }
    retry = {"retry_on": "connect-failure,retriable-status-codes", "retriable_status_codes": [503]}
    path = {"path_match_policy": {"name": "template", "typed_config": template}} if "{" in route.path else {}
    return {
        "match": {**(path or {"path": route.path}), "headers": [methods]},
        "route": {"cluster": route.upstream, "timeout": "10s", "retry_policy": retry},
    }


def _cluster(name: str, port: int) -> dict[str, Any]:
    return {
        "name": name,
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [{"max_pending_requests": 1024, "max_requests": 1024}]},
        "outlier_detection": {"consecutive_5xx": 20},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def upstreams(routes: Sequence[Route]) -> list[str]:
    """The names of the tiers that routes lead to."""
    return sorted({route.upstream for route in routes})
