"""An upstream's bytes mean the same however they are cut, and what is no sound answer is never taken for one."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.services.smuggling.answers import REPLIES, Reply, Whole

from hcs_services.gateway.pool.failures import Broken, Lost, Malformed
from hcs_services.gateway.pool.parsing import BARREN_BYTES, AnswerParser

pytestmark = pytest.mark.unit
OK = b"HTTP/1.1 200 OK\r\n"
CUTS = st.lists(st.integers(min_value=1, max_value=400), max_size=12)
"""Bytes in the first pieces; the rest comes at once."""


@dataclass(frozen=True)
class Meant:
    """What a connection's bytes were taken for."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    in_step: bool


def pieces(sent: bytes, cuts: list[int]) -> list[bytes]:
    parts = []
    for cut in cuts:
        parts.append(sent[:cut])
        sent = sent[cut:]
    return [part for part in [*parts, sent] if part]


def meaning(parts: list[bytes], *, to_head: bool = False, ends: bool = False) -> Meant | type[Broken]:
    """Read as a connection does: what comes behind a whole answer only ends it."""
    parser = AnswerParser()
    parser.expect(to_head=to_head)
    try:
        for part in parts:
            if parser.whole:
                parser.surplus = True
                break
            parser.feed(part)
        if ends or not parser.whole:
            parser.end()
    except Broken as failure:
        return type(failure)
    assert parser.status is not None
    return Meant(parser.status, tuple(parser.fields), parser.take(), parser.in_step)


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    sent = b""
    for part in pieces(body, draw(CUTS)):
        extension = draw(st.sampled_from([b"", b";a=b", b';a="b"']))
        size = draw(st.sampled_from([b"%x", b"%X", b"0%x"])) % len(part)
        sent += size + extension + b"\r\n" + part + b"\r\n"
    return sent + b"0\r\n" + draw(st.sampled_from([b"", b"x-trailer: 1\r\n"])) + b"\r\n"


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, Meant]:
    """A sound answer to a GET whose connection goes on, and what it means."""
    body = draw(st.binary(max_size=2000))
    status = draw(st.sampled_from([200, 201, 404, 503]))
    names = st.from_regex(rb"\Ax-[a-z]{1,8}\Z")
    values = st.from_regex(rb"\A[!-~]{1,20}( [!-~\x80-\xff]{1,20})?\Z")
    fields = draw(st.lists(st.tuples(names, values), max_size=5))
    if draw(st.booleans()):
        fields.append((b"content-length", b"%d" % len(body)))
        content = body
    else:
        fields.append((b"transfer-encoding", b"chunked"))
        content = draw(chunked(body))
    interim = draw(
        st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"])
    )
    head = b"HTTP/1.1 %d X\r\n" % status + b"".join(b"%b: %b\r\n" % field for field in fields) + b"\r\n"
    return interim + head + content, Meant(status, tuple(fields), body, in_step=True)


@given(answers(), CUTS)
def test_a_sound_answer_is_read_as_it_was_written_however_it_is_cut(
    answer: tuple[bytes, Meant], cuts: list[int]
) -> None:
    sent, expected = answer
    assert meaning(pieces(sent, cuts)) == expected


@given(answers(), answers(), CUTS)
def test_the_answer_to_the_next_request_is_read_by_the_same_parser(
    one: tuple[bytes, Meant], other: tuple[bytes, Meant], cuts: list[int]
) -> None:
    parser = AnswerParser()
    for sent, expected in (one, other):
        parser.expect(to_head=False)
        for part in pieces(sent, cuts):
            parser.feed(part)
        assert (parser.status, tuple(parser.fields), parser.take()) == (expected.status, expected.fields, expected.body)
        assert parser.in_step


@given(answers(), st.data())
def test_an_answer_that_ends_early_is_never_whole(answer: tuple[bytes, Meant], data: st.DataObject) -> None:
    sent, _ = answer
    end = data.draw(st.integers(0, len(sent) - 1))
    assert meaning(pieces(sent[:end], data.draw(CUTS)), ends=True) is Lost


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.name)
@settings(max_examples=50)
@given(cuts=CUTS)
def test_the_corpus_means_the_same_in_pieces_unless_what_is_too_much_comes_later(reply: Reply, cuts: list[int]) -> None:
    sent, to_head = b"".join(reply.pieces), reply.method == "HEAD"
    at_once = meaning([sent], to_head=to_head, ends=reply.hangs_up)
    cut = meaning(pieces(sent, cuts), to_head=to_head, ends=reply.hangs_up)
    if isinstance(reply.verdict, Whole):
        assert isinstance(at_once, Meant)
        assert (at_once.status, at_once.body, at_once.in_step) == (
            reply.verdict.status,
            reply.verdict.body,
            reply.verdict.reused,
        )
        assert cut == at_once
    else:
        assert not isinstance(at_once, Meant)
        assert not isinstance(cut, Meant) or not cut.in_step


def test_a_length_that_is_folded_and_a_coding_that_is_are_judged_by_what_the_parser_made_of_them() -> None:
    two = b"2\r\nok\r\n0\r\n\r\n"
    assert meaning([OK + b"content-length: 2\r\n 3\r\n\r\nok"]) is Malformed
    assert meaning([OK + b"transfer-encoding: chunked\r\n \r\n\r\n" + two], ends=True) is Malformed
    assert meaning([OK + b"transfer-encoding: x,\r\n chunked\r\n\r\n" + two], ends=True) is Malformed


def test_a_204_that_announces_content_is_malformed_before_any_comes() -> None:
    assert meaning([b"HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\n"]) is Malformed
    assert meaning([b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n"]) is Malformed


def test_an_answer_to_head_has_not_even_an_empty_body() -> None:
    sent = OK + b"transfer-encoding: chunked\r\n\r\n"
    assert isinstance(meaning([sent], to_head=True), Meant)
    assert meaning([sent + b"0\r\n\r\n"], to_head=True) is Malformed


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(OK + b"".join(b"x-%d: %b\r\n" % (n, b"a" * 16_000) for n in range(5)), id="in all"),
        pytest.param(OK + b"x: " + b"a" * 17_000 + b"\r\n", id="in one field"),
    ],
)
@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_a_header_too_large_is_malformed(head: bytes, size: int) -> None:
    sent = head + b"content-length: 2\r\n\r\nok"
    assert meaning([sent[at : at + size] for at in range(0, len(sent), size)]) is Malformed


@pytest.mark.parametrize(
    ("begun", "endless"),
    [
        pytest.param(OK + b"x: ", b"a" * 1000, id="a field"),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\n2;", b"a" * 1000, id="a chunk's extension"),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\n0\r\nx: ", b"a" * 1000, id="a trailer"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40, id="interim answers"),
    ],
)
def test_what_never_gets_anywhere_is_malformed_once_it_is_too_much(begun: bytes, endless: bytes) -> None:
    parser = AnswerParser()
    parser.expect(to_head=False)
    parser.feed(begun)
    with pytest.raises(Malformed, match="without"):
        for _ in range(2 * BARREN_BYTES // 1000):
            parser.feed(endless)
