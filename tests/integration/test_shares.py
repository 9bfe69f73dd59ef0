"""Links to a transcript: what they open, to whom, for how long, and what they never tell."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert, update
from starlette.testclient import TestClient

from stenogram.accounts import audit
from stenogram.accounts import keys as accounts
from stenogram.accounts.keys import Wish
from stenogram.app import housekeeping, jobs, shares
from stenogram.app.house import House
from stenogram.bundled import asset
from stenogram.config import ServerSettings, Settings
from stenogram.job import Caller
from stenogram.server.asgi import build
from stenogram.store import claims
from stenogram.store import shares as rows
from stenogram.store.tables import jobs as job_table
from stenogram.store.tables import shares as share_table
from stenogram.store.tables import users
from stenogram.types import Segment, SpeakerTurn, Transcript, Word
from tests.service import keep

A = "SPEAKER_00"
CALL = Transcript(
    segments=(Segment(0, 0.0, 2.0, "Hello there.", (Word("Hello", 0.0, 1.0), Word("there.", 1.0, 2.0)), speaker=A),),
    duration=3.0,
    model="fake",
    language="en",
    turns=(SpeakerTurn(0.0, 2.0, A),),
    warnings=("the file /srv/secret.wav was odd",),
)
ANN = Caller("anna", admin=False, name="Ann", address="192.0.2.7")


@dataclass
class Site:
    """A server in this process; anna has a key, and a transcript."""

    http: TestClient
    house: House
    key: str
    job: str

    def ask(self, method: str, path: str, key: str | None = None, **given: Any) -> httpx2.Response:
        headers = {"x-api-key": self.key if key is None else key}
        answer: httpx2.Response = self.http.request(method, f"/api/v1{path}", headers=headers, **given)
        return answer

    def share(self, **wish: Any) -> dict[str, Any]:
        made = self.ask("POST", f"/transcriptions/{self.job}/shares", json=wish)
        assert made.status_code == 201, made.text
        found: dict[str, Any] = made.json()
        return found

    def follow(self, token: str, rest: str = "") -> httpx2.Response:
        """As anybody who has the link: without a key."""
        answer: httpx2.Response = self.http.get(f"/api/v1/shared/{token}{rest}")
        return answer

    def change(self, **values: Any) -> None:
        """In the row of every share."""
        with self.house.db.write() as tx:
            tx.connection.execute(update(share_table).values(**values))


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    server = ServerSettings(database_url=database_url, min_free_disk_mb=0)
    with House.open(Settings(home=str(tmp_path)), server) as house:
        recording = keep(house, asset("assets/beckett.wav"), "my secret talk.wav")
        [job] = jobs.submit(house, ANN, jobs.Order("v1"), [recording])
        with house.db.write() as tx:
            claimed = claims.claim(tx, job.id, "w")
            assert claimed is not None
            claims.succeed(tx, claimed[1], CALL, None, cached=False)
        key = accounts.create(house.db, Wish("anna"))[0]
        with TestClient(build(house), base_url="http://localhost:8000", raise_server_exceptions=False) as http:
            yield Site(http, house, key, job.id)


def test_a_link_opens_its_transcript_to_whoever_has_it(site: Site) -> None:
    site.ask("PATCH", f"/transcriptions/{site.job}/speakers", json={A: "Ben"})
    made = site.share(expires_days=3)
    shown = site.follow(made["token"])
    share = made["share"]

    assert share["expires_at"] == pytest.approx(share["created_at"] + 3 * 86_400)
    assert (share["media"], share["revoked"], share["opened_at"]) == (True, False, None)
    assert made["path"] == f"/app/shared/{made['token']}"
    assert shown.status_code == 200
    assert shown.headers["cache-control"] == "private, no-store"
    assert "noindex" in shown.headers["x-robots-tag"]
    view = shown.json()
    assert (view["title"], view["language"], view["duration"]) == ("my secret talk.wav", "en", 3.0)
    assert view["speakers"] == [{"label": A, "name": "Ben"}]
    assert view["segments"][0]["text"] == "Hello there."
    assert view["segments"][0]["speaker"] == view["turns"][0]["speaker"] == "Ben"
    assert (view["expires_at"], view["has_media"]) == (share["expires_at"], True)


def test_a_link_tells_nothing_but_the_transcript(site: Site) -> None:
    """No id, no owner, no warning that names a file, and no name of the file where there is a title."""
    token = site.share()["token"]
    with site.house.db.write() as tx:
        tx.connection.execute(update(job_table).values(title="A talk"))
    formats = ("txt", "srt", "vtt", "json", "verbose_json", "diarized_json", "tsv", "rttm")
    answers = [site.follow(token), *(site.follow(token, f"/export?format={name}") for name in formats)]
    share_id = site.ask("GET", f"/transcriptions/{site.job}/shares").json()["shares"][0]["id"]

    assert [answer.status_code for answer in answers] == [200] * len(answers)
    for answer in answers:
        for hidden in (site.job, share_id, "anna", "secret", token):
            assert hidden not in answer.text + str(dict(answer.headers)), (hidden, answer.url)
    assert answers[0].json()["title"] == "A talk"
    assert "A%20talk.srt" in answers[2].headers["content-disposition"]


def test_what_opens_is_told_once_and_stored_hashed(site: Site) -> None:
    made = site.share(media=False, expires_days=365)
    listed = site.ask("GET", f"/transcriptions/{site.job}/shares")
    with site.house.db.read() as connection:
        [row] = connection.execute(share_table.select()).all()

    assert len(made["token"]) == 43
    assert made["token"] not in listed.text
    assert made["token"] not in str(tuple(row))
    assert listed.json()["shares"] == [made["share"]]
    assert site.follow(made["token"]).json()["has_media"] is False


@pytest.mark.parametrize(
    "wish", [{"expires_days": 0}, {"expires_days": 366}, {"expires_days": 1.5}, {"media": "maybe"}]
)
def test_a_link_that_cannot_be_is_not_made(site: Site, wish: dict[str, Any]) -> None:
    assert site.ask("POST", f"/transcriptions/{site.job}/shares", json=wish).status_code == 400
    assert site.ask("GET", f"/transcriptions/{site.job}/shares").json() == {"shares": []}


def test_without_a_transcript_there_is_no_link(site: Site) -> None:
    [waiting] = jobs.submit(site.house, ANN, jobs.Order("v1"), [keep(site.house, asset("assets/two_cities.wav"))])

    assert site.ask("POST", f"/transcriptions/{waiting.id}/shares").status_code == 409


def test_whatever_is_wrong_with_a_link_the_answer_is_the_same(site: Site) -> None:
    """Nobody learns whether there once was one."""
    token = site.share()["token"]
    with site.house.db.read() as connection:
        [row] = connection.execute(share_table.select()).all()
    answers = [site.follow("x" * 43), site.follow(token[:-1])]
    for wrong in ({"expires_at": 1.0}, {"revoked_at": 1.0}):
        site.change(**wrong)
        answers += [site.follow(token), site.follow(token, "/export?format=txt")]
        site.change(expires_at=row.expires_at, revoked_at=None)
        assert site.follow(token).status_code == 200
    with site.house.db.write() as tx:
        tx.connection.execute(update(job_table).values(deleted_at=1.0))
    answers.append(site.follow(token))
    with site.house.db.write() as tx:
        tx.connection.execute(update(job_table).values(deleted_at=None))
    assert site.follow(token).status_code == 200
    assert site.ask("DELETE", f"/jobs/{site.job}").status_code == 204
    answers.append(site.follow(token))

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


def test_a_link_that_was_taken_back_opens_nothing_more(site: Site) -> None:
    first, second = site.share(), site.share()
    assert site.ask("DELETE", f"/shares/{first['share']['id']}").status_code == 204
    assert site.ask("DELETE", f"/shares/{first['share']['id']}").status_code == 204

    assert site.follow(first["token"]).status_code == 404
    assert site.follow(second["token"]).status_code == 200
    listed = site.ask("GET", f"/transcriptions/{site.job}/shares").json()["shares"]
    assert {each["id"]: each["revoked"] for each in listed} == {
        first["share"]["id"]: True,
        second["share"]["id"]: False,
    }


def test_the_links_of_a_user_who_was_deactivated_open_nothing(site: Site) -> None:
    row: dict[str, Any] = {"id": "anna", "email": "a@example.org", "name": "Ann", "password": "-", "role": "user"}
    row |= {"is_active": False, "settings": "{}", "created_at": 0.0, "password_at": 0.0, "must_change": False}
    token = site.share()["token"]
    with site.house.db.write() as tx:
        tx.connection.execute(insert(users).values(**row))

    assert site.follow(token).status_code == 404


def test_a_link_gives_no_right_beside_reading_this_one_transcript(site: Site) -> None:
    token = site.share()["token"]
    for method, path in (
        ("GET", f"/transcriptions/{site.job}"),
        ("GET", f"/transcriptions/{site.job}/document"),
        ("GET", "/jobs"),
        ("DELETE", f"/jobs/{site.job}"),
    ):
        assert site.ask(method, path, token).status_code == 401, path
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert site.http.request(method, f"/api/v1/shared/{token}").status_code == 405


def test_a_link_shows_what_the_owner_made_of_it_since(site: Site) -> None:
    token = site.share()["token"]
    edits = [{"replace": [0], "by": [{"text": "Hello everybody."}]}]
    saved = site.ask("PATCH", f"/transcriptions/{site.job}/document", json={"base": 0, "edits": edits})

    assert saved.status_code == 200, saved.text
    assert site.follow(token).json()["segments"][0]["text"] == "Hello everybody."
    assert "Hello everybody." in site.follow(token, "/export?format=txt").text


def test_links_are_noted_as_they_are_made_opened_and_taken_back(site: Site) -> None:
    """Opened once an hour for each, whoever comes how often."""
    made = site.share()
    for _ in range(3):
        site.follow(made["token"])
    with site.house.db.write() as tx:
        tx.connection.execute(update(share_table).values(opened_at=share_table.c.opened_at - 3600))
    site.follow(made["token"])
    site.ask("DELETE", f"/shares/{made['share']['id']}")
    found = [each for each in audit.listing(site.house.db) if each.action.startswith("share_")][::-1]

    assert [each.action for each in found] == ["share_created", "share_opened", "share_opened", "share_revoked"]
    assert {each.subject for each in found} == {made["share"]["id"]}
    assert [each.actor for each in found] == ["anna", None, None, "anna"]
    assert {each.detail["job"] for each in found} == {site.job}
    assert {each.address for each in found} == {"testclient"}
    assert made["token"] not in repr(found)


def test_the_token_is_not_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    token = site.share()["token"]
    with caplog.at_level(logging.DEBUG, "stenogram"):
        site.follow(token)
        site.follow(token, "/export?format=txt")

    assert "/api/v1/shared/..." in caplog.text
    assert token not in caplog.text


def test_links_that_expired_long_ago_are_forgotten(site: Site) -> None:
    old, new = site.share(), site.share()
    with site.house.db.write() as tx:
        gone = share_table.c.id == old["share"]["id"]
        tx.connection.execute(update(share_table).where(gone).values(expires_at=1.0))
    housekeeping.tidy_daily(site.house)

    assert [each.id for each in shares.listing(site.house, ANN, site.job)] == [new["share"]["id"]]
    with site.house.db.read() as connection:
        assert rows.of_id(connection, old["share"]["id"]) is None
