"""What the gateway counts beyond the rate, errors and duration of every route."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

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
calls = cache(CALLS.labels)
"""The series of an upstream and an outcome, looked up once: there are few, and every request counts in one."""
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
CONCURRENCY = Gauge(
    "hcs_gateway_concurrency_limit",
    "The smallest number of calls that may be under way on one of an upstream's routes; it follows how quickly they are"
    " answered.",
    ["upstream"],
)
CLIENTS = Gauge("hcs_gateway_rate_limited_clients", "Clients whose token bucket is in memory.")
GLOBAL_VERDICTS = Counter(
    "hcs_gateway_global_limit_verdicts_total",
    "Requests that a limit of scope global was asked about, by what decided: redis, the ceiling that Redis' last answer"
    " set (refusals only), or this gateway's own share while Redis is away.",
    ["by"],
)
ALONE = Gauge(
    "hcs_gateway_global_limit_alone",
    "1 while this gateway grants its share of limits of scope global because Redis does not answer, 0 otherwise.",
)
HELD = Gauge(
    "hcs_gateway_held", "Writes with an Idempotency-Key that wait now until their upstream can take them.", ["upstream"]
)
HELD_SECONDS = Histogram(
    "hcs_gateway_held_seconds",
    "How long writes were held, from the first refusal or failure to their answer.",
    ["upstream"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60),
)
GIVEN_UP = Counter(
    "hcs_gateway_held_given_up_total",
    "Writes with an Idempotency-Key that were refused all the same: their deadline came (late), no place was left"
    " (full), or the upstream had been silent for 30 s (hopeless).",
    ["upstream", "reason"],
)
