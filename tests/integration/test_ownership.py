"""What is one user's does not exist for another: every route that there is, walked with another's credentials."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from stenogram.accounts import keys as accounts
from stenogram.accounts import users
from stenogram.accounts.keys import Wish as KeyWish
from stenogram.accounts.passwords import Passwords
from stenogram.accounts.sessions import Origin, csrf_of
from stenogram.accounts.users import Wish as UserWish
from stenogram.app import documents, enhancing, enrol, jobs, perform, shares, speakers, transcripts
from stenogram.app.house import House
from stenogram.bundled import asset
from stenogram.config import ServerSettings, Settings
from stenogram.enhance.edit import Edit, Passage
from stenogram.enhancement import EnhanceOptions
from stenogram.job import Caller
from stenogram.jobs.callbacks.deliver import Deliverer
from stenogram.server.asgi import build
from stenogram.server.auth import COOKIE, SUBPROTOCOL
from stenogram.server.state import State
from stenogram.store import callbacks, claims, schema
from stenogram.store.speakers import Voice
from stenogram.store.tables import metadata
from stenogram.store.users import User
from stenogram.types import Segment, SpeakerTurn, Transcript, Word
from tests.integration.test_access import templates
from tests.service import keep

A = "SPEAKER_00"
CALL = Transcript(
    segments=(Segment(0, 0.0, 2.0, "Zanzibar calling.", (Word("Zanzibar", 0, 1), Word("calling.", 1, 2)), speaker=A),),
    duration=3.0,
    model="fake",
    language="en",
    turns=(SpeakerTurn(0.0, 2.0, A),),
)
WORDS = ("zanzibar", "quokka", "marmalade", "pelican", "wombat")
"""In what was said, an edit, a file's name, a title, a tag, and a speaker's name: of Ann's things alone."""

SHARED = "/api/v1/shared/"
"""What a link opens is for everybody who has it: ``test_shares``."""
NOBODYS = {"name", "model", "path", "number"}
"""Parameters of paths that name nothing that is anybody's own."""
BODIES: Mapping[str, Any] = {
    "PATCH /api/v1/speakers/{speaker_id}": {"name": "Mine"},
    "PATCH /api/v1/jobs/{job_id}": {"title": "Mine", "tags": ["mine"]},
    "PATCH /api/v1/transcriptions/{job_id}/document": {
        "base": 0,
        "edits": [{"replace": [0], "by": [{"text": "Mine"}]}],
    },
    "POST /api/v1/transcriptions/{job_id}/versions/{number}/restore": {"base": 1},
    "PATCH /api/v1/transcriptions/{job_id}/speakers": {A: "Mine"},
    "PATCH /api/v1/users/{user_id}": {"name": "Mine"},
}
"""What a route wants to be told before it looks for what it is about; ``{}`` for the others."""
QUERIES: Mapping[str, str] = {
    "GET /api/v1/transcriptions/{job_id}/preview": "?format=txt",
}
ASKED: Mapping[str, tuple[str, ...]] = {
    "/api/v1/jobs": ("?limit=200", "?batch={batch}", "?text=marmalade"),
    "/api/v1/library": ("?limit=50", "?trash=true", "?tag=wombat", *(f"?q={word}" for word in WORDS)),
}
"""Queries by which lists are tempted to tell of what is another's."""
VOLATILE = {"last_used_at", "seen_at", "expires_at", "heartbeat_at"}
UNWATCHED = {"audit", "workers", "controls", "listeners", "downloads", "sign_in_failures"}


@dataclass
class Intruder:
    """Somebody with credentials of their own."""

    http: TestClient
    user: User
    headers: dict[str, str]
    offered: list[str] = field(default_factory=list)
    """Subprotocols of a WebSocket."""

    @property
    def manages(self) -> bool:
        """Manages users, and so may end whose key it is; reads no recordings of theirs for that."""
        return self.user.role == "admin" and COOKIE in self.headers.get("cookie", "")

    def ask(self, method: str, path: str, **given: Any) -> httpx2.Response:
        answer: httpx2.Response = self.http.request(method, path, headers=self.headers, **given)
        return answer


