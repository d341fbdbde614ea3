"""What the gateway counts beyond the rate, errors and duration of every route."""

from prometheus_client import Counter, Gauge

REFUSED = Counter(
    "hcs_gateway_refused_total",
    "Requests that the gateway refused itself, by the problem's slug; no upstream saw them.",
    ["reason"],
)
CALLS = Counter(
    "hcs_gateway_upstream_calls_total",
    "Calls to upstreams, by how they ended: answered, bad, failed, late, no-endpoint, abandoned or broke-off.",
    ["upstream", "outcome"],
)
RETRIES = Counter(
    "hcs_gateway_retries_total",
    "Second tries that were made, and those that an empty budget forbade (no-budget).",
    ["upstream", "result"],
)
ENDPOINTS = Gauge(
    "hcs_gateway_endpoints",
    "Endpoints that DNS names (known), and those of them that get no calls for now (ejected).",
    ["upstream", "state"],
)
BREAKERS = Gauge("hcs_gateway_breakers_open", "Routes whose circuit breaker refuses calls now.")
CLIENTS = Gauge("hcs_gateway_rate_limited_clients", "Clients whose token bucket is in memory.")
