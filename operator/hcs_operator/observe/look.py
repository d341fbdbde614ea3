"""One look at one stack: its objects first, for the passwords in them, then services and database at the same time.

A look at something that hangs takes seconds; one after the other they would keep `Ready` from telling in time.
"""

import asyncio
from dataclasses import dataclass

from hcs_operator.api.durations import seconds
from hcs_operator.api.names import QUEUE
from hcs_operator.api.spec import Stack
from hcs_operator.decide.plan import Seen
from hcs_operator.decide.secrets import made, named
from hcs_operator.mysql.port import DatabasePort
from hcs_operator.observe import database, snapshot
from hcs_operator.observe.snapshot import Sources, Wanted
from hcs_operator.observe.store import Key

DATABASE_COMPONENTS = frozenset({"db", "replica"})


@dataclass(frozen=True)
class Eyes(Sources):
    """All that a look needs."""

    database: DatabasePort


@dataclass
class Wishes:
    """What the spec asks of the database, in seconds (`observe.database.Wishes`)."""

    namespace: str
    name: str
    uid: str
    members: int
    max_lag: float
    max_staleness: float
    drain_timeout: float
    promote: str
    allow_data_loss: str
    errant: str
    paused: bool
    credentials_secret: str


async def observe(eyes: Eyes, stack: Stack, now: float) -> Seen:
    """Gather everything; never raises for a peer that does not answer."""
    asked = wanted(stack, eyes.cluster_domain)
    objects = await snapshot.look(Key(stack.namespace, stack.name), asked, eyes, now)
    seen, view = await asyncio.gather(
        snapshot.ask(objects, asked, eyes),
        database.look(
            eyes.database,
            wishes(stack),
            [pod for pod in objects.pods if pod.component in DATABASE_COMPONENTS],
            secrets=objects.secrets,
            live=objects.live,
            claims=objects.claims,
            exports=objects.exports,
            cluster_domain=eyes.cluster_domain,
        ),
    )
    return Seen(seen, database.without_refused(view, objects.unmade))


def wanted(stack: Stack, cluster_domain: str) -> Wanted:
    """Return what to read besides the labelled children."""
    names = stack.names
    return Wanted(
        uid=stack.uid,
        user_secrets=(*named(stack), *made(stack)),
        queue_secret=names.queue_secret,
        queue_host=names.host(QUEUE, stack.namespace, cluster_domain),
    )


def wishes(stack: Stack) -> Wishes:
    """Return the database's part of the spec."""
    reference = stack.spec.database.credentials_secret
    return Wishes(
        namespace=stack.namespace,
        name=stack.name,
        uid=stack.uid,
        members=stack.spec.database.members,
        max_lag=seconds(stack.spec.read_replicas.max_lag),
        max_staleness=seconds(stack.spec.database.max_staleness_during_outage),
        drain_timeout=seconds(stack.spec.autoscaling.read_replicas.scale_in.drain_timeout),
        promote=stack.promote,
        allow_data_loss=stack.allow_data_loss,
        errant=stack.spec.database.errant,
        paused=stack.spec.paused,
        credentials_secret=reference.name if reference else stack.names.database_secret,
    )
