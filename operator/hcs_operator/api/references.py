"""Secrets of the user's that a spec names, and the keys that each must have."""

from typing import NamedTuple

from hcs_operator.api.spec import StackSpec

DATABASE_KEYS = ("admin-password", "repl-password", "app-password", "read-password", "migrate-password")
LONGEST_PASSWORD = 32
"""Characters; a replication password may not be longer (MySQL error 3056)."""


class SecretUse(NamedTuple):
    """One reference: what for, the Secret's name, the keys that are read, and the field of the spec that names it."""

    part: str
    name: str
    keys: tuple[str, ...]
    field: str


def secret_uses(spec: StackSpec) -> tuple[SecretUse, ...]:
    """Return the references in the order of the spec."""
    email, payment = spec.workers.handlers.email, spec.workers.handlers.payment
    store = spec.object_store.secret_ref if spec.object_store.enabled else None
    uses = (
        ("email", email and email.secret_ref, ("username", "password"), "spec.workers.handlers.email.secretRef"),
        ("payment", payment and payment.secret_ref, ("token",), "spec.workers.handlers.payment.secretRef"),
        ("database", spec.database.credentials_secret, DATABASE_KEYS, "spec.database.credentialsSecret"),
        ("object-store", store, ("access-key", "secret-key"), "spec.objectStore.secretRef"),
    )
    return tuple(SecretUse(part, reference.name, keys, field) for part, reference, keys, field in uses if reference)
