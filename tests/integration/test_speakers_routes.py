"""``/api/v1/speakers`` and the speakers of a stored transcript, over HTTP, on both databases."""

from __future__ import annotations

import functools
import gzip
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from stenogram.accounts import keys as accounts
from stenogram.accounts.keys import Wish
from stenogram.app import enrol, housekeeping, jobs, speakers
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.diarization.voices import EMBEDDING
from stenogram.errors import NotAllowed, NotFound
from stenogram.job import Caller, Media
from stenogram.jobs.worker import Worker
from stenogram.server.asgi import build
from stenogram.store import claims, workers
from stenogram.store import jobs as job_rows
from stenogram.store.speakers import Voice
from stenogram.store.tables import jobs as job_table
from stenogram.types import Audio, DiarizeOptions, Segment, Span, SpeakerTurn, Transcript, Word
from tests.integration.conftest import Server
from tests.service import keep, kept

A, B, C = "SPEAKER_00", "SPEAKER_01", "SPEAKER_02"
CALL = Transcript(
    segments=(
        Segment(0, 0.0, 2.0, "Hello there.", (Word("Hello", 0.0, 1.0, speaker=A),), speaker=A),
        Segment(1, 2.0, 4.0, "Hello.", (Word("Hello.", 2.0, 4.0, speaker=B),), speaker=B),
        Segment(2, 4.0, 5.0, "Bye.", (Word("Bye.", 4.0, 5.0, speaker=C),), speaker=C),
    ),
    duration=6.0,
    model="fake",
    turns=(SpeakerTurn(0.0, 2.0, A), SpeakerTurn(2.0, 4.0, B), SpeakerTurn(4.0, 5.0, C)),
    diarizer="fake",
)


@dataclass
class Site:
    """A server in this process, with keys."""

    http: TestClient
    house: House

    def ask(self, who: str, method: str, path: str, **given: Any) -> httpx2.Response:
        answer: httpx2.Response = self.http.request(method, path, headers={"x-api-key": KEYS[who]}, **given)
        return answer

    def job(self, owner: str | None, *, done: bool = True) -> str:
        """A job of someone's, over when ``done``."""
        recording = self.house.settings.data_dir / "sound.bin"
        recording.parent.mkdir(parents=True, exist_ok=True)
        recording.write_bytes(b"the same recording for all")
        [job] = jobs.submit(self.house, Caller(owner, admin=False), jobs.Order("v1"), [keep(self.house, recording)])
        recording.unlink()
        if done and not job.finished:
            with self.house.db.write() as tx:
                claimed = claims.claim(tx, job.id, "w")
                assert claimed is not None
                claims.succeed(tx, claimed[1], CALL, None, cached=False)
        return job.id

    def called(self, who: str, job_id: str) -> list[str]:
        """Who speaks in a transcript, turn by turn."""
        view = self.ask(who, "GET", f"/api/v1/transcriptions/{job_id}").json()
        assert [part["speaker"] for part in view["segments"]] == [
            word["speaker"] for part in view["segments"] for word in part["words"]
        ]
        return [part["speaker"] for part in view["segments"]]


KEYS: dict[str, str] = {}


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    server = ServerSettings(
        database_url=database_url,
        retention_days=30,
        archive_url=f"file://{tmp_path / 'archive'}",
        min_free_disk_mb=0,
        cache_scope="all",  # so that what one owner found answers another
    )
    with House.open(Settings(home=str(tmp_path / "home")), server) as house:
        with house.db.write() as tx:
            workers.register(tx, "w", "here", 1, "cpu")
        for owner, scope in (("anna", "transcribe"), ("bert", "transcribe"), ("boss", "admin"), ("eye", "read")):
            KEYS[owner] = accounts.create(house.db, Wish(owner, scopes=(scope,)))[0]
        with TestClient(build(house), base_url="http://localhost:8000", raise_server_exceptions=False) as http:
            yield Site(http, house)


def one_voice(_audio: Audio, _speech: Sequence[Span]) -> tuple[float, ...]:
    return (1 / 16,) * 256


@pytest.fixture
def listening(site: Site) -> Iterator[Site]:
    """With a worker that hears the same voice in everything."""
    worker = Worker(site.house.db, site.house.queue, "w", functools.partial(enrol.perform, site.house, one_voice))
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    yield site
    stop.set()
    thread.join()


# --- known people ---


