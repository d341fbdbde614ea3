"""The table and the plot of what a soak saw. Pure."""

from __future__ import annotations

from benchmarks.soak.record import Course, Record
from hack.course_plot import course_plot
from hack.marked import with_marked

BEGIN, END = "<!-- what was seen: written by make soak -->", "<!-- end of what was seen -->"
HEAD = (
    "| process | MiB after the start, settled, at the end | MiB an hour (95 % interval) "
    "| file descriptors: first third, last third | holds |"
)


def with_record(page: str, record: Record) -> str:
    """The page with this record between its markers. Raises NoMarkers."""
    counts = ", ".join(f"{count:,} {kind}" for kind, count in record.answered.items())
    minutes = record.courses[0].samples[-1].at / 60
    conditions = "; ".join(f"{name}: {value}" for name, value in record.conditions.items())
    found = f"""{table(record)}
{minutes:.0f} minutes; answered as due: {counts}; otherwise: {record.otherwise}; {conditions}.

![memory of each process](soak.svg)
"""
    return with_marked(page, BEGIN, END, found)


def table(record: Record) -> str:
    """A Markdown table, a line for each process."""
    return "\n".join([HEAD, "|" + "---|" * 5, *map(_line, record.courses), ""])


def _line(course: Course) -> str:
    memory, (first, last) = course.memory, course.descriptors
    stages = course.samples[0], course.settled[0], course.samples[-1]
    cells = [
        course.process,
        ", ".join(f"{sample.memory:.1f}" for sample in stages),
        f"{memory.middle:.1f} ({memory.low:.1f} to {memory.high:.1f})",
        f"{first:g}, {last:g}",
        "yes" if course.holds else "no",
    ]
    return f"| {' | '.join(cells)} |"


def plot(record: Record) -> str:
    """An SVG: a line for each process, its memory over the minutes."""
    lines = [
        (course.process, [(sample.at / 60, sample.memory) for sample in course.samples]) for course in record.courses
    ]
    return course_plot(lines, ("min", "MiB"))
