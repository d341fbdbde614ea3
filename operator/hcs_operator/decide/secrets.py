"""Which Secrets a stack is made from: those the user names, and those that are made for it."""

from hcs_operator.api.references import secret_uses
from hcs_operator.api.spec import Stack
from hcs_operator.build.credentials import secrets


def named(stack: Stack) -> tuple[str, ...]:
    """Name the Secrets of the user's that the spec refers to."""
    return tuple(use.name for use in secret_uses(stack.spec))


def made(stack: Stack) -> tuple[str, ...]:
    """Name the Secrets that are made unless somebody else has made them: one made by hand is honoured."""
    return tuple(secrets(stack))
