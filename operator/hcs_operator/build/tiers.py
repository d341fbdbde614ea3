"""Write API, async API, read API and workers: one Deployment each, all of one image."""

from collections.abc import Mapping, Sequence

from hcs_operator.api.durations import milliseconds, seconds
from hcs_operator.api.labels import selector
from hcs_operator.api.names import ASYNC_API, CACHE, DB, LIMITS, QUEUE, READ_API, REPLICA, WORKER, WRITE_API
from hcs_operator.api.spec import Stack
from hcs_operator.api.spec_tiers import Tier
from hcs_operator.build import connections, mounts
from hcs_operator.build.context import Context, Document
from hcs_operator.build.metadata import metadata
from hcs_operator.build.pods import SERVICES_USER, Pod, Sizes, empty_dir, http_probe, pod_template, security

SIZES = Sizes(cpu="30m", memory="128Mi", cpu_limit="1", memory_limit="384Mi")
# Longer than any handler may take, so that a worker that is told to stop finishes what it does.
_GRACE_SECONDS = {WORKER: 75}


def service_tiers(stack: Stack, context: Context) -> list[Document]:
    """The four Deployments behind the gateway."""
    spec = stack.spec
    return [
        deployment(stack, context, WRITE_API, spec.write_api, count=context.count(WRITE_API, spec.write_api.replicas)),
        deployment(stack, context, ASYNC_API, spec.async_api, count=context.count(ASYNC_API, spec.async_api.replicas)),
        deployment(stack, context, READ_API, spec.read_api, count=context.count(READ_API, spec.read_api.replicas)),
        deployment(stack, context, WORKER, spec.workers, count=context.replicas.get(WORKER)),
    ]


def deployment(
    stack: Stack,
    context: Context,
    component: str,
    tier: Tier,
    *,
    count: int | None,
    extra_volumes: Sequence[Document] = (),
    annotations: Mapping[str, str] | None = None,
) -> Document:
    """A tier's Deployment. `count` None leaves replicas to whoever writes `/scale`."""
    volumes = [*mounts.volumes(stack, component), *extra_volumes]
    container = _container(stack, context, component, tier, volumes)
    pod = Pod(
        component,
        [container],
        [*volumes, empty_dir("tmp", "64Mi")],
        grace_seconds=_GRACE_SECONDS.get(component, 45),
        annotations=annotations or {},
    )
    spec: Document = {
        "selector": {"matchLabels": selector(stack.name, component)},
        "revisionHistoryLimit": 3,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": pod_template(stack, pod, tier.template),
    }
    if count is not None:
        spec["replicas"] = count
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(stack, stack.names.of(component), component),
        "spec": spec,
    }


def _container(stack: Stack, context: Context, component: str, tier: Tier, volumes: Sequence[Document]) -> Document:
    http = [] if component == WORKER else [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]
    return {
        "name": component,
        "image": tier.image or context.images["services"],
        "command": ["python3", "-m", "hcs_services", component],
        "env": environment(stack, context, component, {extra.name: extra.value for extra in tier.extra_env}),
        "ports": [*http, {"name": "admin", "containerPort": 9090, "protocol": "TCP"}],
        "startupProbe": http_probe("/startupz", "admin", period=1, failures=120),
        "livenessProbe": http_probe("/livez", "admin", period=10, failures=6, timeout=5),
        "readinessProbe": http_probe("/readyz", "admin", period=2, failures=2, timeout=2),
        "resources": SIZES.with_spec(tier.resources),
        "securityContext": security(SERVICES_USER),
        "volumeMounts": [*mounts.mounts(volumes), {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - an emptyDir
    }


def environment(
    stack: Stack, context: Context, component: str, extra: Mapping[str, str] | None = None
) -> list[Document]:
    """What a tier is told; never a secret (docs/app-contract.md). A variable of the user's replaces one of ours."""

    def host(target: str) -> str:
        return stack.names.host(target, stack.namespace, context.cluster_domain)

    variables = {
        "HCS_STACK": stack.name,
        "HCS_TIER": component,
        "HCS_NAMESPACE": stack.namespace,
        "DATABASE_MEMBERS_HOST": host(DB),
        "DATABASE_READERS_HOST": host(REPLICA),
        "CACHE_URL": f"redis://{host(CACHE)}:6379/0",
        "QUEUE_URL": f"amqp://{host(QUEUE)}:5672/",
        **({"LIMITS_URL": f"redis://{host(LIMITS)}:6379/0"} if mounts.counts_limits(stack, component) else {}),
        **connections.pool_sizes(stack, component),
        **_of_tier(stack, component),
        **(extra or {}),
    }
    return [{"name": name, "value": value} for name, value in variables.items()]


def _of_tier(stack: Stack, component: str) -> Mapping[str, str]:
    lag = {
        "MAX_LAG_SECONDS": f"{seconds(stack.spec.read_replicas.max_lag):g}",
        "MAX_STALENESS_DURING_OUTAGE_SECONDS": f"{seconds(stack.spec.database.max_staleness_during_outage):g}",
    }
    if component == WRITE_API and not stack.spec.workers.handlers.email:
        return {"CONFIRMATION_MAILS": "false"}  # nobody could send them: each would be a dead letter
    if component == READ_API:
        return {**lag, "CONSISTENCY_MAX_WAIT_MS": str(milliseconds(stack.spec.read_api.consistency.max_wait))}
    if component == ASYNC_API:
        return {**lag, **_object_store(stack)}
    if component == WORKER:
        return {**lag, **_object_store(stack), **_worker(stack)}
    return {}


def _worker(stack: Stack) -> Mapping[str, str]:
    workers = stack.spec.workers
    found = {"WORKER_CONCURRENCY": str(workers.concurrency), "WORKER_PREFETCH": str(workers.prefetch)}
    if workers.handlers.email:
        found["EMAIL_URL"] = workers.handlers.email.url
    if workers.handlers.payment:
        found["PAYMENT_URL"] = workers.handlers.payment.url
    return found


def _object_store(stack: Stack) -> Mapping[str, str]:
    store = stack.spec.object_store
    if not store.enabled:
        return {}
    return {"OBJECT_STORE_URL": store.endpoint or "", "OBJECT_STORE_BUCKET": store.bucket or ""}
