"""Settings that need no restart: which servers have another value than their my.cnf has for their next start.

my.cnf is what is wanted, as it is in the ConfigMap by now, so a server is told no value that it would not start with. A
key that left my.cnf goes back to what a start without it gives. What somebody has set by hand stays, unless my.cnf has
that key: then the next start would take it back, too.

Only servers whose pod is of the current template are told: a change that restarts brings all of its values at once.
"""

from collections.abc import Mapping

from hcs_operator.api.database import TEMPLATE_HASH, DatabaseView, InstanceView, Variable
from hcs_operator.api.variables import DEFAULTS, canonical
from hcs_operator.decide.database.copying import cloning
from hcs_operator.decide.database.steps import Tune


def tunings(view: DatabaseView) -> tuple[Tune, ...]:
    """Return a step for each server that has other values; they depend on nobody else, and nobody on them."""
    return tuple(step for it in view.instances if (step := _tuning(it, view)) is not None)


def _tuning(it: InstanceView, view: DatabaseView) -> Tune | None:
    revision, settings = view.revisions.get(it.instance.role), view.starts.get(it.instance.role)
    if it.facts is None or revision is None or settings is None:
        return None
    if it.pod.deleting or cloning(it.facts) or it.pod.annotations.get(TEMPLATE_HASH) != revision.fingerprint:
        return None
    values = differing(it.facts.variables, settings)
    return Tune(it.instance, tuple(sorted(values.items()))) if values else None


def differing(has: Mapping[str, Variable], starts: Mapping[str, str | None]) -> dict[str, str]:
    """Return the values to set. `has` is what the server says, `starts` what its next start reads, as it would show it.

    `starts` without a key that the server was started with, or was told by us, asks for that key's default; with None
    it asks for nothing: mysqld may read a value that we do not.
    """
    wanted = {name: starts.get(name, DEFAULTS[name]) for name, it in has.items() if it.ours or name in starts}
    return {
        name: value for name, value in wanted.items() if value is not None and canonical(name, has[name].value) != value
    }
