"""What the gateway counts beyond the rate, errors and duration of every route."""

from prometheus_client import Counter, Gauge

REFUSED = Counter(
    "hcs_gateway_refused",
    "Requests that the gateway refused itself, by problem slug; no upstream saw them.",
    ["reason"],
)
CALLS = Counter("hcs_gateway_upstream_calls", "Calls to upstreams by how they ended.", ["upstream", "outcome"])
RETRIES = Counter(
    "hcs_gateway_retries", "Second tries, and those that an empty budget forbade.", ["upstream", "result"]
)
ENDPOINTS = Gauge("hcs_gateway_endpoints", "Endpoints that DNS names, and those ejected now.", ["upstream", "state"])
BREAKERS = Gauge("hcs_gateway_breakers_open", "Routes whose circuit breaker refuses calls now.")
CLIENTS = Gauge("hcs_gateway_rate_limited_clients", "Clients whose token bucket is in memory.")