@dataclass
class Site:
    """A server in this process, and all that Ann has on it."""

    http: TestClient
    house: House
    people: dict[str, User]
    mine: dict[str, list[str]] = field(default_factory=dict)
    """Parameter of a path -> ids of Ann's."""

    @property
    def state(self) -> State:
        return cast("State", self.http.app.state.stenogram)  # type: ignore[attr-defined]

    def caller(self, name: str) -> Caller:
        user = self.people[name]
        return Caller(user.id, scopes=accounts.USER_SCOPES, admin=False, name=user.name, user_id=user.id)

    def ids(self) -> set[str]:
        return {each for found in self.mine.values() for each in found} - {"1"}

    def intruder(self, name: str, how: str) -> Intruder:
        user = self.people[name]
        if how == "key":
            secret, _ = accounts.create(self.house.db, KeyWish("phone"), self.caller(name))
            return Intruder(self.http, user, {"x-api-key": secret}, [SUBPROTOCOL + secret])
        with self.house.db.write() as tx:
            token, _ = self.state.sessions.begin(tx, user, Origin("192.0.2.9"))
        return Intruder(self.http, user, {"cookie": f"{COOKIE}={token}", "x-csrf-token": csrf_of(token)})

    def dump(self) -> dict[str, list[Any]]:
        """All rows, but for what every request may change."""
        with self.house.db.read() as connection:
            return {
                table.name: sorted(
                    map(repr, connection.execute(select(*(c for c in table.c if c.name not in VOLATILE))).all())
                )
                for table in metadata.sorted_tables
                if table.name not in UNWATCHED
            }


@contextmanager
def opened(home: Path, **settings: Any) -> Iterator[Site]:
    server = ServerSettings(callback_allow="127.0.0.1", min_free_disk_mb=0, enhance="never", **settings)
    passwords = Passwords(passes=1, memory_kib=8, lanes=1)
    with House.open(Settings(home=str(home)), server) as house:
        schema.upgrade(house.db)
        people = {
            name: users.create(
                house.db,
                passwords,
                UserWish(f"{name}@example.org", "a long enough one", name, "admin" if name == "chief" else "user"),
                None,
            )
            for name in ("chief", "ann", "bert")
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Deliverer, "start", lambda _self: None)  # nothing is to change by itself
            app = build(house)
            with TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False) as http:
                yield Site(http, house, people)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with opened(tmp_path) as found:
        furnish(found)
        yield found


def transcribed(site: Site, caller: Caller, name: str = "marmalade.wav") -> str:
    """A job that is done, with a callback."""
    order = jobs.Order("v1", callback_url="http://127.0.0.1:9/")
    [job] = jobs.submit(site.house, caller, order, [keep(site.house, asset("assets/beckett.wav"), name)])
    if not job.finished:
        with site.house.db.write() as tx:
            claimed = claims.claim(tx, job.id, "w")
            assert claimed is not None
            claims.succeed(tx, claimed[1], CALL, None, cached=False)
    return job.id


def furnish(site: Site) -> None:
    """Give Ann one of everything."""
    house, ann = site.house, site.caller("ann")
    done = transcribed(site, ann)
    documents.save(house, ann, done, 0, [Edit((0,), (Passage("Quokka calling.", keep_speaker=True),))])
    transcripts.rename(house, jobs.find(house, ann, done), {A: "Wombat"})
    by_page = site.intruder("ann", "session")
    told = by_page.ask("PATCH", f"/api/v1/jobs/{done}", json={"title": "Pelican", "tags": ["wombat"]})
    assert told.status_code == 200, told.text
    pair = [keep(house, asset(f"assets/{name}.wav"), f"marmalade-{name}.wav") for name in ("two_cities", "beckett")]
    batch = jobs.submit(house, ann, jobs.Order("v1", model="moonshine-tiny-en", priority=1), pair, "ann's key")
    trashed = transcribed(site, ann)
    assert by_page.ask("POST", f"/api/v1/jobs/{trashed}/trash").status_code == 200
    enhanced = enhancing.submit(house, ann, done, EnhanceOptions()).job
    [voice] = enrol.submit(house, ann, "Wombat", [keep(house, asset("assets/beckett.wav"), "marmalade.wav")])
    nobodys = transcribed(site, Caller(None, admin=False))
    known = speakers.add(house.db, ann.owner, "Wombat", [Voice((0.5,) * 4, "n", "aa" * 32, 9.0)])
    _, key = accounts.create(house.db, KeyWish("Wombat's"), ann)
    with house.db.write() as tx:
        _, visit = site.state.sessions.begin(tx, site.people["ann"], Origin("192.0.2.1", "Wombat's browser"))
    token, share = shares.create(house, ann, done, 7, media=True)
    assert batch[0].batch is not None
    with house.db.read() as connection:
        callback = callbacks.of_job(connection, done)
    assert callback is not None
    site.mine = {
        "job_id": [done, *(job.id for job in batch), trashed, enhanced.id, voice.id, nobodys],
        "speaker_id": [known.id],
        "key_id": [key.id],
        "session_id": [visit.session.id],
        "share_id": [share.id],
        "user_id": [site.people["ann"].id],
        "batch": [batch[0].batch],
        "callback": [callback.id],
        "token": [token],
    }


