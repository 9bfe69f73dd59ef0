# ruff: noqa: RUF001 - Cyrillic and Turkish are what is tested
"""How words are compared, what a query means, and how hits read: pure functions, no database."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stenogram.store import excerpts, search
from stenogram.store.excerpts import Excerpts, Snippet
from stenogram.store.query import Term, parse
from stenogram.store.words import MAX_WORD_CHARS, tokens, words
from stenogram.types import Segment, Transcript

ANY = st.text(max_size=60)
SAID = st.lists(
    st.text(alphabet="abй ё'-Иıß🙂家1½\u0301", max_size=12) | st.sampled_from(["a b", "", "don't", "Straße"]),
    max_size=8,
)


def transcript(*texts: str) -> Transcript:
    return Transcript(tuple(Segment(at, at * 2.0, at * 2.0 + 1, text) for at, text in enumerate(texts)), 100.0)


def found(query: str, *texts: str) -> Excerpts:
    body, places = search._laid_out(transcript(*texts))
    return excerpts.find(parse(query) or (), body, places)


def marked(snippet: Snippet) -> list[str]:
    return [snippet.text[begin:end] for begin, end in snippet.marks]


# --- words ---


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ЁЛКА", "елка"),
        ("Йод", "йод"),
        ("и\u0306од", "йод"),
        ("Straße", "STRASSE"),
        ("Ärger", "arger"),
        ("İstanbul", "istanbul"),
        ("IŞIK", "ışık"),
        ("Łódź", "lodz"),
        ("naïve", "nai\u0308ve"),
        ("ﬁne", "fine"),
        ("ｗｉｄｅ", "wide"),
        ("co\u00adoperate", "cooperate"),
        ("замо\u0301к", "замок"),
        ("Ὀδυσσεύς", "οδυσσευσ"),
        ("שָׁלוֹם", "שלום"),
        ("x²", "x2"),
    ],
)
def test_the_same_word_written_otherwise(one: str, other: str) -> None:
    assert words(one) == words(other) != []


@pytest.mark.parametrize(("one", "other"), [("й", "и"), ("ў", "у"), ("ї", "і"), ("が", "か"), ("की", "का")])
def test_letters_of_their_own_stay_apart(one: str, other: str) -> None:
    assert words(one) != words(other)


def test_words_are_parted_at_all_that_is_no_letter_or_digit() -> None:
    assert words("Don't—the e-mail_box, №5: 3,14!") == ["don", "t", "the", "e", "mail", "box", "5", "3", "14"]
    assert words("🙂👩‍👧❤️ … \u0301") == []
    assert words("我家 has カ") == ["我", "家", "has", "カ"]


def test_a_very_long_word_counts_as_far_as_a_database_takes_it() -> None:
    assert words("x" * 5000) == ["x" * MAX_WORD_CHARS]


@given(ANY)
@example("½ a\u0345 İ")
def test_tokens_stand_in_order_where_they_say(text: str) -> None:
    """And hold nothing that a query language or a database could stumble over."""
    stand = list(tokens(text))

    assert [token.word for token in stand] == words(text)
    assert all(0 <= token.start < token.end <= len(text) for token in stand)
    assert [token.start for token in stand] == sorted(token.start for token in stand)
    for token in stand:
        assert token.word in words(text[token.start : token.end])
        assert token.word
        assert not set(token.word) & set(" \t\n\0'\"\\*:&|!()-+^{}")
        token.word.encode()


# --- queries ---


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("Board meeting", [(("board",), True), (("meeting",), True)]),
        ('"Board meeting" May', [(("board", "meeting"), False), (("may",), True)]),
        ("«точка зрения", [(("точка", "зрения"), False)]),
        ("don't e-mail", [(("don", "t"), True), (("e", "mail"), True)]),
        ("a a A", [(("a",), True)]),
        (
            "NEAR(a b) OR -c* name:d",
            [(("near", "a"), True), (("b",), True), (("or",), True), (("c",), True), (("name", "d"), True)],
        ),
        ("🙂", []),
        ("?!", []),
    ],
)
def test_what_a_query_means(query: str, meant: list[tuple[tuple[str, ...], bool]]) -> None:
    assert parse(query) == tuple(Term(parts, prefix) for parts, prefix in meant)


@pytest.mark.parametrize("query", ["", "  ", '"', '" "'])
def test_where_nothing_is_typed_yet_nothing_is_asked_for(query: str) -> None:
    assert parse(query) is None


@given(ANY)
def test_any_text_is_a_query(query: str) -> None:
    terms = parse(query)
    assert terms is None or all(term.words and all(term.words) for term in terms)


# --- hits ---


@pytest.mark.parametrize(
    ("query", "text", "hit"),
    [
        ("елк", "Ах, Ёлка!", ["Ёлка"]),
        ("strasse", "In der Straße.", ["Straße"]),
        ("istanbul", "🙂🙂 İstanbul'da", ["İstanbul"]),
        ("don't", "I don’t know", ["don’t"]),
        ("mail", "by e-mail, mailing", ["mail", "mailing"]),
        ('"mail"', "by e-mail, mailing", ["mail"]),
        ("3.14", "it is 3,14159", ["3,14159"]),
        ('"b c"', "a b c b c b", ["b c", "b c"]),
        ("aa a", "aa ab", ["aa", "ab"]),
        ("家族", "我的家族", ["家族"]),
        ('"a a"', "a a a", ["a a a"]),
    ],
)
def test_marks_are_in_the_text_as_it_stands(query: str, text: str, hit: list[str]) -> None:
    [snippet] = found(query, text).snippets
    assert (snippet.text, marked(snippet)) == (text, hit)


def test_the_best_come_first_and_all_are_counted() -> None:
    excerpt = found("red fox", "a red hat", "", "fox", "the fox is red", "redder", "foxes")

    assert excerpt.hits == 5
    assert [(each.segment, each.start, marked(each)) for each in excerpt.snippets] == [
        (3, 6.0, ["fox", "red"]),
        (0, 0.0, ["red"]),
        (2, 4.0, ["fox"]),
    ]


def test_a_phrase_may_go_on_in_the_next_segment_and_opens_where_it_begins() -> None:
    excerpt = found('"what is said"', "I hear what is", "?", "said here")

    [snippet] = excerpt.snippets
    assert (snippet.segment, marked(snippet)) == (0, ["what is"])


def test_a_long_segment_is_shown_around_its_first_hit() -> None:
    text = "слово " * 100 + "ЁЖ " + "word " * 100
    [snippet] = found("еж", text.strip()).snippets

    assert len(snippet.text) < 300
    assert snippet.text.startswith("…слово")
    assert snippet.text.endswith("word…")
    assert marked(snippet) == ["ЁЖ"]


@given(
    SAID, st.lists(st.sampled_from(["a", "b", "й", "ё", "don't", "家", '"a b"', "1", "ß", "ı"]), min_size=1, max_size=3)
)
def test_every_mark_is_something_that_was_searched_for(texts: list[str], query: list[str]) -> None:
    terms = parse(" ".join(query)) or ()
    body, places = search._laid_out(transcript(*texts))
    excerpt = excerpts.find(terms, body, places)

    assert (excerpt.hits > 0) == any(term.needle in body for term in terms) == bool(excerpt.snippets)
    for snippet in excerpt.snippets:
        assert snippet.text == texts[snippet.segment]
        assert snippet.marks
        for begin, end in snippet.marks:
            first = words(snippet.text[begin:end])[0]
            assert any(first.startswith(term.words[0]) for term in terms)


def test_what_a_database_cannot_take_is_left_out_of_the_index_and_no_more() -> None:
    """So that no transcript, however odd, keeps its job from succeeding."""
    many = [f"w{at:0>90}" for at in range(12_000)]
    body, places = search._laid_out(transcript("first", *many, "last"))

    assert body.startswith(" first w")
    assert len(set(body.split())) < 10_000
    assert places.texts[-1] == "last"