def test_a_person_is_added_listed_renamed_and_forgotten(listening: Site, beckett: Path, two_cities: Path) -> None:
    site = listening
    files = [("file", ("phone.wav", beckett.read_bytes())), ("file", ("room.wav", two_cities.read_bytes()))]
    added = site.ask("anna", "POST", "/api/v1/speakers", data={"name": " Ann "}, files=files)
    assert added.status_code == 201, added.text
    ann = added.json()
    again = site.ask("anna", "POST", "/api/v1/speakers", data={"name": "Ann"}, files=files[:1])

    assert (ann["name"], ann["owner"], ann["samples"], ann["outdated"]) == ("Ann", "anna", 2, False)
    assert 32 < ann["seconds"] < 40
    assert again.json() == ann
    assert site.ask("anna", "GET", "/api/v1/speakers").json() == {"speakers": [ann]}
    assert site.ask("anna", "GET", f"/api/v1/speakers/{ann['id']}").json() == ann
    assert not any(len(str(value)) > 100 for value in ann.values())  # what the voice is like is not told
    known = speakers.known_of(site.house.db, "anna")
    assert [(voice.name, len(voice.voice)) for voice in known.voices] == [("Ann", 256), ("Ann", 256)]

    # Nothing is left of the jobs: no recording, no file's name, no list has them.
    assert site.ask("boss", "GET", "/api/v1/jobs").json()["jobs"] == []
    with site.house.db.read() as connection:
        assert sum(job_rows.counts(connection).values()) == 0
    assert kept(site.house) == []

    path = f"/api/v1/speakers/{ann['id']}"
    assert site.ask("anna", "PATCH", path, json={"name": "Anna"}).json() == {**ann, "name": "Anna"}
    assert site.ask("anna", "PATCH", path, json={"name": " "}).status_code == 400
    site.ask("anna", "POST", "/api/v1/speakers", data={"name": "Ben"}, files=files[:1])
    assert site.ask("anna", "PATCH", path, json={"name": "Ben"}).status_code == 409
    assert site.ask("anna", "DELETE", path).status_code == 204
    assert site.ask("anna", "GET", path).status_code == 404
    assert [voice.name for voice in speakers.known_of(site.house.db, "anna").voices] == ["Ben"]


def test_what_is_of_no_use_is_refused_with_the_reason_and_not_kept(listening: Site, beckett: Path) -> None:
    site = listening
    good = ("file", ("good.wav", beckett.read_bytes()))
    for form, files, told in (
        ({"name": "Ann"}, [("file", ("notes.txt", b"no sound at all"))], "notes.txt: not an audio or video file"),
        ({"name": "Ann"}, [("file", ("short.wav", beckett.read_bytes()[:48_000]))], "short.wav: "),
        ({"name": "\t"}, [good], "called something"),
        ({}, [good], "name is required"),
        ({"name": "Ann"}, [("other", ("good.wav", b"sound"))], "no recording"),
        ({"name": "a" * 101}, [good], "longer than 100"),
    ):
        answer = site.ask("anna", "POST", "/api/v1/speakers", data=form, files=files)
        assert answer.status_code == 400, answer.text
        assert told in answer.json()["error"]["message"]
        assert site.ask("anna", "GET", "/api/v1/speakers").json() == {"speakers": []}

    files = [good, ("file", ("notes.txt", b"no sound at all"))]
    answer = site.ask("anna", "POST", "/api/v1/speakers", data={"name": "Ann"}, files=files)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "file"
    [ann] = site.ask("anna", "GET", "/api/v1/speakers").json()["speakers"]
    assert ann["samples"] == 1
    assert kept(site.house) == []


def test_each_owner_s_people_are_theirs(site: Site) -> None:
    """Another's are answered like those that never were; who may only read changes nothing."""
    voice = Voice((0.0,) * 256, EMBEDDING, "aa" * 32, 9.0)
    ann = speakers.add(site.house.db, "anna", "Ann", [voice])
    ben = speakers.add(site.house.db, "bert", "Ann", [voice])
    path = f"/api/v1/speakers/{ann.id}"
    for method, given in (("GET", {}), ("PATCH", {"json": {"name": "Mine"}}), ("DELETE", {})):
        answer = site.ask("bert", method, path, **given)
        absent = site.ask("bert", method, "/api/v1/speakers/absent", **given)
        assert (answer.status_code, answer.text.replace(ann.id, "absent")) == (404, absent.text)
    for method, where in (("POST", "/api/v1/speakers"), ("PATCH", path), ("DELETE", path)):
        assert site.ask("eye", method, where, json={"name": "Mine"}).status_code == 403

    def listed(who: str) -> list[str]:
        return [each["id"] for each in site.ask(who, "GET", "/api/v1/speakers").json()["speakers"]]

    assert (listed("anna"), listed("bert"), listed("eye")) == ([ann.id], [ben.id], [])
    assert set(listed("boss")) == {ann.id, ben.id}
    assert site.ask("boss", "DELETE", path).status_code == 204


