"""Everything that a stack is made of, as documents: pure, deterministic, one builder per kind of child.

Secrets are not built here: what must be in them is declared in `credentials`, and made once.
"""

from hcs_operator.api.spec import Stack
from hcs_operator.build.accounts import service_account
from hcs_operator.build.cache import cache
from hcs_operator.build.context import Context, Desired, Tier
from hcs_operator.build.disruption import disruption_budgets
from hcs_operator.build.gateway import gateway
from hcs_operator.build.limits import limits
from hcs_operator.build.members import members
from hcs_operator.build.migration import migration
from hcs_operator.build.network import network_policies
from hcs_operator.build.queue import queue
from hcs_operator.build.readers import readers
from hcs_operator.build.services import services
from hcs_operator.build.tiers import service_tiers

__all__ = ["Context", "Desired", "Tier", "desired"]


def desired(stack: Stack, context: Context) -> list[Desired]:
    """Every object that the stack wants, in the order in which they are made."""
    found = [
        *_in(Tier.FOUNDATION, [service_account(stack), *network_policies(stack, context), *disruption_budgets(stack)]),
        *_in(Tier.FOUNDATION, services(stack)),
        *_in(Tier.ENGINES, [*queue(stack, context), *cache(stack, context), *members(stack, context)]),
        *_in(Tier.ENGINES, limits(stack, context)),
        *_in(Tier.SCHEMA, [migration(stack, context)]),
        *_in(Tier.READERS, readers(stack, context)),
        *_in(Tier.SERVICES, service_tiers(stack, context)),
        *_in(Tier.GATEWAY, gateway(stack, context)),
    ]
    return sorted(found, key=lambda item: item.tier)


def _in(tier: Tier, documents: list[dict[str, object]]) -> list[Desired]:
    return [Desired(tier, document) for document in documents]
