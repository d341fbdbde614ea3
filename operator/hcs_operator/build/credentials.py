"""The Secrets that a stack makes for itself: which keys, and how each is made from fresh random bytes.

Made once and then kept: a password is never invented anew over data that was locked with another, except where the
Secret was deleted, and then the database's agent sets the accounts to the new ones.
"""

import base64
import hashlib
import json
import shlex
from collections.abc import Callable, Mapping

from hcs_operator.api.labels import labels
from hcs_operator.api.names import LIMITS
from hcs_operator.api.references import DATABASE_KEYS
from hcs_operator.api.spec import Stack
from hcs_operator.build.context import Document
from hcs_operator.build.metadata import owner

Random = Callable[[int], bytes]
"""Bytes that nobody can guess, as many as asked for."""

QUEUE_USER = "hcs"


def secrets(stack: Stack) -> Mapping[str, Callable[[Random], dict[str, str]]]:
    """By name of Secret: how its contents are made. A Secret of the user's is not among them."""
    names = stack.names
    found: dict[str, Callable[[Random], dict[str, str]]] = {
        names.cache_secret: _cache,
        names.queue_secret: _queue,
        names.tokens_secret: _tokens,
    }
    if LIMITS in stack.components:
        found[names.limits_secret] = _limits
    if stack.spec.database.credentials_secret is None:
        found[names.database_secret] = _database
    return found


def secret(stack: Stack, name: str, contents: Mapping[str, str]) -> Document:
    """The Secret as it is created."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": stack.namespace,
            "labels": labels(stack.name, "credentials"),
            "ownerReferences": [owner(stack)],
        },
        "type": "Opaque",
        "stringData": dict(contents),
    }


def password(random: Random) -> str:
    """32 characters of 24 random bytes; a replication password may not be longer (MySQL error 3056)."""
    return base64.urlsafe_b64encode(random(24)).decode()


def _database(random: Random) -> dict[str, str]:
    return {key: password(random) for key in DATABASE_KEYS}


def _cache(random: Random) -> dict[str, str]:
    word = password(random)
    return {"password": word, "redis-auth.conf": f"requirepass {word}\n"}


def _limits(random: Random) -> dict[str, str]:
    return {"password": password(random)}


def _tokens(random: Random) -> dict[str, str]:
    return {key: password(random) for key in ("consistency", "task", "drain")}


def _queue(random: Random) -> dict[str, str]:
    word = password(random)
    return {
        "password": word,
        "erlang-cookie": base64.b32encode(random(20)).decode().rstrip("="),
        "definitions.json": json.dumps(_definitions(word, random(4)), indent=1),
    }


def _definitions(word: str, salt: bytes) -> dict[str, object]:
    """RabbitMQ's user, virtual host and rights."""
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "users": [
            {
                "name": QUEUE_USER,
                "password_hash": base64.b64encode(_hashed(word, salt)).decode(),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ["monitoring"],
            }
        ],
        "vhosts": [{"name": "/"}],
        "permissions": [{"user": QUEUE_USER, "vhost": "/", **everything}],
    }


def _hashed(word: str, salt: bytes) -> bytes:
    """The password as RabbitMQ hashes it (its documentation, "Passwords"): four bytes of salt, then their SHA-256."""
    return salt + hashlib.sha256(salt + word.encode()).digest()


def cache_takes(configuration: str, word: str) -> bool:
    """Whether `redis-auth.conf` makes this the cache's password; what cannot be read takes none."""
    lines = (line.strip() for line in configuration.splitlines())
    try:
        settings = [shlex.split(line) for line in lines if line and not line.startswith("#")]
    except ValueError:  # a quote that is not closed
        return False
    return [setting[1:] for setting in settings if setting[:1] == ["requirepass"]][-1:] == [[word]]


def queue_takes(definitions: str, word: str) -> bool:
    """Whether `definitions.json` gives the queue's user this password; what cannot be read gives none."""
    try:
        user = next(user for user in json.loads(definitions)["users"] if user["name"] == QUEUE_USER)
        if "password" in user:
            return bool(user["password"] == word)
        known = base64.b64decode(user["password_hash"])
    except (ValueError, TypeError, LookupError, StopIteration):
        return False
    return known == _hashed(word, known[:4])
