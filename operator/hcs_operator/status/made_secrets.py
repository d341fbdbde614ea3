"""The stack's own Secrets, where somebody has edited one or made it by hand: what a key lacks, or what disagrees.

An engine reads its password from one key and its clients from another: a Secret in which the two differ is an engine
that crashes, or that refuses everybody.
"""

from collections.abc import Iterator, Mapping

from hcs_operator.api.observed import Reason
from hcs_operator.api.references import DATABASE_KEYS, LONGEST_PASSWORD
from hcs_operator.build.credentials import cache_takes, queue_takes, secrets
from hcs_operator.status.facts import Facts

_ANEW = "or delete the Secret, and it is made anew"


def unusable(facts: Facts) -> Iterator[Reason]:
    """Say for each Secret what is wrong with it, by name and key, never by value; one that is missing is made."""
    names = facts.stack.names
    for name, make in secrets(facts.stack).items():
        data = facts.snapshot.secrets.get(name)
        if data is None:
            continue
        missing = [key for key in make(bytes) if not data.get(key)]
        if missing:
            yield Reason("SecretIncomplete", f"Secret {name} lacks {', '.join(missing)}: add what is missing, {_ANEW}")
        elif name == names.cache_secret and not cache_takes(data["redis-auth.conf"], data["password"].strip()):
            yield _disagrees(name, "redis-auth.conf", "`requirepass` with the password")
        elif name == names.queue_secret and not queue_takes(data["definitions.json"], data["password"].strip()):
            yield _disagrees(name, "definitions.json", "the hash of the password")
        elif name == names.database_secret:
            yield from _too_long(name, data)


def _disagrees(name: str, key: str, what: str) -> Reason:
    return Reason("SecretDisagrees", f"Secret {name}: its {key} is not of its password: write {what} into it, {_ANEW}")


def _too_long(name: str, data: Mapping[str, str]) -> Iterator[Reason]:
    long = [key for key in DATABASE_KEYS if len(data[key]) > LONGEST_PASSWORD]
    if long:
        told = f"Secret {name} has a password of more than {LONGEST_PASSWORD} characters, which MySQL refuses"
        yield Reason("PasswordTooLong", f"{told}: shorten {', '.join(long)}, {_ANEW}")
