"""What `make soak` says of a run, and what it asks for meanwhile."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from benchmarks.soak import stack
from benchmarks.soak.calls import Mix
from benchmarks.soak.record import Course, Record, Sample
from benchmarks.soak.report import BEGIN, END, plot, table, with_record
from hack.course_plot import course_plot

pytestmark = pytest.mark.unit


def course(memory: float = 0.0, descriptors: float = 0.0, *, at_first: float = 0.0) -> Course:
    """Twenty minutes of a process: growth in MiB and in descriptors an hour, and MiB more until it has settled."""
    times = [float(at) for at in range(0, 1201, 5)]
    settling = [at_first * max(0.0, 1 - at / 300) for at in times]
    samples = [
        Sample(at, 50 - late + memory * at / 3600, 40 + int(descriptors * at / 3600))
        for at, late in zip(times, settling, strict=True)
    ]
    return Course("read-api", tuple(samples))


def test_a_process_that_stays_as_it_is_holds() -> None:
    assert course().holds


def test_what_grows_before_it_has_settled_does_not_count() -> None:
    assert course(at_first=30).memory.middle == pytest.approx(0)
    assert course(at_first=30).holds


@pytest.mark.parametrize(("leak", "leaks"), [(9.9, False), (10.1, True)])
def test_memory_may_grow_by_less_than_ten_mebibytes_an_hour(leak: float, leaks: bool) -> None:
    assert course(memory=leak).leaks == leaks


def test_a_descriptor_each_minute_is_found() -> None:
    found = course(descriptors=60)
    assert found.gathers_descriptors
    assert not found.holds
    assert found.descriptors == (47.0, 57.0)


def test_a_pool_that_breathes_gathers_nothing() -> None:
    random = Random(1)
    breathing = replace(
        course(), samples=tuple(replace(each, descriptors=random.randrange(38, 43)) for each in course().samples)
    )
    assert breathing.holds


def test_a_run_holds_if_every_process_does() -> None:
    assert Record((course(), course()), {}, 0, {}).holds
    assert not Record((course(), course(memory=40)), {}, 0, {}).holds


RECORD = Record((course(memory=40),), {"reads": 240_000}, 3, {"load before": "0.10"})


def test_what_is_written_is_read_again() -> None:
    assert Record.from_json(RECORD.to_json()) == RECORD


def test_the_table_has_a_line_for_each_process() -> None:
    assert table(RECORD).splitlines()[2:] == ["| read-api | 50.0, 53.3, 63.3 | 40.0 (40.0 to 40.0) | 40, 40 | no |"]


def test_the_page_keeps_all_but_what_is_between_its_markers() -> None:
    page = with_record(f"before\n{BEGIN}\nearlier\n{END}\nafter\n", RECORD)
    assert page.startswith(f"before\n{BEGIN}\n{table(RECORD)}")
    assert "20 minutes; answered as due: 240,000 reads; otherwise: 3; load before: 0.10." in page
    assert page.endswith(f"{END}\nafter\n")
    assert "earlier" not in page


def test_the_page_has_the_record_beside_it() -> None:
    docs = Path(__file__).parents[3] / "docs"
    page, record = (docs / "soak.md").read_text(), docs / "soak.json"
    if record.exists():
        assert with_record(page, Record.from_json(record.read_text())) == page
    else:
        assert f"{BEGIN}\nNothing is on record yet.\n{END}" in page


def test_the_plot_has_a_line_for_each_process_within_its_frame() -> None:
    assert plot(RECORD).count("<polyline") == 1
    assert 'points="60.0,390.0 770.0,30.0"' in course_plot([("one", [(0, 0), (20, 80)])], ("min", "MiB"))


def test_an_order_and_a_task_that_were_heard_of_are_asked_for_again() -> None:
    mix = Mix(["book-1"], Random(1))
    plain, keyed, _ = (next(mix.kinds["orders"]) for _ in range(3))
    accepted = next(mix.kinds["tasks"])
    assert plain.learn is not None
    assert keyed.learn is not None
    assert accepted.learn is not None
    plain.learn({"X-Consistency-Token": "token"}, {"order_id": "one"})
    keyed.learn({"X-Consistency-Token": "token"}, {"order_id": "two"})
    accepted.learn({}, {"task_id": "three"})
    reads = [next(mix.kinds["reads"]) for _ in range(4)]
    assert ("/orders/one", {"X-Consistency-Token": "token"}) in [(each.path, each.header) for each in reads]
    assert next(mix.kinds["tasks"]).path == "/tasks/three"
    again = [next(mix.kinds["orders"]) for _ in range(3)][2]
    assert (again.body, again.header) == (keyed.body, keyed.header)


def test_the_memory_and_the_descriptors_of_a_process_are_its_own(tmp_path: Path) -> None:
    pid = os.getpid()
    before = stack.descriptors(pid), stack.memory(pid)
    with (tmp_path / "file").open("w"):
        kept = bytearray(os.urandom(1 << 20) * 32)
        assert stack.descriptors(pid) == before[0] + 1
        assert stack.memory(pid) - before[1] == pytest.approx(len(kept) >> 20, abs=4)