def test_a_job_of_a_request_that_went_away_is_put_away_with_its_recording(site: Site, beckett: Path) -> None:
    """Also where the recording was of no use: it would be kept for a week otherwise."""
    house = site.house
    found = enrol.submit(house, Caller("anna", admin=False), "Ann", [keep(house, beckett), keep(house, beckett)])
    with house.db.write() as tx:
        claimed = claims.claim(tx, found[0].id, "w")
        assert claimed is not None
        claims.fail(tx, claimed[1], NotAllowed(cause="whatever"), shared=False)
        claims.cancel(tx, found[1].id)
    housekeeping.tidy(house)
    assert jobs.find_any(house, found[0].id).state == "failed"
    with house.db.write() as tx:
        tx.connection.execute(update(job_table).values(finished_at=time.time() - 61))
    housekeeping.tidy(house)

    for job in found:
        with pytest.raises(NotFound):
            jobs.find_any(house, job.id)
    assert kept(house) == []
    assert not (Path(house.server.archive_url.removeprefix("file://"))).exists()  # type: ignore[union-attr]


def test_a_real_worker_hears_a_real_voice(server: Server, beckett: Path) -> None:
    """The server's own process computes nothing; without keys, people are the command line's too."""
    with server.client() as client:
        files = {"file": ("ann.wav", beckett.read_bytes())}
        answer = client.post("/api/v1/speakers", data={"name": "Ann"}, files=files)
        assert answer.status_code == 201, answer.text
        ann = answer.json()
        short = {"file": ("short.wav", beckett.read_bytes()[:48_000])}
        refused = client.post("/api/v1/speakers", data={"name": "Ann"}, files=short)
        known = speakers.known_here(Settings(home=str(server.home)))
        client.delete(f"/api/v1/speakers/{ann['id']}").raise_for_status()

        assert (ann["owner"], ann["samples"], ann["outdated"]) == (None, 1, False)
        assert refused.json()["error"]["code"] == "too_little_speech"
        assert [voice.name for voice in known.voices] == ["Ann"]
        assert sum(value**2 for value in known.voices[0].voice) == pytest.approx(1.0, abs=0.01)
        assert client.get("/api/v1/speakers").json() == {"speakers": []}


# --- speakers of a transcript ---


def test_speakers_are_listed_renamed_and_made_one(site: Site) -> None:
    job_id = site.job("anna")
    path = f"/api/v1/transcriptions/{job_id}/speakers"

    def patch(names: dict[str, str | None]) -> list[tuple[Any, ...]]:
        answer = site.ask("anna", "PATCH", path, json=names)
        assert answer.status_code == 200, answer.text
        assert answer.json() == site.ask("anna", "GET", path).json()
        return [tuple(each.values()) for each in answer.json()["speakers"]]

    assert patch({}) == [(A, [A], 2.0, 1, 1), (B, [B], 2.0, 1, 1), (C, [C], 1.0, 1, 1)]
    for _ in range(2):  # a repeat changes nothing
        assert patch({A: "Ann", B: "Ben"})[:2] == [("Ann", [A], 2.0, 1, 1), ("Ben", [B], 2.0, 1, 1)]
        assert site.called("anna", job_id) == ["Ann", "Ben", C]
    for _ in range(2):
        patch({A: B, B: A})
        assert site.called("anna", job_id) == [B, A, C]
    for _ in range(2):
        assert patch({A: "Ann", B: "Ann"}) == [("Ann", [A, B], 4.0, 2, 2), (C, [C], 1.0, 1, 1)]
    view = site.ask("anna", "GET", f"/api/v1/transcriptions/{job_id}").json()
    assert view["turns"] == [
        {"start": 0.0, "end": 4.0, "speaker": "Ann"},
        {"start": 4.0, "end": 5.0, "speaker": C},
    ]
    assert view["text"] == CALL.text
    patch({"Ann": "Anna Lee"})  # by the present name
    assert site.called("anna", job_id) == ["Anna Lee", "Anna Lee", C]
    subtitles = site.ask("anna", "GET", f"/api/v1/transcriptions/{job_id}?format=vtt").text
    assert "Anna Lee" in subtitles
    patch({B: None})  # parted again
    assert site.called("anna", job_id) == ["Anna Lee", B, C]


