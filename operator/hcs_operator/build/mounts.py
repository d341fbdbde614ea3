"""Secrets as files: which tier gets which, under /etc/hcs, never by subPath, so that a rotation reaches the pod."""

from collections.abc import Mapping, Sequence

from hcs_operator.api.names import ASYNC_API, GATEWAY, LIMITS, MIGRATE, READ_API, WORKER, WRITE_API
from hcs_operator.api.references import DATABASE_KEYS, secret_uses
from hcs_operator.api.spec import Stack
from hcs_operator.build.context import Document

ROOT = "/etc/hcs"

_PASSWORDS: Mapping[str, Sequence[str]] = {
    WRITE_API: ("app-password",),
    ASYNC_API: ("app-password", "read-password"),
    READ_API: ("read-password",),
    WORKER: ("app-password", "read-password"),
    MIGRATE: ("migrate-password",),
}
_CACHE = {WRITE_API, READ_API, WORKER}
_QUEUE = {WRITE_API, ASYNC_API, WORKER}
_TOKENS: Mapping[str, Sequence[str]] = {
    WRITE_API: ("consistency", "task"),
    ASYNC_API: ("consistency", "task"),
    READ_API: ("consistency",),
    WORKER: ("consistency", "task", "drain"),
}


def volumes(stack: Stack, component: str) -> list[Document]:
    """A tier's volumes; each is mounted at /etc/hcs/<its name>."""
    names = stack.names
    found: list[Document] = []
    if component in _PASSWORDS:
        found.append(_database(stack, _PASSWORDS[component]))
    if component in _CACHE:
        found.append(_secret("cache", names.cache_secret, ("password",)))
    if counts_limits(stack, component):
        found.append(_secret("limits", names.limits_secret, ("password",)))
    if component in _QUEUE:
        found.append(_secret("queue", names.queue_secret, ("password",)))
    if component in _TOKENS:
        found.append(_secret("tokens", names.tokens_secret, _TOKENS[component]))
    return [*found, *_of_users(stack, component)]


def counts_limits(stack: Stack, component: str) -> bool:
    """Whether a tier's pods ask the Redis that counts limits for all gateways."""
    return component == GATEWAY and LIMITS in stack.components


def mounts(found: Sequence[Document]) -> list[Document]:
    """Where a container sees them."""
    return [{"name": v["name"], "mountPath": f"{ROOT}/{v['name']}", "readOnly": True} for v in found]


def credentials_secret(stack: Stack) -> str:
    """The Secret with the accounts' passwords: the user's, or the stack's own."""
    own = stack.spec.database.credentials_secret
    return own.name if own else stack.names.database_secret


def all_passwords(stack: Stack) -> Document:
    """Every account's password, for the agent alone."""
    return _secret("database", credentials_secret(stack), DATABASE_KEYS)


def _database(stack: Stack, keys: Sequence[str]) -> Document:
    """The tier's passwords beside the authority that the server's certificate is verified with."""
    sources = [
        {"secret": {"name": credentials_secret(stack), "items": _items(keys)}},
        {"configMap": {"name": stack.names.authority, "items": _items(["ca.crt"])}},
    ]
    return {"name": "database", "projected": {"sources": sources}}


def _of_users(stack: Stack, component: str) -> list[Document]:
    """Secrets that the user names, mounted where they are used."""
    parts = {WORKER: ("email", "payment", "object-store"), ASYNC_API: ("object-store",)}.get(component, ())
    return [_secret(use.part, use.name, use.keys) for use in secret_uses(stack.spec) if use.part in parts]


def _secret(volume: str, secret: str, keys: Sequence[str]) -> Document:
    return {"name": volume, "secret": {"secretName": secret, "items": _items(keys)}}


def _items(keys: Sequence[str]) -> list[Document]:
    return [{"key": key, "path": key} for key in keys]
