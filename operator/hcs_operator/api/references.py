"""Secrets of the user's that a spec names, and the keys that each must have."""

from typing import NamedTuple

from hcs_operator.api.spec import StackSpec

DATABASE_KEYS = ("admin-password", "repl-password", "app-password", "read-password", "migrate-password")
LONGEST_PASSWORD = 32
"""Characters; a replication password may not be longer (MySQL error 3056)."""


class SecretUse(NamedTuple):
    """One reference: the Secret's name, the keys that are read, and the field of the spec that names it."""

    name: str
    keys: tuple[str, ...]
    field: str


def secret_uses(spec: StackSpec) -> tuple[SecretUse, ...]:
    """Return the references in the order of the spec."""
    handlers = spec.workers.handlers
    places = (
        (
            handlers.email and handlers.email.secret_ref,
            ("username", "password"),
            "spec.workers.handlers.email.secretRef",
        ),
        (handlers.payment and handlers.payment.secret_ref, ("token",), "spec.workers.handlers.payment.secretRef"),
        (spec.database.credentials_secret, DATABASE_KEYS, "spec.database.credentialsSecret"),
        (
            spec.object_store.secret_ref if spec.object_store.enabled else None,
            ("access-key", "secret-key"),
            "spec.objectStore.secretRef",
        ),
    )
    return tuple(SecretUse(reference.name, keys, field) for reference, keys, field in places if reference)
