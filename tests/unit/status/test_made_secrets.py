"""The stack's own Secrets, edited or made by hand: what is wrong is told by key, never by value."""

import json

import pytest
from tests.unit.status.seen import outlook, snapshot, stack

from hcs_operator.build.credentials import secrets
from hcs_operator.status.facts import Facts
from hcs_operator.status.made_secrets import unusable

pytestmark = pytest.mark.unit
MADE = {name: make(lambda length: b"7" * length) for name, make in secrets(stack()).items()}
OTHER = "another-password"


def told(name: str, **changes: str | None) -> list[tuple[str, str]]:
    keys = {**MADE[name], **changes}
    seen = snapshot(secrets={**MADE, name: {key: value for key, value in keys.items() if value is not None}})
    return [(reason.word, reason.message) for reason in unusable(Facts(stack(), outlook(seen)))]


def test_what_the_operator_makes_is_well_and_what_is_missing_is_made() -> None:
    assert told("shop-cache") == []
    assert list(unusable(Facts(stack(), outlook()))) == []


@pytest.mark.parametrize(("name", "key"), [("shop-cache", "redis-auth.conf"), ("shop-queue", "definitions.json")])
def test_a_password_edited_alone_disagrees_with_what_the_engine_reads(name: str, key: str) -> None:
    [(word, message)] = told(name, password=OTHER)
    assert word == "SecretDisagrees"
    assert name in message
    assert key in message
    assert OTHER not in message
    assert MADE[name]["password"] not in message


@pytest.mark.parametrize("name", MADE)
def test_a_key_that_is_missing_or_empty_is_named(name: str) -> None:
    for key in MADE[name]:
        for value in (None, ""):
            [(word, message)] = told(name, **{key: value})
            assert (word, f"Secret {name} lacks {key}:" in message) == ("SecretIncomplete", True)


def test_a_database_password_made_by_hand_may_be_too_long() -> None:
    [(word, message)] = told("shop-database", **{"repl-password": "x" * 33})
    assert (word, "repl-password" in message, "xxx" in message) == ("PasswordTooLong", True, False)


@pytest.mark.parametrize(
    "configuration", [f'requirepass "{OTHER}"', f"# it's mine\nrequirepass old\nrequirepass {OTHER}\nmaxclients 9"]
)
def test_an_equal_password_in_another_spelling_agrees(configuration: str) -> None:
    assert told("shop-cache", **{"password": f"{OTHER}\n", "redis-auth.conf": configuration}) == []


def test_plain_definitions_of_the_users_agree() -> None:
    plain = json.dumps({"users": [{"name": "hcs", "password": OTHER}]})
    assert told("shop-queue", **{"password": OTHER, "definitions.json": plain}) == []


@pytest.mark.parametrize("damaged", ["{", "[]", "{}", '{"users": [{"name": "hcs", "password_hash": "?"}]}', "7"])
def test_definitions_that_cannot_be_read_give_no_password(damaged: str) -> None:
    assert told("shop-queue", **{"definitions.json": damaged})[0][0] == "SecretDisagrees"


def test_an_open_quote_sets_no_password() -> None:
    assert told("shop-cache", **{"redis-auth.conf": 'requirepass "open'})[0][0] == "SecretDisagrees"
