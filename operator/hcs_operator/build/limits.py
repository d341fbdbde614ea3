"""What counts limits of scope global: a Redis of its own, since the cache's may evict whatever it holds.

It evicts nothing; a bucket goes by itself once it would be full (docs/adr/0014). The gateways' account may run their
script on buckets and do nothing else; a file made from the password at the start says so.
"""

from hcs_operator.api.names import LIMITS
from hcs_operator.api.spec import Stack
from hcs_operator.build.context import Context, Document
from hcs_operator.build.redis import CONFIG, Redis, redis

BYTES = 64 * 2**20
"""For buckets: some 400,000 clients, of those who were limited within the quota's time to refill."""
_ACCOUNT = "/data/account.conf"
_RULES = "resetchannels ~bucket:* +evalsha +script|load +get +set +time +ping +select +client|setname"
_START = f"""umask 077
word=$(cat /etc/hcs/limits/password) || exit 1
hash=$(printf %s "$word" | sha256sum) || exit 1
printf 'user default on #%s {_RULES}\\n' "${{hash%% *}}" > {_ACCOUNT} || exit 1
exec redis-server {CONFIG}/redis.conf"""
_CONFIGURATION = f"""port 6379
bind * -::*
protected-mode yes
save ""
appendonly no
dir /data
maxmemory {BYTES}
maxmemory-policy noeviction
tcp-keepalive 60
include {_ACCOUNT}
"""


def limits(stack: Stack, context: Context) -> list[Document]:
    """ConfigMap and StatefulSet, or nothing where no limit is counted for all gateways together."""
    if LIMITS not in stack.components:
        return []
    server = Redis(
        component=LIMITS,
        secret=stack.names.limits_secret,
        configuration=_CONFIGURATION,
        command=["sh", "-c", _START],
        bytes=BYTES,
    )
    return redis(stack, context, server)
