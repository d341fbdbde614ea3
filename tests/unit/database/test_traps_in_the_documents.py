"""The table of traps names tests that are there."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

TESTS = Path(__file__).parents[2]
CONCEPTS = TESTS.parent / "docs" / "concepts.md"
NAMED = re.compile(r"`((?:unit|engine)/[^`]*)`")


def test_each_trap_names_tests_that_exist() -> None:
    _, _, after = CONCEPTS.read_text().partition("| the trap |")
    rows = after.partition("\n\n")[0].splitlines()[2:]
    named = [NAMED.findall(row) for row in rows]
    assert (len(rows), all(named)) == (14, True)
    assert [path for paths in named for path in paths if not (TESTS / path).is_file()] == []
