"""The reasons that each condition can carry, read from the code that makes them.

A condition's own module (`status/<condition>.py`, and what it imports of its neighbours) writes a reason as a literal,
or takes it over from somewhere: `TAKEN_OVER` says from where, for each expression by which that is done. An expression
that stands in no table is a failure, so that no new way of making a reason goes unseen.
"""

import ast
import re
from collections.abc import Mapping
from functools import cache
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from tests.unit.status.made import OPERATOR, ROOT, Made, Words, defaults, literals, made

from hcs_operator.act.events import Move, scaled
from hcs_operator.api import conditions
from hcs_operator.api.names import ASYNC_API, CACHE, QUEUE, READ_API, WORKER, WRITE_API
from hcs_operator.api.observed import Child, PodView, Reason, Snapshot
from hcs_operator.api.pod_problems import CRASH, CREATION, IMAGE, PLACING
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.startup import GATEWAY, SCHEMA, SERVICES, UPSTREAMS, Engines, gate
from hcs_operator.mysql.errors import DatabaseError

HCS_SERVICES = ROOT / "services/hcs_services"


def module(condition: str) -> Path:
    """Return the file of a condition: one each, of its name."""
    return OPERATOR / "status" / f"{_parted(condition, '_')}.py"


def page(condition: str) -> str:
    """Return the name of its page."""
    return f"{_parted(condition, '-')}.md"


def _parted(condition: str, by: str) -> str:
    return re.sub("(?<=[a-z])(?=[A-Z])", by, condition).lower()


@cache
def closure(path: Path) -> frozenset[Path]:
    """Return a module and what it takes from its own package; `facts` and others that make no reason do not matter."""
    found = {path}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hcs_operator.status."):
            found |= closure(OPERATOR / f"{(node.module or '').removeprefix('hcs_operator.').replace('.', '/')}.py")
    return frozenset(found - {OPERATOR / "status/facts.py"})


# What reasons are taken over from.


def waited_for() -> Mapping[str, Words]:
    """Return by tier what the start waits for: asked of the gate in every state of what it looks at."""
    tiers = {SCHEMA: [Child("Job", "shop-migrate-1")]}
    complete = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    watched = (CACHE, QUEUE, *UPSTREAMS)
    found: dict[str, Words] = {}
    jobs: tuple[dict[str, Any], ...] = ({}, {"status": {}}, complete)
    for ready in chain.from_iterable(combinations(watched, size) for size in range(len(watched) + 1)):
        for job in jobs:
            live = {tiers[SCHEMA][0]: job} if job else {}
            seen = Snapshot("shop", "shop", 0.0, live=live, pods=tuple(map(_ready, ready)))
            for primary in (False, True):
                for tier, reason in gate(seen, Engines(primary), tiers).waiting.items():
                    found[tier] = found.get(tier, frozenset()) | {reason.word}
    return {**found, GATEWAY: found[GATEWAY] | _waited_for_in_an_upgrade()}


def _waited_for_in_an_upgrade() -> Words:
    door, left = Child("Deployment", "shop-gateway"), [Child("Deployment", f"shop-{it}") for it in (*UPSTREAMS, WORKER)]
    seen = Snapshot("shop", "shop", 0.0, live={it: {} for it in (door, *left)})
    gates = (gate(seen, Engines(True), {GATEWAY: [door], SERVICES: [it]}, {door, it}) for it in left)
    return frozenset(it.waiting[GATEWAY].word for it in gates)


def _ready(component: str) -> PodView:
    return PodView(component, "u", component, "10.0.0.1", "n", True, False, 0.0, 0.0, "", {}, {}, None)


def database_errors() -> Words:
    """Return the words of what can go wrong at an instance; `failing` repeats them."""
    return frozenset(error.word for error in DatabaseError.__subclasses__())


