"""Secrets are made from fresh random bytes, once, in the form that each engine wants."""

import base64
import hashlib
import json
import secrets as random

from tests.unit.build.stacks import FULL, stack

from hcs_operator.api.references import DATABASE_KEYS, LONGEST_PASSWORD
from hcs_operator.build.credentials import password, secret, secrets


def made(name: str) -> dict[str, str]:
    return secrets(stack())[name](random.token_bytes)


def test_a_password_is_as_long_as_mysql_allows_and_never_the_same() -> None:
    found = {password(random.token_bytes) for _ in range(100)}
    assert len(found) == 100
    assert {len(word) for word in found} == {LONGEST_PASSWORD}


def test_every_account_has_a_password_of_its_own() -> None:
    found = made("shop-database")
    assert tuple(found) == DATABASE_KEYS
    assert len(set(found.values())) == len(DATABASE_KEYS)


def test_the_accounts_of_a_users_own_secret_are_not_made() -> None:
    assert "shop-database" not in secrets(stack(FULL))


def test_redis_is_given_the_password_that_clients_are_given() -> None:
    found = made("shop-cache")
    assert found["redis-auth.conf"] == f"requirepass {found['password']}\n"


def test_rabbitmq_recognises_the_password_by_its_hash_and_never_holds_it_in_clear() -> None:
    found = made("shop-queue")
    [user] = json.loads(found["definitions.json"])["users"]
    decoded = base64.b64decode(user["password_hash"])
    assert decoded[4:] == hashlib.sha256(decoded[:4] + found["password"].encode()).digest()
    assert found["password"] not in found["definitions.json"]


def test_rabbitmqs_user_may_do_everything_in_its_host_and_nothing_beside_it() -> None:
    definitions = json.loads(made("shop-queue")["definitions.json"])
    assert [user["name"] for user in definitions["users"]] == ["hcs"]
    assert definitions["users"][0]["tags"] == ["monitoring"]
    assert [vhost["name"] for vhost in definitions["vhosts"]] == ["/"]


def test_tokens_are_told_apart() -> None:
    found = made("shop-tokens")
    assert found.keys() == {"consistency", "task", "drain"}
    assert len(set(found.values())) == 3


def test_a_secret_belongs_to_its_stack() -> None:
    document = secret(stack(), "shop-tokens", {"a": "b"})
    assert document["metadata"]["ownerReferences"][0]["uid"] == stack().uid
    assert document["metadata"]["labels"]["highconcurrency.dev/stack"] == "shop"
