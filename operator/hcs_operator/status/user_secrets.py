"""Secrets that the spec names and that are not what it needs."""

from collections.abc import Iterator

from hcs_operator.api.observed import Reason
from hcs_operator.api.references import DATABASE_KEYS, LONGEST_PASSWORD, SecretUse, secret_uses
from hcs_operator.status.facts import Facts


def lacking(facts: Facts) -> Iterator[Reason]:
    """Say for each Secret what it lacks, by name and key, never by value."""
    for use in secret_uses(facts.stack.spec):
        found = facts.snapshot.secrets.get(use.name)
        missing = [key for key in use.keys if not (found or {}).get(key)]
        if found is None:
            yield Reason("SecretMissing", f"{_where(use)} does not exist: create it with {_keys(list(use.keys))}")
        elif missing:
            yield Reason("SecretMissing", f"{_where(use)} lacks {_keys(missing)}: add what is missing")
        elif use.keys == DATABASE_KEYS:
            long = [key for key in use.keys if len(found[key]) > LONGEST_PASSWORD]
            if long:
                allowed = f"MySQL allows {LONGEST_PASSWORD} characters: shorten {_keys(long)}"
                yield Reason("PasswordTooLong", f"{_where(use)} has a password that is too long, {allowed}")


def _where(use: SecretUse) -> str:
    return f"Secret {use.name}, named by {use.field},"


def _keys(keys: list[str]) -> str:
    return f"the key {keys[0]}" if len(keys) == 1 else f"the keys {', '.join(keys)}"
