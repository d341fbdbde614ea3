from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.tokens import MAX_LENGTH, BadToken, ConsistencyToken, decode, normalise_gtid

SOURCE = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
TOKEN = ConsistencyToken(0, f"{SOURCE}:1-77:80", {"o:06YNJE7FW9Z2YY": 1_795_464_467_199_000, "l:ada": 5})
names = st.text("abcdefghijklmnopqrstuvwxyz:._-", min_size=1, max_size=30)


@given(st.integers(0, 15), st.dictionaries(names, st.integers(0, 2**53), max_size=5))
def test_a_token_comes_back_as_it_was(shard: int, entities: dict[str, int]) -> None:
    token = ConsistencyToken(shard, TOKEN.gtid, entities)

    assert token == decode(b"key", token.encode(b"key"))


@pytest.mark.parametrize(
    "gtid", ["", f"{SOURCE}:1", f"{SOURCE}:1-5:7-9,{SOURCE.replace('3', '4')}:2", f"{SOURCE}:tag_1:1-3:5"]
)
def test_every_form_of_a_gtid_set_is_carried(gtid: str) -> None:
    token = ConsistencyToken(0, gtid, {})

    assert gtid == decode(b"key", token.encode(b"key")).gtid


@given(st.text(max_size=200))
def test_any_text_is_a_token_or_bad(text: str) -> None:
    with pytest.raises(BadToken):
        decode(b"key", text)


@given(st.integers(0), st.characters(codec="ascii"))
def test_a_changed_token_is_bad(at: int, character: str) -> None:
    text = TOKEN.encode(b"key")
    position = at % (len(text) - 1)  # the last character holds spare bits
    changed = text[:position] + character + text[position + 1 :]

    if changed != text:
        with pytest.raises(BadToken):
            decode(b"key", changed)


def test_a_token_of_another_key_is_bad() -> None:
    with pytest.raises(BadToken):
        decode(b"key", TOKEN.encode(b"other"))


def test_a_signed_statement_is_no_gtid_set() -> None:
    with pytest.raises(BadToken):
        decode(b"key", ConsistencyToken(0, "'; DROP TABLE orders; --", {}).encode(b"key"))


def test_an_endless_token_is_bad() -> None:
    with pytest.raises(BadToken):
        decode(b"key", "A" * (MAX_LENGTH + 1))


def test_a_printed_gtid_set_is_put_on_one_line() -> None:
    assert f"{SOURCE}:1,{SOURCE}:3" == normalise_gtid(f"{SOURCE}:1,\n{SOURCE}:3")