WHO = [("bert", "key"), ("bert", "session"), ("chief", "key"), ("chief", "session")]


@pytest.mark.parametrize(("name", "how"), WHO)
def test_nothing_of_another_s_is_there_on_any_route(site: Site, name: str, how: str) -> None:
    """By its id: the answer is that for an id that never was. Nor is anything changed. An admin is no exception."""
    intruder, walked = site.intruder(name, how), 0
    before = site.dump()
    for method, template in sorted(templates(site.http)):
        parameters = set(re.findall(r"{(\w+)}", template)) - NOBODYS
        if not parameters or template.startswith(SHARED):
            continue
        [parameter] = parameters
        assert parameter in site.mine, f"{method} {template}: say whose {parameter} is, in furnish or NOBODYS"
        if intruder.manages and (parameter, template.split("/")[3]) in {("key_id", "keys"), ("user_id", "users")}:
            continue
        route = f"{method} {template}"
        asked = template.replace("{number}", "1") + QUERIES.get(route, "")
        given = {"json": BODIES.get(route, {})} if method not in ("GET", "HEAD") else {}
        absent = intruder.ask(method, asked.replace(f"{{{parameter}}}", "absent"), **given)
        for mine in site.mine[parameter]:
            answer = intruder.ask(method, asked.replace(f"{{{parameter}}}", mine), **given)
            walked += 1

            expected = 403 if parameter == "user_id" else 404
            assert (answer.status_code, absent.status_code) == (expected, expected), (route, answer.text, absent.text)
            assert answer.text.replace(mine, "absent") == absent.text, route
    assert walked > 150
    assert site.dump() == before


@pytest.mark.parametrize(("name", "how"), WHO)
def test_no_list_holds_anything_of_another_s(site: Site, name: str, how: str) -> None:
    """Neither ids, nor names of files, titles, tags, words, or speakers."""
    intruder, walked = site.intruder(name, how), 0
    hidden = {*site.ids(), *WORDS}
    for method, template in sorted(templates(site.http)):
        if method != "GET" or "{" in template or template in ("/docs", "/openapi.json", "/"):
            continue
        for query in ("", *ASKED.get(template, ())):
            answer = intruder.ask("GET", template + query.format(batch=site.mine["batch"][0]))
            told = answer.text.lower()
            walked += 1
            if intruder.manages and template in ("/api/v1/audit", "/api/v1/users"):
                # Who manages users knows them, and what they did to which id; never what it holds.
                assert not [word for word in WORDS if word in told], (template, told)
                continue
            assert answer.status_code in (200, 400, 403, 404), (template, answer.text)
            assert not [each for each in hidden if each in told], (template + query, told)
    assert walked > 20


@pytest.mark.parametrize(("name", "how"), WHO)
def test_what_names_a_job_in_the_query_or_the_body_finds_nothing_of_another_s(site: Site, name: str, how: str) -> None:
    intruder = site.intruder(name, how)
    before = site.dump()
    mine = site.mine["job_id"]
    for job_id in mine:
        answer, absent = (intruder.ask("GET", f"/status?job_id={each}") for each in (job_id, "absent"))
        assert answer.status_code == 404
        assert answer.text.replace(job_id, "absent") == absent.text
    for action in ("trash", "restore", "purge", "tag", "untag", "cancel", "retry"):
        told = intruder.ask("POST", "/api/v1/library/bulk", json={"ids": mine, "action": action, "tag": "x"}).json()
        assert told["done"] == []
        assert {(each["id"], each["code"]) for each in told["failed"]} == {(job_id, "not_found") for job_id in mine}

    assert site.dump() == before


@pytest.mark.parametrize(("name", "how"), WHO)
def test_the_dashboard_s_socket_tells_of_no_job_of_another_s(site: Site, name: str, how: str) -> None:
    intruder = site.intruder(name, how)
    headers = {"host": "localhost:8000", **intruder.headers}
    site.http.portal.call(site.state.board.refresh)  # type: ignore[union-attr]
    with site.http.websocket_connect("/ws/dashboard", subprotocols=intruder.offered or None, headers=headers) as ws:
        told = ws.receive_json()

    assert told["counters"]["queued"] > 0
    assert (told["queued"], told["processing"]) == ([], [])
    assert not [each for each in {*site.ids(), *WORDS} if each in json.dumps(told).lower()]


