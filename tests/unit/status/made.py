"""Calls in the operator's code that make a reason, as its syntax tree has them."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
OPERATOR = ROOT / "operator/hcs_operator"
Words = frozenset[str]

_MAKERS = {"Reason": 0, "yes": 0, "no": 0, "unknown": 0, "not_yet": 1, "Verdict": 1, "Event": 1}
"""Calls that make a reason, and which argument it is."""


class Made(NamedTuple):
    """One call that makes a reason: in which function, under which name (`waiting=...`), and its word or expression."""

    function: str
    name: str
    word: ast.expr
    holder: str = ""
    """The call that it is an argument of."""
    named: Words = frozenset()
    """All keywords of that call."""


@cache
def made(path: Path) -> tuple[Made, ...]:
    """Return every call in a module that makes a reason."""
    return tuple(_walk(ast.parse(path.read_text()), "", "", None))


def _walk(node: ast.AST, function: str, name: str, holder: ast.Call | None) -> Iterator[Made]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function, name, holder = node.name, "", None
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        name = node.targets[0].id
    if isinstance(node, ast.Call):
        maker = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        word = _word(node, maker)
        if word is not None:
            held = ast.unparse(holder.func) if holder else ""
            keywords = frozenset(it.arg for it in holder.keywords if it.arg) if holder else frozenset()
            yield Made(function, name, word, held, keywords)
        for argument in (node.func, *node.args):
            yield from _walk(argument, function, "", node)
        for keyword in node.keywords:
            yield from _walk(keyword.value, function, keyword.arg or "", node)
        return
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, function, name, holder)


def _word(call: ast.Call, maker: str) -> ast.expr | None:
    """Return the argument that is the reason, by its place or by its name; none of another call."""
    if maker not in _MAKERS:
        return None
    if len(call.args) > _MAKERS[maker]:
        return call.args[_MAKERS[maker]]
    named = (it.value for it in call.keywords if it.arg in {"word", "reason"})
    return next(named, next((it for it in call.args if isinstance(it, ast.Starred)), None))


def literals(*paths: Path, function: str | None = None) -> Words:
    """Return the words that modules, or one function of them, write out."""
    return frozenset(
        str(it.word.value)
        for path in paths
        for it in made(path)
        if isinstance(it.word, ast.Constant) and function in (None, it.function)
    )


def expressions(path: Path) -> Words:
    """Return what else than a literal a module makes reasons of."""
    return frozenset(ast.unparse(it.word) for it in made(path) if not isinstance(it.word, ast.Constant))


def defaults(*names: str) -> Words:
    """Return the words for what gives no reason: `entry.get("reason") or "Waiting"`."""
    return frozenset(
        str(node.values[1].value)
        for name in names
        for node in ast.walk(ast.parse((OPERATOR / name).read_text()))
        if isinstance(node, ast.BoolOp)
        and ast.unparse(node.values[0]).endswith(".get('reason')")
        and isinstance(node.values[1], ast.Constant)
        and " " not in str(node.values[1].value)
    )
