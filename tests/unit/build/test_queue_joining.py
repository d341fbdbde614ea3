"""A broker without data starts once the others have forgotten its former self: its script, run over played commands."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from hcs_operator.build.queue_cluster import joining

pytestmark = pytest.mark.unit

ME, OTHERS = "rabbit@q-0", ("rabbit@q-1", "rabbit@q-2")
NO_MEMBER = ("not_a_cluster_node", '{:not_a_cluster_node, ~c"The node selected is not in the cluster."}')
"""How RabbitMQ 4.0 says that a node is no member, and how later ones do."""
ROUNDS = 4
"""How often it waits before the test gives up on it."""
# A broker that is up has the file up-<node>. The cluster: `queues` while its queues have this member, `member` while it
# is one, `majority` while it can decide.
COMMANDS = {
    "rabbitmq-queues": """
echo "shrink $3" >> calls
[ -e "up-$3" ] || { echo "Error: unable to perform an operation on node '$3'" >&2; exit 69; }
[ -e queues ] || exit 0
if [ -e majority ]; then rm queues; printf '/\\ths.default\\t2\\tok\\n'
else printf '/\\ths.default\\t3\\terror: timeout\\n'; fi
""",
    "rabbitmqctl": """
if [ "$1" = version ]; then echo 4.0.5; exit 0; fi
echo "forget $2" >> calls
[ -e member ] || { echo "Error:"; cat told; exit 70; }
[ -e majority ] || { echo "Error: timeout"; exit 70; }
rm member
""",
    "sleep": f"""
echo wait >> calls
[ -e later ] && touch $(cat later)
[ $(grep -c wait calls) -lt {ROUNDS} ] || kill "$PPID"
""",
}


@dataclass(frozen=True)
class Volume:
    """The volume of broker 0, and what it sees of the others."""

    folder: Path

    def has(self, *names: str) -> None:
        for name in names:
            (self.folder / name).touch()

    def later(self, *names: str) -> None:
        """These are so once it has waited."""
        (self.folder / "later").write_text(" ".join(names))

    def start(self, *, formed: bool, told: str = NO_MEMBER[0]) -> list[str]:
        """Runs the script; answers what it did, and `started` if it got to the end. `told`: to whom is no member."""
        mark = self.folder / "formed"
        (self.folder / "told").write_text(told)
        if formed:
            mark.touch()
        for name, body in COMMANDS.items():
            command = self.folder / "bin" / name
            command.parent.mkdir(exist_ok=True)
            command.write_text(f"#!/bin/sh\n{body}")
            command.chmod(0o755)
        script = "set -eu\n" + joining(str(self.folder), str(mark), (ME, *OTHERS)) + "echo started >> calls\n"
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        subprocess.run(
            ["sh", "-c", script],
            cwd=self.folder,
            env={"PATH": path, "RABBITMQ_NODENAME": ME},
            capture_output=True,
            timeout=60,
            check=False,
        )
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


def test_at_a_first_start_it_waits_for_nobody(volume: Volume) -> None:
    assert volume.start(formed=False) == [f"shrink {node}" for node in OTHERS] + ["started"]


def test_once_there_was_a_cluster_it_waits_until_somebody_can_be_asked(volume: Volume) -> None:
    volume.later("up-rabbit@q-2", "member", "majority")
    done = volume.start(formed=True)
    assert done[:3] == [f"shrink {node}" for node in OTHERS] + ["wait"]
    assert done[-2:] == ["forget rabbit@q-2", "started"]
    assert not (volume.folder / "member").exists()


def test_it_waits_while_the_others_cannot_decide(volume: Volume) -> None:
    volume.has("up-rabbit@q-1", "member")
    assert "started" not in volume.start(formed=True)


def test_it_leaves_its_places_in_the_queues_before_the_cluster(volume: Volume) -> None:
    volume.has("up-rabbit@q-1", "member", "queues", "majority")
    done = volume.start(formed=True)
    assert done == ["shrink rabbit@q-1"] * 2 + ["forget rabbit@q-1", "started"]
    assert not (volume.folder / "queues").exists()


def test_it_does_not_start_while_a_queue_still_has_it(volume: Volume) -> None:
    volume.has("up-rabbit@q-1", "queues")
    done = volume.start(formed=True)
    assert not {"forget rabbit@q-1", "started"} & set(done)


@pytest.mark.parametrize("told", NO_MEMBER)
def test_where_nobody_knows_it_it_starts(told: str, volume: Volume) -> None:
    volume.has("up-rabbit@q-1", "majority")
    assert volume.start(formed=True, told=told)[-1] == "started"


def test_an_answer_that_is_not_understood_is_no_proof(volume: Volume) -> None:
    volume.has("up-rabbit@q-1", "majority")
    assert "started" not in volume.start(formed=True, told="timeout")


def test_over_the_volume_it_was_ready_over_it_asks_nobody(volume: Volume) -> None:
    volume.has("joined", "mnesia")
    assert volume.start(formed=True) == ["started"]
    assert (volume.folder / "mnesia").exists()


def test_what_a_start_that_was_cut_short_has_left_is_emptied(volume: Volume) -> None:
    volume.has("joining", "mnesia")
    volume.start(formed=False)
    assert not (volume.folder / "mnesia").exists()
