# ruff: noqa: RUF001 - Cyrillic is what is tested
"""What the index of words and the list of recordings must do, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text, update

from stenogram.job import Job, Media
from stenogram.store import claims, jobs, library, results, search
from stenogram.store.database import Database
from stenogram.store.jobs import NewJob
from stenogram.store.library import Page, Wanted, Whose
from stenogram.store.query import parse
from stenogram.store.tables import jobs as job_table
from stenogram.store.tables import search_documents, transcript_versions
from stenogram.types import Segment, Transcript

ANN = Whose("ann")
ALL = Whose(None, everybody=True)


def transcript(*texts: str, **facts: Any) -> Transcript:
    segments = tuple(Segment(at, at * 2.0, at * 2.0 + 1, each) for at, each in enumerate(texts))
    return replace(Transcript(segments, 100.0, "ru", model="tiny"), **facts)


def put(db: Database, filename: str = "a.wav", owner: str | None = "ann", **changes: Any) -> Job:
    with db.write() as tx:
        media = Media("file:///x", "digest", 1, filename)
        return jobs.put(tx, NewJob("v1", media, "auto", {}, owner=owner, **changes))[0]


def said(db: Database, *texts: str, filename: str = "a.wav", owner: str | None = "ann", **facts: Any) -> str:
    """The id of a job that found this."""
    job = put(db, filename, owner)
    found = transcript(*texts, **facts)
    with db.write() as tx:
        claims.answer(tx, job.id, found, results.pack(found))
    return job.id


def listed(db: Database, query: str = "", whose: Whose = ANN, **wanted: Any) -> Page:
    with db.read() as connection:
        return library.listing(connection, whose, Wanted(terms=parse(query), **wanted))


def ids(page: Page) -> list[str]:
    return [item.job.id for item in page.items]


def found(db: Database, query: str, **wanted: Any) -> list[str]:
    return ids(listed(db, query, **wanted))


def index_size(db: Database) -> int:
    """Entries of the index of words itself."""
    with db.read() as connection:
        if db.dialect == "sqlite":
            query = "SELECT count(*) FROM search_index WHERE search_index MATCH 'findme'"
        else:
            query = "SELECT count(*) FROM search_documents WHERE words @@ 'findme'::tsquery"
        return int(connection.execute(text(query)).scalar_one())


# --- finding ---


def test_every_word_must_be_somewhere_in_text_or_name(db: Database) -> None:
    one = said(db, "Красная лиса.", "Ёж и гриб.", filename="Лес_2024.mp3")
    other = said(db, "Красный гриб.")

    assert found(db, "крас гриб") == [other, one]
    assert found(db, "ЕЖ лиса 2024 mp3") == [one]
    assert found(db, "красн ёжик") == []
    assert found(db, "рибы") == []
    assert found(db, "") == [other, one]
    assert found(db, "🙂") == []


def test_phrases_are_exact_and_go_over_segments(db: Database) -> None:
    one = said(db, "one two", "", "three four")

    assert found(db, '"one two"') == found(db, '"two three"') == found(db, '"one two three four"') == [one]
    assert found(db, '"two one"') == found(db, '"one tw"') == found(db, '"a wav one"') == []
    assert found(db, '"a wav"') == [one]


def test_a_word_of_several_parts_is_found_by_its_beginning(db: Database) -> None:
    one = said(db, "I don't use e-mail; 3.14159")

    assert found(db, "don't") == found(db, "DON’T") == found(db, "e-mai") == found(db, "3.14") == [one]
    assert found(db, "don'use") == []


def test_a_hit_opens_where_it_is(db: Database) -> None:
    said(db, "Nothing.", "The red fox.", "A fox.")
    [item] = listed(db, "fox red").items

    assert item.excerpts.hits == 2
    assert [(each.segment, each.start, each.text) for each in item.excerpts.snippets] == [
        (1, 2.0, "The red fox."),
        (2, 4.0, "A fox."),
    ]
    assert item.excerpts.snippets[0].marks == ((4, 7), (8, 11))


def test_what_is_in_the_name_alone_has_no_hits(db: Database) -> None:
    said(db, "Nothing.", filename="fox.wav")
    [item] = listed(db, "fox").items

    assert (item.excerpts.hits, item.excerpts.snippets) == (0, ())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.text(max_size=30))
@example('"')
@example("a AND NOT (b OR NEAR c)* ^d -e {f g}:h + ' \\ & | ! :* <-> ''")
@example("\0\ud800")
@example("x" * 3000)
@example("家" * 300)
@example("a-" * 150)
def test_any_text_is_a_query_for_which_nothing_fails(db: Database, query: str) -> None:
    page = listed(db, query, ALL)

    assert page.total == len(page.items) == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.text(max_size=40), st.text(max_size=20))
@example("И\u0306 ½ ﬁ İ ß \ud7ff 👩‍👧 \U0001f9ff", "x")
def test_any_text_is_found_by_each_of_its_words(db: Database, text: str, name: str) -> None:
    """Names and texts of every kind can be stored, too."""
    one = said(db, text, filename="a.wav")
    with db.write() as tx:
        search.name(tx, one, name)

    for word in parse(text.replace('"', " ")) or ():
        assert one in found(db, word.needle)
        assert one in found(db, f'"{word.needle}"')
    with db.write() as tx:
        jobs.remove(tx, [one])


# --- keeping the index ---


def test_identical_jobs_are_all_found(db: Database) -> None:
    """One that waited for the same, and one that was answered at once."""
    first, twin = put(db, dedupe_key="same"), put(db, dedupe_key="same")
    with db.write() as tx:
        claimed = claims.claim(tx, first.id, "w")
        assert claimed is not None
        claims.succeed(tx, claimed[1], transcript("findme"), None, cached=False)

    assert set(found(db, "findme")) == {first.id, twin.id}


def test_a_saved_version_takes_the_place_of_what_was_found(db: Database) -> None:
    one = said(db, "findme")
    with db.write() as tx:
        search.index(tx, one, transcript("another", "text"))

    assert (found(db, "findme"), found(db, "another"), found(db, "wav")) == ([], [one], [one])
    assert index_size(db) == 0


def test_a_title_is_found_and_so_is_the_files_name_still(db: Database) -> None:
    job = put(db, "talk.wav")
    with db.write() as tx:
        library.put_title(tx, job, "Совет директоров")
    assert found(db, "совет") == found(db, "talk") == [job.id]

    with db.write() as tx:
        library.put_title(tx, job, None)
    assert (found(db, "совет"), found(db, "talk")) == ([], [job.id])


def test_with_a_job_its_words_go(db: Database) -> None:
    one = said(db, "findme")
    assert index_size(db) == 1

    with db.write() as tx:
        jobs.remove(tx, [one])
    assert index_size(db) == 0
    assert search.settle(db) == (db.dialect == "sqlite")
    assert not search.settle(db)
    with db.read() as connection:
        assert connection.execute(search_documents.select()).all() == []
        if db.dialect == "sqlite":
            blocks = connection.execute(text("SELECT block FROM search_index_data")).scalars()
            assert not any(b"findme" in block for block in blocks)


def test_a_transaction_that_fails_leaves_the_index_as_it_was(db: Database) -> None:
    one = said(db, "findme")

    def fail() -> None:
        with db.write() as tx:
            search.index(tx, one, transcript("other"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert (found(db, "findme"), found(db, "other")) == ([one], [])


def test_what_was_there_before_is_put_in_batch_by_batch(db: Database) -> None:
    """The last version of each; one that cannot be read is only not found by its text."""
    old = [said(db, "findme", filename=f"{at}.wav") for at in range(5)]
    broken, waits = said(db, "findme"), put(db, "waits.wav").id
    with db.write() as tx:
        edited = {"changes": 1, "created_at": 0.0, "saved_at": 0.0}
        for number, word in ((1, "first"), (2, "second")):
            version = {"job_id": old[0], "number": number, "transcript": results.pack(transcript(word)), **edited}
            tx.connection.execute(insert(transcript_versions).values(version))
        tx.connection.execute(
            text("UPDATE results SET transcript = :no WHERE job_id = :id"), {"no": b"?", "id": broken}
        )
        tx.connection.execute(search_documents.delete())
    with db.read() as connection:
        assert search.missing(connection) == 7
    assert found(db, "findme") == []

    steps = []
    while True:
        with db.write() as tx:
            steps.append(search.catch_up(tx, 3))
        if not steps[-1]:
            break
    assert steps == [3, 3, 1, 0]
    assert set(found(db, "findme")) == set(old[1:])
    assert (found(db, "second"), found(db, "first"), found(db, "waits")) == ([old[0]], [], [waits])
    with db.read() as connection:
        assert search.missing(connection) == 0


# --- whose ---


def test_nobody_finds_what_is_another_owners(db: Database) -> None:
    mine, theirs, nobodys = said(db, "findme"), said(db, "findme", owner="ben"), said(db, "findme", owner=None)
    with db.write() as tx:
        for job_id, name in ((mine, "mine"), (theirs, "theirs")):
            library.tag(tx, job_id, [name])

    assert found(db, "findme") == [mine]
    assert found(db, "", tags=["theirs"]) == []
    assert ids(listed(db, "findme", Whose("ben"))) == [theirs]
    assert ids(listed(db, "findme", Whose(None))) == [nobodys]
    assert set(ids(listed(db, "findme", ALL))) == {mine, theirs, nobodys}
    with db.read() as connection:
        assert library.facets(connection, ANN).tags == {"mine": 1}
        assert library.facets(connection, Whose("cid")) == library.Facets()
        assert library.facets(connection, ALL).tags == {"mine": 1, "theirs": 1}


# --- the list ---


def test_what_a_recording_is_listed_with(db: Database) -> None:
    spoken = (
        Segment(0, 0, 1, "a", speaker="S0"),
        Segment(1, 1, 2, "b", speaker="S1"),
        Segment(2, 2, 3, "c", speaker="S2"),
    )
    job = put(db)
    with db.write() as tx:
        found_ = Transcript(spoken, 3.0, "de", model="small")
        claims.answer(tx, job.id, found_, results.pack(found_))
        results.name(tx, job.id, {"S0": "Ann", "S2": "Ann"})
        library.tag(tx, job.id, ["b", "a", "b"])
        values = {"job_id": job.id, "changes": 1, "created_at": 0.0, "saved_at": 0.0, "transcript": b""}
        tx.connection.execute(insert(transcript_versions), [{**values, "number": number} for number in (1, 2)])
    waits, next_ = put(db), put(db)
    [third, second, first] = listed(db).items

    assert (first.model, first.language, first.speakers, first.labels) == (
        "small",
        "de",
        2,
        library.Labels(("a", "b"), 2),
    )
    assert (second.model, second.language, second.speakers, second.labels) == ("auto", None, None, library.Labels())
    assert [(each.job.id, each.job.position) for each in (second, third)] == [(waits.id, 1), (next_.id, 2)]


def test_filters(db: Database) -> None:
    german = said(db, "a", language="de", model="big")
    russian = said(db, "a")
    waits = put(db, language="fr").id
    with db.write() as tx:
        library.tag(tx, german, ["x", "y"])
        library.tag(tx, russian, ["x"])

    assert (
        found(db, "", states=["queued"]) == found(db, "", languages=["fr"]) == found(db, "", models=["auto"]) == [waits]
    )
    assert found(db, "", languages=["de", "fr"]) == [waits, german]
    assert found(db, "", models=["big"]) == found(db, "", tags=["x", "y"]) == found(db, "a", tags=["y"]) == [german]
    assert found(db, "", tags=["x"]) == [russian, german]
    created = listed(db, "").items[1].job.created_at
    assert (found(db, "", since=created), found(db, "", until=created)) == ([waits, russian], [german])
    with db.read() as connection:
        facets = library.facets(connection, ANN)
    assert (facets.tags, facets.models) == ({"x": 2, "y": 1}, {"big": 1, "tiny": 1})
    assert (facets.languages, facets.states) == ({"de": 1, "ru": 1}, {"succeeded": 2, "queued": 1})


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("order", ["created", "title", "duration"])
def test_pages_hold_all_in_order_each_once(db: Database, order: library.Order, *, descending: bool) -> None:
    names = ["б.wav", "Ё.wav", "a.wav", "B.wav", "b.wav", "я.wav", "b.wav"]
    put_in = [said(db, "findme", filename=name, duration=float(at % 3)) for at, name in enumerate(names)]
    put_in.append(put(db, "findme.wav").id)
    seen, page, after = [], 0, None
    while True:
        found_ = listed(db, "findme", order=order, descending=descending, after=after, limit=3)
        assert found_.total == 8
        seen += [(item.key, item.job.id) for item in found_.items]
        page += 1
        if not found_.more:
            break
        after = seen[-1]

    assert page == 3
    assert seen == sorted(seen, reverse=descending)
    assert {job_id for _, job_id in seen} == set(put_in)
    if order == "title":
        in_order = [" a wav ", " b wav ", " b wav ", " b wav ", " findme wav ", " б wav ", " е wav ", " я wav "]
        assert [key for key, _ in seen] == (in_order[::-1] if descending else in_order)
    if order == "created":
        assert [job_id for _, job_id in seen] == (put_in[::-1] if descending else put_in)


# --- the trash ---


def trashed(db: Database, job_id: str, at: float = 1.0) -> None:
    with db.write() as tx:
        library.put_into_trash(tx, job_id, at)


def test_what_is_in_the_trash_is_nowhere_else(db: Database) -> None:
    one, other = said(db, "findme"), said(db, "findme")
    with db.write() as tx:
        library.tag(tx, one, ["x"])
    trashed(db, one)

    assert (found(db, "findme"), found(db, "findme", trash=True)) == ([other], [one])
    with db.read() as connection:
        assert jobs.find(connection, one) is None
        assert jobs.find(connection, one, trashed=True) is not None
        assert [job.id for job in jobs.listing(connection, jobs.Filter())] == [other]
        assert jobs.counts(connection)["succeeded"] == 1
        facets = library.facets(connection, ANN)
        assert (facets.tags, facets.states, facets.trash) == ({}, {"succeeded": 1}, 1)
        assert library.facets(connection, Whose("ben")).trash == 0
    with db.write() as tx:
        library.take_from_trash(tx, one)
    assert found(db, "findme", tags=["x"]) == [one]


def test_the_oldest_leave_the_trash_first(db: Database) -> None:
    old, young, never = (said(db, "a") for _ in range(3))
    trashed(db, young, 20.0)
    trashed(db, old, 10.0)

    with db.read() as connection:
        gone: Sequence[Job] = library.trashed_before(connection, 20.0)
    assert [job.id for job in gone] == [old]
    assert found(db, "") == [never]


def test_a_job_that_ends_in_the_trash_is_found_when_it_comes_back(db: Database) -> None:
    job = put(db)
    trashed(db, job.id)
    with db.write() as tx:
        claims.answer(tx, job.id, transcript("findme"), results.pack(transcript("findme")))
        tx.connection.execute(update(job_table).values(deleted_at=None))

    assert found(db, "findme") == [job.id]
