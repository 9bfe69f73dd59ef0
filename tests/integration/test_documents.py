"""``/api/v1/transcriptions/{id}/document`` and its versions, over HTTP, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from stenogram.accounts import keys as accounts
from stenogram.accounts.keys import Wish
from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.job import Caller
from stenogram.server.asgi import build
from stenogram.store import claims, workers
from stenogram.types import Segment, SpeakerTurn, Transcript, Word
from tests.service import keep

A, B = "SPEAKER_00", "SPEAKER_01"


def spoken(number: int, start: float, text: str, speaker: str) -> Segment:
    words = tuple(
        Word(word, start + place * 0.5, start + place * 0.5 + 0.4, 0.9, speaker=speaker)
        for place, word in enumerate(text.split())
    )
    return Segment(number, start, words[-1].end, text, words, tokens=(1, 2), speaker=speaker, suspect=number == 2)


TALK = Transcript(
    segments=(
        spoken(0, 0.0, "Good morning to you all.", A),
        spoken(1, 3.0, "Good morning.", B),
        spoken(2, 5.0, "Shall we begin now?", A),
    ),
    duration=8.0,
    language="en",
    model="fake",
    engine="fake",
    turns=(SpeakerTurn(0.0, 2.4, A), SpeakerTurn(3.0, 3.9, B), SpeakerTurn(5.0, 6.9, A)),
    diarizer="fake",
)


@dataclass
class Site:
    """A server in this process, and a job that is done."""

    http: TestClient
    house: House
    keys: dict[str, str]
    job_id: str = ""

    def ask(self, method: str, path: str, who: str = "anna", **given: Any) -> httpx2.Response:
        url = f"/api/v1/transcriptions/{self.job_id}{path}"
        answer: httpx2.Response = self.http.request(method, url, headers={"x-api-key": self.keys[who]}, **given)
        return answer

    def document(self, **query: Any) -> dict[str, Any]:
        answer = self.ask("GET", "/document", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def edit(self, base: int, *edits: dict[str, Any], status: int = 200) -> dict[str, Any]:
        answer = self.ask("PATCH", "/document", json={"base": base, "edits": list(edits)})
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found


def done(house: House, owner: str, transcript: Transcript, name: str = "sound.wav", data: bytes = b"sound") -> str:
    """A job of someone's that is over."""
    recording = house.settings.data_dir / name
    recording.parent.mkdir(parents=True, exist_ok=True)
    recording.write_bytes(data)
    [job] = jobs.submit(house, Caller(owner, admin=False), jobs.Order("v1"), [keep(house, recording)])
    recording.unlink()
    if not job.finished:
        with house.db.write() as tx:
            claimed = claims.claim(tx, job.id, "w")
            assert claimed is not None
            claims.succeed(tx, claimed[1], transcript, None, cached=False)
    return job.id


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    server = ServerSettings(database_url=database_url, min_free_disk_mb=0)
    with House.open(Settings(home=str(tmp_path / "home")), server) as house:
        with house.db.write() as tx:
            workers.register(tx, "w", "here", 1, "cpu")
        names = ("anna", "bert", "eye")
        keys = {
            name: accounts.create(house.db, Wish(name, scopes=("read" if name == "eye" else "transcribe",)))[0]
            for name in names
        }
        with TestClient(build(house), base_url="http://localhost:8000", raise_server_exceptions=False) as http:
            yield Site(http, house, keys, done(house, "anna", TALK))


def texts(document: dict[str, Any]) -> list[str]:
    return [segment["text"] for segment in document["segments"]]


def test_a_document_has_everything_and_words_as_short_lists(site: Site) -> None:
    document = site.document()

    assert document["job_id"] == site.job_id
    assert (document["version"], document["head"], document["edited_at"]) == (0, 0, None)
    assert (document["state"], document["filename"], document["has_media"]) == ("succeeded", "sound.wav", True)
    assert document["speakers"] == [{"label": A, "name": A}, {"label": B, "name": B}]
    assert document["turns"][1] == {"start": 3.0, "end": 3.9, "speaker": B}
    assert document["llm_enhancement_status"] == "skipped"
    assert document["segments"][1] == {
        "id": 1,
        "start": 3.0,
        "end": 3.9,
        "text": "Good morning.",
        "speaker": B,
        "words": [["Good", 3.0, 3.4, 0.9, 0], ["morning.", 3.5, 3.9, 0.9, 0]],
        "suspect": False,
    }


def test_an_edit_keeps_the_times_of_what_stays(site: Site) -> None:
    saved = site.edit(0, {"replace": [0], "by": [{"text": "Good evening to you all."}]})

    assert (saved["version"], saved["others"]) == (1, False)
    [made] = saved["edits"]
    assert made["replace"] == [0]
    assert made["by"][0] == {
        "id": 0,
        "start": 0.0,
        "end": 2.4,
        "text": "Good evening to you all.",
        "speaker": A,
        "words": [
            ["Good", 0.0, 0.4, 0.9, 0],
            ["evening", 0.5, 0.9, None, 1],
            ["to", 1.0, 1.4, 0.9, 0],
            ["you", 1.5, 1.9, 0.9, 0],
            ["all.", 2.0, 2.4, 0.9, 0],
        ],
        "suspect": False,
    }
    document = site.document()
    assert document["segments"][0] == made["by"][0]
    assert (document["version"], document["head"], document["edited_at"]) == (1, 1, saved["saved_at"])
