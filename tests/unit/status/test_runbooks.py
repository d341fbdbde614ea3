"""Each reason that a condition can carry has a section on its page, and no section is of one that cannot appear."""

import ast
import re

import pytest
from tests.unit.status import reasons
from tests.unit.status.made import OPERATOR, ROOT, expressions, literals
from tests.unit.status.reasons import KUBERNETES, TAKEN_OVER, closure, module, page

from hcs_operator.api import conditions

PAGES = ROOT / "docs/runbooks"
OF_KUBERNETES, OF_AN_IMAGE = "A word of Kubernetes", "A word of your own image"
IN_A_TEXT_ALONE = {"observe/database.py": {"PodStarting", "NoCredentials", "TimedOut"}} | {
    "api/database.py": {"Silent"},
    "decide/autoscaling/workers.py": {"NoQueue"},
}
"""Reasons of which only the sentence is told, inside another's."""
PASSED_ON = {
    "act/events.py": {"f'Scaled{name}'", "entry['reason']"},
    "decide/autoscaling/readers.py": {"word", "hold[0]"},
    "decide/autoscaling/workers.py": {"word"},
    "decide/database/steps.py": {"word"},
    "decide/startup.py": {"f'WaitingFor{_camel(missing[0])}'"},
    "observe/database.py": {"error.word"},
    "observe/pods.py": {"word", "warning.word"},
    "observe/service_http.py": {"str(body.get('reason') or 'Unknown')"},
    "observe/warnings.py": {"str(last.get('reason') or 'Warning')"},
    "status/facts.py": {"reason"},
    "status/render.py": {"reason.word"},
}
"""Modules beside the conditions' own that make a reason of something else than a literal: `reasons` knows each."""


def headings(name: str) -> list[str]:
    return re.findall(r"^## (.+)$", (PAGES / name).read_text(), re.MULTILINE)


def sections(name: str) -> set[str]:
    """The headings of a page that are a reason: one word."""
    return {heading for heading in headings(name) if " " not in heading}


@pytest.mark.parametrize("condition", conditions.ALL)
def test_a_page_has_a_section_for_each_reason_of_its_condition_and_for_no_other(condition: str) -> None:
    assert reasons.reasons(condition) - KUBERNETES == sections(page(condition))
    assert len(headings(page(condition))) == len(set(headings(page(condition))))


@pytest.mark.parametrize("condition", conditions.ALL)
def test_a_condition_that_rests_on_pods_or_on_an_image_of_the_users_says_so(condition: str) -> None:
    tested = {conditions.READY, conditions.WRITES, conditions.READS, conditions.ASYNC}
    assert reasons.of_pods(condition) == (OF_KUBERNETES in headings(page(condition)))
    assert (condition in tested) == (OF_AN_IMAGE in headings(page(condition)))


def test_the_words_of_kubernetes_and_the_events_have_their_pages() -> None:
    assert sections("pods.md") == KUBERNETES
    assert "Any other word" in headings("pods.md")
    assert sections("events.md") == reasons.events()


@pytest.mark.parametrize("condition", conditions.ALL)
def test_what_a_condition_takes_its_reasons_over_from_is_known(condition: str) -> None:
    found = {expression for path in closure(module(condition)) for expression in expressions(path)}
    assert set(TAKEN_OVER[condition]) == found


def test_no_other_module_makes_a_reason_in_a_way_that_is_not_known() -> None:
    own = {path for condition in conditions.ALL for path in closure(module(condition))}
    others = {str(path.relative_to(OPERATOR)): expressions(path) for path in OPERATOR.rglob("*.py") if path not in own}
    assert {name: found for name, found in others.items() if found} == PASSED_ON


def test_no_reason_is_made_anywhere_that_no_page_tells_of() -> None:
    told = {word for path in PAGES.glob("*.md") for word in sections(path.name)} | decisions()
    written = {(str(path.relative_to(OPERATOR)), word) for path in OPERATOR.rglob("*.py") for word in literals(path)}
    silent = {(name, word) for name, words in IN_A_TEXT_ALONE.items() for word in words}
    assert {it for it in written if it[1] not in told} == silent


def test_each_word_of_a_scaling_decision_is_in_the_table_and_no_other() -> None:
    laws = [OPERATOR / f"decide/autoscaling/{law}.py" for law in ("workers", "readers")]
    text = {
        node.value
        for path in laws
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch("([A-Z][a-z]+)+", node.value)
    }
    assert text - {"NoQueue"} == decisions()


def test_the_index_has_each_reason_with_each_page_that_tells_of_it() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", (PAGES / "README.md").read_text(), re.MULTILINE)
    linked = {(word, *link) for word, links in rows for link in re.findall(r"\]\(([\w-]+\.md)#(\w+)\)", links)}
    pages = [path.name for path in PAGES.glob("*.md") if path.name != "README.md"]
    assert linked == {(word, name, word.lower()) for name in pages for word in sections(name)}
    assert [word for word, _ in rows] == sorted(word for word, _ in rows)


def test_every_link_leads_to_a_heading() -> None:
    broken = []
    for path in PAGES.glob("*.md"):
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", path.read_text()):
            there = (path.parent / target).resolve() if target else path
            slugs = (
                {_slug(it) for it in re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)}
                if there.exists()
                else set()
            )
            if not there.exists() or (anchor and anchor not in slugs):
                broken.append(f"{path.name}: {target}#{anchor}")
    assert broken == []


def decisions() -> set[str]:
    """The words in the table of decisions."""
    table = (PAGES / page(conditions.AUTOSCALING)).read_text().partition("## Words of a decision")[2]
    return {word for row in re.findall(r"^\| (`.*?`) \| ", table, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)}


def _slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