def selftests(component: str) -> Words:
    """Return how a tier of the reference application says that its work does not get done."""
    folder = HCS_SERVICES / component.replace("-", "_")
    found = set(literals(OPERATOR / "observe/service_http.py", function="selftest"))
    for path in (HCS_SERVICES / "admin.py", *folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "SelftestResult":
                said = {it.arg: it.value for it in node.keywords}
                if ast.unparse(said["ok"]) != "True":
                    found.add(ast.literal_eval(said["reason"]))
    return frozenset(found) | defaults("observe/service_http.py")


KUBERNETES = (
    IMAGE | CREATION | PLACING | CRASH | defaults("observe/pods.py", "observe/warnings.py", "status/uncreated.py")
)
"""Words for pods that do not run; kubelet, scheduler and events know more of them."""

_DATABASE = OPERATOR / "decide/database"
_BOTH, _WAITING, _PROBLEM = frozenset({"waiting", "problem"}), frozenset({"waiting"}), frozenset({"problem"})
PLACES: Mapping[tuple[str, str], Words] = {
    ("founding", ""): _WAITING,
    ("outage", "_under_way"): _WAITING,
    ("outage", "_unfit"): _BOTH,
    ("outage", "lost"): _BOTH,
    ("outage", "diverged"): _BOTH,
    ("outage", "more_at_a_reader"): _BOTH,
    ("members", "foreign"): _BOTH,
    ("errant", "_diverged"): _PROBLEM,
    ("readers", "_broken"): _PROBLEM,
    ("plan", "_waiting"): _WAITING,
    ("report", "durability"): frozenset({"durability"}),
    ("report", "replication"): frozenset({"replication"}),
    ("throttling", "throttled"): frozenset({"replication"}),
}
"""The field of the plan that a function's reasons end in, where no keyword says so: no primary (`waiting`), or more."""


def database(field: str) -> Words:
    """Return the words that one field of the database's plan can have."""
    found = set()
    for path in sorted(_DATABASE.glob("*.py")):
        for it in made(path):
            if path.stem != "steps" and field in _placed(path.stem, it):
                found.add(ast.literal_eval(it.word))
    return frozenset(found)


def _placed(stem: str, it: Made) -> Words:
    if it.name not in {"waiting", "problem"}:
        return PLACES[stem, it.function]
    told_twice = it.name == "problem" and it.holder == "Finding" and "waiting" not in it.named
    return _BOTH if told_twice else frozenset({it.name})


def acts() -> Words:
    """Return what can fail in carrying a plan out."""
    paths = [path for path in sorted((OPERATOR / "act").glob("*.py")) if path.stem not in {"events", "report"}]
    return literals(*paths) | database_errors()


def invalid() -> Words:
    """Return why a resource cannot be read."""
    return literals(OPERATOR / "act/report.py")


def queue() -> Words:
    """Return why there are no figures of the queue."""
    return literals(OPERATOR / "observe/queue_http.py")


PLAIN: Words = frozenset()
_SELFTEST = {"tests[0].reason.word", "found.problem[1].word", "found.waiting.word"}
TAKEN_OVER: Mapping[str, Mapping[str, Words]] = {
    conditions.READY: {"verdict.reason": PLAIN, "gateway.problem[1].word": KUBERNETES},
    conditions.RECONCILING: {
        "waiting.word": frozenset(chain.from_iterable(waited_for().values())),
        "str(journal['operation'])": frozenset(Operation),
    },
    conditions.STALLED: {
        "found[0].word": acts() | database("problem"),
        "pod.problem.word": KUBERNETES,
        "refused.word": KUBERNETES,
        "entry.get('reason') or 'FailedCreate'": KUBERNETES,
    },
    conditions.WRITES: {
        **dict.fromkeys(_SELFTEST, selftests(WRITE_API) | KUBERNETES | waited_for()[SERVICES]),
        "cause.word": database("waiting"),
    },
    conditions.READS: {
        **dict.fromkeys(_SELFTEST, selftests(READ_API) | KUBERNETES | waited_for()[SERVICES]),
        "found.reason": PLAIN,
    },
    conditions.ASYNC: dict.fromkeys(_SELFTEST, selftests(ASYNC_API) | KUBERNETES | waited_for()[SERVICES]),
    conditions.DURABILITY: {
        "weak.word": database("durability"),
        "queue.word": literals(OPERATOR / "status/durability_satisfied.py", function="_queue"),
    },
    conditions.REPLICATION: {"behind.word": database("replication")},
    conditions.CACHE: {
        "found.problem[1].word": KUBERNETES,
        "state.word": literals(OPERATOR / "decide/scaling.py", function="cache_state"),
    },
    conditions.QUEUE: {"found.problem[1].word": KUBERNETES, "figures.word": queue()},
    conditions.AUTOSCALING: {"facts.snapshot.queue.word": queue()},
    conditions.PAUSED: {},
}
"""By condition: each expression that its modules make a reason of, and the words that it can have."""

RENDERED = literals(OPERATOR / "status/render.py")
UNREADABLE: Mapping[str, Words] = {
    conditions.READY: invalid(),
    conditions.STALLED: invalid(),
    conditions.RECONCILING: RENDERED - {"NotLookedAt"},
}
"""What `render_problem` says; of every other condition the word that it writes out."""


def own(condition: str) -> Words:
    """Return the reasons that a condition can carry, those that Ready repeats of others left out."""
    unread = UNREADABLE.get(condition, RENDERED - {"Stalled"})
    taken = frozenset(chain.from_iterable(TAKEN_OVER[condition].values()))
    return literals(*closure(module(condition))) | taken | unread


def reasons(condition: str) -> Words:
    """Return all reasons that a condition can carry; Ready repeats what keeps users' work from being done."""
    if condition != conditions.READY:
        return own(condition)
    needed = (own(it) for it in (conditions.WRITES, conditions.READS, conditions.ASYNC))
    repeated = frozenset(chain.from_iterable(needed)) - {"SelftestPassed", "StaleReads", "NotLookedAt"}
    return own(condition) | repeated


def of_pods(condition: str) -> bool:
    """Say whether a condition can carry the kubelet's words for pods that do not run."""
    return bool(KUBERNETES & own(condition))


def events() -> Words:
    """Return the reasons of events that are no condition's."""
    act = OPERATOR / "act"
    moved = {
        ast.literal_eval(node.args[0])
        for node in ast.walk(ast.parse((act / "carry_out.py").read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Move"
    }
    counts = (scaled(Move(tier, 1, 2, Reason("Backlog", "1 -> 2: more"))).reason for tier in moved)
    return literals(act / "events.py") | frozenset(counts)