def test_an_idempotency_key_is_its_owner_s(site: Site) -> None:
    """The same key of another user is another key."""
    house, bert = site.house, site.caller("bert")
    pair = [keep(house, asset(f"assets/{name}.wav"), f"{name}.wav") for name in ("two_cities", "beckett")]
    order = jobs.Order("v1", model="moonshine-tiny-en", priority=1)
    made = jobs.submit(house, bert, order, pair, "ann's key")

    assert not {job.id for job in made} & site.ids()
    assert {job.owner for job in made} == {bert.owner}


def test_nobody_learns_that_another_had_the_same_recording_before(site: Site) -> None:
    """By default: it is not answered at once, nor called cached, nor computed from the other's pieces."""
    bert = site.intruder("bert", "session")
    with asset("assets/beckett.wav").open("rb") as recording:
        sent = {"file": ("mine.wav", recording, "audio/wav")}
        [job] = bert.ask("POST", "/api/v1/jobs", files=sent).json()["jobs"]
    mine = jobs.find(site.house, site.caller("bert"), job["id"])
    anns = jobs.find(site.house, site.caller("ann"), site.mine["job_id"][0])
    scopes = [perform.request_of(each, Path("x"), "cpu", site.house.server.cache_scope).scope for each in (mine, anns)]

    assert mine.media is not None
    assert anns.media is not None
    assert mine.media.digest == anns.media.digest
    assert (job["state"], job["cached"], job["progress"]) == ("queued", False, 0.0)
    assert scopes == [bert.user.id, anns.owner]
    again = transcribed(site, site.caller("ann"))
    assert jobs.find(site.house, site.caller("ann"), again).cached


def test_what_nobody_owns_shares_the_machine_s_own_cache(site: Site) -> None:
    """One person on one machine: what the command line computed is not computed again by the server."""
    nobodys = jobs.find(site.house, Caller(), site.mine["job_id"][-1])

    assert perform.request_of(nobodys, Path("x"), "cpu", "owner").scope is None


def test_edits_and_names_never_cross_even_where_earlier_results_answer_all(tmp_path: Path) -> None:
    with opened(tmp_path, cache_scope="all") as site:
        furnish(site)
        bert = site.intruder("bert", "session")
        twin = transcribed(site, site.caller("bert"), "mine.wav")
        assert jobs.find(site.house, site.caller("bert"), twin).cached
        told = [
            bert.ask("GET", path).text.lower()
            for path in (
                f"/api/v1/jobs/{twin}",
                f"/api/v1/transcriptions/{twin}",
                f"/api/v1/transcriptions/{twin}/document",
                f"/api/v1/transcriptions/{twin}/speakers",
                f"/api/v1/transcriptions/{twin}/versions",
                f"/api/v1/jobs/{twin}/callback",
                "/api/v1/library?q=calling",
            )
        ]

        assert "zanzibar" in told[1]
        for hidden in {*site.ids(), *WORDS} - {"zanzibar"}:
            assert not [text for text in told if hidden in text], hidden


def test_a_share_cannot_be_made_for_the_transcript_of_another(site: Site) -> None:
    for name, how in WHO:
        answer = site.intruder(name, how).ask(
            "POST", f"/api/v1/transcriptions/{site.mine['job_id'][0]}/shares", json={}
        )
        assert answer.status_code == 404


def test_a_key_for_all_owners_still_sees_all(site: Site) -> None:
    """It is made on the machine, by who has the database anyway."""
    secret, _ = accounts.create(site.house.db, KeyWish("ops", scopes=("admin",)))
    listed = site.http.get("/api/v1/jobs", headers={"x-api-key": secret}).json()["jobs"]

    assert site.mine["job_id"][0] in {job["id"] for job in listed}


def test_the_test_would_notice_what_is_told(site: Site) -> None:
    """Ann herself gets all of it, by the same requests."""
    ann, done = site.intruder("ann", "session"), site.mine["job_id"][0]
    paths = (
        "library",
        "speakers",
        f"transcriptions/{done}/document",
        f"transcriptions/{done}/versions",
        f"jobs/{done}",
    )
    told = "".join(ann.ask("GET", f"/api/v1/{path}").text.lower() for path in paths)

    assert not [word for word in ("quokka", "pelican", "wombat", "marmalade") if word not in told]
    for parameter, path in (("key_id", "keys"), ("session_id", "sessions"), ("job_id", "jobs?limit=200")):
        assert site.mine[parameter][0] in ann.ask("GET", f"/api/v1/{path}").text