@pytest.mark.parametrize(
    ("names", "status", "told"),
    [
        ({"SPEAKER_09": "Ann"}, 404, "No speaker SPEAKER_09. There are: Ann, SPEAKER_01, SPEAKER_02."),
        ({"\ud800": "Ann"}, 404, "No speaker '\\ud800'"),
        ({A: "\ud800"}, 400, "control characters"),
        ({A: " "}, 400, "called something"),
        ({A: "a" * 101}, 400, "longer than 100"),
        ({A: "a\x00b"}, 400, "control characters"),
        ({A: "X", "Ann": "Y"}, 400, "two names at once"),
        ({A: 7}, 400, "string"),
        (["Ann"], 400, "dictionary"),
    ],
)
def test_names_that_cannot_be_change_nothing(site: Site, names: Any, status: int, told: str) -> None:
    job_id = site.job("anna")
    path = f"/api/v1/transcriptions/{job_id}/speakers"
    site.ask("anna", "PATCH", path, json={A: "Ann"})
    given = names if isinstance(names, list) else {B: "Ben", **names}
    sent = {"x-api-key": KEYS["anna"], "content-type": "application/json"}
    answer = site.http.request("PATCH", path, content=json.dumps(given), headers=sent)

    assert answer.status_code == status, answer.text
    assert told in answer.json()["error"]["message"]
    assert site.called("anna", job_id) == ["Ann", B, C]


def test_names_are_the_owner_s_alone(site: Site) -> None:
    """An identical job has the result of the first, and none of its names, whether it came before or after."""
    before = site.job("bert")
    mine = site.job("anna")
    path = f"/api/v1/transcriptions/{mine}/speakers"
    site.ask("anna", "PATCH", path, json={A: "My sister"})
    after = site.job("bert")

    assert jobs.find(site.house, Caller(), after).cached
    assert site.called("anna", mine) == ["My sister", B, C]
    assert site.called("bert", before) == site.called("bert", after) == [A, B, C]
    for method in ("GET", "PATCH"):
        answer = site.ask("bert", method, path, json={A: "X"})
        absent = site.ask("bert", method, "/api/v1/transcriptions/absent/speakers", json={A: "X"})
        assert (answer.status_code, answer.text.replace(mine, "absent")) == (404, absent.text)
    assert site.ask("eye", "PATCH", path, json={A: "X"}).status_code == 403
    assert site.ask("boss", "GET", path).status_code == 200


def test_jobs_that_recognise_people_are_identical_only_where_the_same_voices_are_kept(site: Site) -> None:
    """Else one owner would get the names that another gave, and new names would be missing."""
    order = jobs.Order("v1", diarize=DiarizeOptions(diarize=True, recognize_speakers=True))

    def key(owner: str, chosen: jobs.Order = order) -> str | None:
        media = Media("none.wav", "00" * 32, 1, "none.wav")
        [job] = jobs.submit(site.house, Caller(owner, admin=False), chosen, [media])
        return job.dedupe_key

    first, again, theirs = key("anna"), key("anna"), key("bert")
    speakers.add(site.house.db, "anna", "Ann", [Voice((0.5,) * 256, EMBEDDING, "aa" * 32, 9.0)])

    assert first == again
    assert len({first, theirs, key("anna")}) == 3
    unnamed = replace(order, diarize=DiarizeOptions(diarize=True))
    assert key("anna", unnamed) == key("bert", unnamed)


def test_without_a_transcript_there_are_no_speakers(site: Site) -> None:
    waiting = site.job("anna", done=False)
    for method in ("GET", "PATCH"):
        answer = site.ask("anna", method, f"/api/v1/transcriptions/{waiting}/speakers", json={A: "Ann"})
        assert answer.status_code == 409
        assert "it is queued" in answer.json()["error"]["message"]


def test_the_archive_has_the_names(site: Site, tmp_path: Path) -> None:
    job_id = site.job("anna")
    site.ask("anna", "PATCH", f"/api/v1/transcriptions/{job_id}/speakers", json={A: "Ann"})
    with site.house.db.write() as tx:
        tx.connection.execute(update(job_table).values(finished_at=time.time() - 31 * 86_400))
    housekeeping.tidy(site.house)
    [archived] = (tmp_path / "archive").iterdir()
    line = json.loads(gzip.decompress(archived.read_bytes()))

    assert [part["speaker"] for part in line["transcript"]["segments"]] == ["Ann", B, C]
