"""The library over HTTP: search, titles, tags, many at once, the trash; on both databases, with two owners."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from stenogram.accounts import audit
from stenogram.accounts import keys as accounts
from stenogram.accounts.keys import Wish
from stenogram.app import enhancing, housekeeping, jobs, library
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.enhancement import EnhanceOptions
from stenogram.errors import Conflict, InternalError
from stenogram.job import Caller
from stenogram.server.asgi import build
from stenogram.store import claims, search, workers
from stenogram.store.tables import jobs as job_table
from stenogram.store.tables import search_documents, tags
from stenogram.types import Segment, Transcript
from tests.service import keep, kept

FOX = Transcript((Segment(0, 0.0, 2.0, "Рыжая лиса."), Segment(1, 2.0, 4.0, "Ёж и лиса!")), 6.0, "ru", model="fake")
DAY_S = 86_400.0


@dataclass
class Site:
    """A server in this process, with a key for each of two owners, and one for an admin."""

    http: TestClient
    house: House
    keys: dict[str, str]

    def ask(self, who: str, method: str, path: str, **given: Any) -> httpx2.Response:
        answer: httpx2.Response = self.http.request(method, path, headers={"x-api-key": self.keys[who]}, **given)
        return answer

    def library(self, who: str = "anna", **query: Any) -> dict[str, Any]:
        answer = self.ask(who, "GET", "/api/v1/library", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ids(self, who: str = "anna", **query: Any) -> list[str]:
        return [item["id"] for item in self.library(who, **query)["items"]]

    def waits(self, owner: str = "anna", name: str = "talk.wav") -> str:
        """A job that waits."""
        recording = self.house.settings.data_dir / name
        recording.parent.mkdir(parents=True, exist_ok=True)
        recording.write_bytes(f"{owner} {name} {time.time_ns()}".encode())
        [job] = jobs.submit(self.house, Caller(owner, admin=False), jobs.Order("v1"), [keep(self.house, recording)])
        recording.unlink()
        return job.id

    def runs(self, owner: str = "anna", name: str = "talk.wav") -> tuple[str, claims.Lease]:
        job_id = self.waits(owner, name)
        with self.house.db.write() as tx:
            claimed = claims.claim(tx, job_id, "w")
        assert claimed is not None
        return job_id, claimed[1]

    def done(self, owner: str = "anna", name: str = "talk.wav", found: Transcript = FOX) -> str:
        """A job that succeeded."""
        job_id, lease = self.runs(owner, name)
        with self.house.db.write() as tx:
            claims.succeed(tx, lease, found, None, cached=False)
        return job_id

    def failed(self) -> str:
        job_id, lease = self.runs()
        with self.house.db.write() as tx:
            claims.fail(tx, lease, InternalError(cause="no luck"), shared=False)
        return job_id

    def audited(self) -> list[tuple[str, str, str | None]]:
        """Action, subject and actor of what was done to jobs, oldest first."""
        entries = audit.listing(self.house.db)
        return [(each.action, each.subject, each.actor) for each in entries if each.action.startswith("job_")][::-1]


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    server = ServerSettings(database_url=database_url, min_free_disk_mb=0, enhance="never")
    with House.open(Settings(home=str(tmp_path / "home")), server) as house:
        with house.db.write() as tx:
            workers.register(tx, "w", "here", 1, "cpu")
        owners = (("anna", "transcribe"), ("bert", "transcribe"), ("boss", "admin"), ("eye", "read"))
        keys = {owner: accounts.create(house.db, Wish(owner, scopes=(scope,)))[0] for owner, scope in owners}
        with TestClient(build(house), base_url="http://localhost:8000", raise_server_exceptions=False) as http:
            yield Site(http, house, keys)


def test_a_search_tells_where_to_listen(site: Site) -> None:
    one = site.done()
    site.done(found=Transcript((Segment(0, 0.0, 1.0, "Ничего."),), 1.0, "ru", model="fake"))
    page = site.library(q="ЕЖ лис")

    assert (page["total"], page["next"]) == (1, None)
    [item] = page["items"]
    assert item["snippets"] == [
        {"segment": 1, "start": 2.0, "text": "Ёж и лиса!", "marks": [[0, 2], [5, 9]]},
        {"segment": 0, "start": 0.0, "text": "Рыжая лиса.", "marks": [[6, 10]]},
    ]
    expected: dict[str, Any] = {
        "id": one,
        "title": None,
        "filename": "talk.wav",
        "state": "succeeded",
        "model": "fake",
        "hits": 2,
    }
    expected |= {"language": "ru", "duration": 6.0, "tags": [], "version": 0, "kept": True, "deleted_at": None}
    expected |= {"error": None, "speakers": None, "position": None, "llm_enhancement_status": "skipped"}
    assert {name: item[name] for name in expected} == expected


def test_the_queue_and_failures_are_listed_too(site: Site) -> None:
    failed, waits = site.failed(), site.waits()
    found = {item["id"]: item for item in site.library()["items"]}

    assert found[failed]["error"] == {"code": "internal_error", "message": str(InternalError(cause="no luck"))}
    assert (found[waits]["position"], found[waits]["state"], found[waits]["snippets"]) == (1, "queued", [])


def test_pages_go_on_where_the_one_before_ended_though_others_come(site: Site) -> None:
    there = [site.done(name=f"{at}.wav") for at in range(5)][::-1]
    for sort in ("-created", "-title"):
        first = site.library(limit=2, sort=sort)
        new = site.done(name="new.wav" if sort == "-created" else "00.wav")
        second = site.library(limit=2, sort=sort, cursor=first["next"])
        third = site.library(limit=9, sort=sort, cursor=second["next"])
        seen = [item["id"] for page in (first, second, third) for item in page["items"]]
        assert [job_id for job_id in seen if job_id in there] == there
        assert third["next"] is None
        site.ask("anna", "DELETE", f"/api/v1/jobs/{new}")


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        *("x", "bm8", "WyItdGl0bGUiLDEsImEiXQ", "WyItY3JlYXRlZCIsIngiLCJhIl0", "é"),
        cursor('["-created",1' + "0" * 400 + ',"a"]'),
        cursor(r'["-created",1,"\ud800"]'),
        cursor("[" * 5000),
    ],
    ids=range(8),
)
def test_a_cursor_of_no_page_is_refused(site: Site, cursor: str) -> None:
    answer = site.ask("anna", "GET", "/api/v1/library", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "cursor")


def test_odd_filters_find_nothing_and_fail_nothing(site: Site) -> None:
    site.done()

    for name in ("tag", "model", "language", "q"):
        assert site.ids(**{name: "a\0b'\\"}) == []


def test_more_tags_than_a_recording_can_have_are_refused(site: Site) -> None:
    """SQLite takes a condition of a thousand parts; beyond that it would be said that the database is not there."""
    answer = site.ask("anna", "GET", "/api/v1/library", params={"tag": [f"t{n}" for n in range(1500)]})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "tag")


def test_titles_and_tags(site: Site) -> None:
    one = site.done()
    wish = {"title": "  Совет\n директоров ", "tags": ["b", " a  x ", "b"]}
    view = site.ask("anna", "PATCH", f"/api/v1/jobs/{one}", json=wish).json()

    assert (view["title"], view["tags"], view["version"]) == ("Совет директоров", ["a x", "b"], 0)
    assert site.ids(q="совет") == site.ids(q="talk") == site.ids(tag="a x") == [one]
    view = site.ask("anna", "PATCH", f"/api/v1/jobs/{one}", json={"tags": []}).json()
    assert (view["title"], view["tags"]) == ("Совет директоров", [])
    assert site.ask("anna", "PATCH", f"/api/v1/jobs/{one}", json={"title": None}).json()["title"] is None
    assert site.ids(q="совет") == []


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"title": "x" * 201}, "title"),
        ({"title": "y", "tags": ["x" * 51]}, "tags"),
        ({"title": "y", "tags": [" "]}, "tags"),
    ],
)
def test_what_cannot_be_a_title_or_tag_changes_nothing(site: Site, wish: dict[str, Any], param: str) -> None:
    one = site.done()
    answer = site.ask("anna", "PATCH", f"/api/v1/jobs/{one}", json=wish)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    view = site.ask("anna", "GET", f"/api/v1/jobs/{one}").json()
    assert (view["title"], view["tags"]) == (None, [])
    many = site.ask("anna", "PATCH", f"/api/v1/jobs/{one}", json={"tags": [str(at) for at in range(31)]})
    assert many.status_code == 400
    assert site.ask("anna", "GET", "/api/v1/library/facets").json()["tags"] == []


def test_facets(site: Site) -> None:
    one, two = site.done(), site.done()
    site.waits()
    for job_id in (one, two):
        site.ask("anna", "PATCH", f"/api/v1/jobs/{job_id}", json={"tags": ["x", "y"] if job_id == one else ["y"]})
    site.ask("anna", "POST", f"/api/v1/jobs/{site.done()}/trash")

    assert site.ask("anna", "GET", "/api/v1/library/facets").json() == {
        "tags": [{"tag": "y", "count": 2}, {"tag": "x", "count": 1}],
        "models": [{"model": "fake", "count": 2}],
        "languages": [{"language": "ru", "count": 2}],
        "states": {"succeeded": 2, "queued": 1},
        "trash": 1,
    }


# --- whose ---


def test_another_owner_sees_and_changes_nothing(site: Site) -> None:
    one = site.done()
    site.ask("anna", "PATCH", f"/api/v1/jobs/{one}", json={"tags": ["secret"]})
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", f"/api/v1/jobs/{one}", {"json": {"title": "mine"}}),
        ("POST", f"/api/v1/jobs/{one}/trash", {}),
        ("POST", f"/api/v1/jobs/{one}/restore", {}),
    ]
    for method, path, given in requests:
        assert site.ask("bert", method, path, **given).status_code == 404
        assert site.ask("eye", method, path, **given).status_code == 403

    assert site.library("bert", q="лиса") == {"items": [], "next": None, "total": 0}
    assert site.ids("bert", tag="secret") == []
    assert site.ask("bert", "GET", "/api/v1/library/facets").json()["tags"] == []
    for action in ("trash", "restore", "purge", "tag", "untag", "cancel", "retry"):
        order = {"ids": [one, "absent"], "action": action, "tag": "x"}
        answer = site.ask("bert", "POST", "/api/v1/library/bulk", json=order).json()
        assert answer["done"] == []
        assert [(each["id"], each["code"]) for each in answer["failed"]] == [
            (one, "not_found"),
            ("absent", "not_found"),
        ]
    assert site.ids("boss", q="лиса") == site.ids("anna", tag="secret") == [one]
    assert site.audited() == []


# --- the trash ---


def test_what_is_in_the_trash_is_not_found_until_it_comes_back_whole(site: Site) -> None:
    one = site.done()
    site.ask("anna", "PATCH", f"/api/v1/jobs/{one}", json={"title": "Fox", "tags": ["x"]})
    view = site.ask("anna", "POST", f"/api/v1/jobs/{one}/trash").json()
    assert (view["state"], view["tags"], view["deleted_at"] is not None) == ("succeeded", ["x"], True)

    assert site.ask("anna", "POST", f"/api/v1/jobs/{one}/trash").json()["deleted_at"] == view["deleted_at"]
    paths = [f"/api/v1/jobs/{one}{part}" for part in ("", "/events", "/callback")] + [f"/api/v1/transcriptions/{one}"]
    paths += [f"/api/v1/transcriptions/{one}{part}" for part in ("/speakers", "/enhancement")]
    assert {site.ask("anna", "GET", path).status_code for path in paths} == {404}
    assert site.ask("anna", "PATCH", f"/api/v1/jobs/{one}", json={"title": "no"}).status_code == 404
    assert site.ask("anna", "DELETE", f"/api/v1/jobs/{one}").status_code == 404
    assert (site.ids(q="лиса"), site.ids(q="лиса", trash=True)) == ([], [one])
    assert site.ask("anna", "GET", "/api/v1/jobs").json()["jobs"] == []
    restored = site.ask("anna", "POST", f"/api/v1/jobs/{one}/restore").json()
    assert (restored["title"], restored["tags"], restored["deleted_at"]) == ("Fox", ["x"], None)
    assert site.ask("anna", "GET", f"/api/v1/transcriptions/{one}").json()["text"] == FOX.text
    assert site.ids(q="fox лиса") == [one]
    assert len(kept(site.house)) == 1
    assert site.ask("anna", "POST", f"/api/v1/jobs/{one}/restore").status_code == 200
    assert site.audited() == [("job_trashed", one, "anna"), ("job_restored", one, "anna")]


def test_what_is_under_way_is_cancelled_and_can_be_tried_again_once_it_is_back(site: Site) -> None:
    waits = site.waits()
    runs, lease = site.runs()
    for job_id in (waits, runs):
        assert site.ask("anna", "POST", f"/api/v1/jobs/{job_id}/trash").status_code == 200
    with site.house.db.write() as tx:
        assert claims.cancel_requested(tx.connection, lease)
        claims.end_cancelled(tx, lease)

    for job_id in (waits, runs):
        assert site.ask("anna", "POST", f"/api/v1/jobs/{job_id}/retry").status_code == 404
        assert site.ask("anna", "POST", f"/api/v1/jobs/{job_id}/restore").json()["state"] == "cancelled"
        assert site.ask("anna", "POST", f"/api/v1/jobs/{job_id}/retry").json()["state"] == "queued"


def test_the_clean_up_of_a_text_ends_with_it(site: Site) -> None:
    one = site.done()
    with site.house.db.write() as tx:
        workers.register(tx, "c", "here", 2, "chat")
    asked = enhancing.submit(site.house, Caller("anna", admin=False), one, EnhanceOptions())
    site.ask("anna", "POST", f"/api/v1/jobs/{one}/trash")

    assert jobs.find_any(site.house, asked.job.id).state == "cancelled"


def test_a_purge_leaves_nothing(site: Site) -> None:
    one = site.done()
    site.ask("anna", "PATCH", f"/api/v1/jobs/{one}", json={"tags": ["x"]})
    purge = {"ids": [one], "action": "purge"}
    refused = site.ask("anna", "POST", "/api/v1/library/bulk", json=purge).json()
    assert [each["code"] for each in refused["failed"]] == ["conflict"]

    site.ask("anna", "POST", f"/api/v1/jobs/{one}/trash")
    assert site.ask("anna", "POST", "/api/v1/library/bulk", json=purge).json() == {"done": [one], "failed": []}
    assert kept(site.house) == []
    with site.house.db.read() as connection:
        for table in (job_table, search_documents, tags):
            assert connection.execute(select(table)).all() == []
    assert site.audited() == [("job_trashed", one, "anna"), ("job_deleted", one, "anna")]


def test_the_trash_empties_itself(site: Site) -> None:
    old, young = site.done(), site.done()
    for job_id, days in ((old, 31), (young, 29)):
        site.ask("anna", "POST", f"/api/v1/jobs/{job_id}/trash")
        with site.house.db.write() as tx:
            gone = {"deleted_at": time.time() - days * DAY_S}
            tx.connection.execute(update(job_table).where(job_table.c.id == job_id).values(gone))
    housekeeping.tidy(site.house)

    assert site.ids(trash=True) == [young]
    assert len(kept(site.house)) == 1
    [entry] = [each for each in audit.listing(site.house.db) if each.action == "job_deleted"]
    assert (entry.subject, entry.actor, entry.actor_name) == (old, None, audit.ITSELF)
    assert entry.detail["why"] == "trash"


def test_a_trash_that_is_to_be_kept_is_kept(tmp_path: Path, site: Site) -> None:
    one = site.done()
    site.ask("anna", "POST", f"/api/v1/jobs/{one}/trash")
    with site.house.db.write() as tx:
        tx.connection.execute(update(job_table).values(deleted_at=1.0))
    site.house.server = ServerSettings(database_url=site.house.server.database_url, trash_days=0)
    housekeeping.tidy(site.house)

    assert site.ids(trash=True) == [one]


@pytest.mark.parametrize("emptied", [True, False], ids=["by itself", "by its owner"])
def test_what_is_taken_from_the_trash_at_the_last_moment_is_not_deleted(
    site: Site, monkeypatch: pytest.MonkeyPatch, emptied: bool
) -> None:
    """Between the look at what is in the trash, and its deletion."""
    one = site.done()
    site.ask("anna", "POST", f"/api/v1/jobs/{one}/trash")
    with site.house.db.write() as tx:
        tx.connection.execute(update(job_table).values(deleted_at=1.0))
    erasing = jobs.erasing

    def late(*given: Any, **detail: Any) -> Any:
        library.restore(site.house, Caller("anna", admin=False), one)
        return erasing(*given, **detail)

    monkeypatch.setattr(jobs, "erasing", late)
    if emptied:
        library.empty_trash(site.house)
    else:
        with pytest.raises(Conflict):
            library.purge(site.house, Caller("anna", admin=False), one)

    assert site.ids() == [one]
    assert len(kept(site.house)) == 1
    assert ("job_deleted", one, None) not in site.audited()


def test_a_deletion_for_good_is_written_down(site: Site) -> None:
    one = site.done()

    assert site.ask("anna", "DELETE", f"/api/v1/jobs/{one}").status_code == 204
    assert site.audited() == [("job_deleted", one, "anna")]


# --- many at once ---


def test_what_cannot_be_done_to_one_is_done_to_the_others(site: Site) -> None:
    one, two, failed = site.done(), site.done(), site.failed()

    def bulk(action: str, *ids: str, **more: Any) -> tuple[list[str], list[tuple[str, str]]]:
        answer = site.ask("anna", "POST", "/api/v1/library/bulk", json={"ids": ids, "action": action, **more}).json()
        return answer["done"], [(each["id"], each["code"]) for each in answer["failed"]]

    assert bulk("tag", one, two, one, tag=" x ") == ([one, two], [])
    assert bulk("untag", one, tag="x") == ([one], [])
    assert site.ids(tag="x") == [two]
    assert bulk("retry", one, failed) == ([failed], [(one, "conflict")])
    assert bulk("cancel", failed, one) == ([failed], [(one, "conflict")])
    assert bulk("trash", one, "absent", two) == ([one, two], [("absent", "not_found")])
    assert bulk("restore", one) == ([one], [])
    assert site.ids(q="лиса") == [one]
    for order in (
        {"ids": [one], "action": "tag"},
        {"ids": [one], "action": "eat"},
        {"ids": ["x"] * 501, "action": "trash"},
    ):
        assert site.ask("anna", "POST", "/api/v1/library/bulk", json=order).status_code == 400


# --- what was there before ---


def test_old_recordings_are_put_into_the_index_while_the_server_runs(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the thread of the server does it at the start; what was interrupted goes on."""
    old = [site.done(name=f"{at}.wav") for at in range(5)][::-1]
    with site.house.db.write() as tx:
        tx.connection.execute(search_documents.delete())
    monkeypatch.setattr(housekeeping, "_INDEXED_AT_ONCE", 2)
    monkeypatch.setattr(housekeeping, "_TELL_EVERY", 2)
    stopped = threading.Event()
    stopped.set()
    with caplog.at_level("INFO", "stenogram"):
        assert housekeeping.index_old(site.house, stopped) == 0
        assert site.ids() == old
        assert housekeeping.index_old(site.house) == 5
        assert housekeeping.index_old(site.house) == 0

    assert site.ids(q="лиса") == old
    assert "search: 4 of 5 recordings are in the index" in caplog.messages
    with site.house.db.read() as connection:
        assert search.missing(connection) == 0
