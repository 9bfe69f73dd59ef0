"""``/api/v1/transcriptions/{id}/document`` and its versions, over HTTP, on both databases."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from stenogram.accounts import keys as accounts
from stenogram.accounts.keys import Wish
from stenogram.app import enhancing, jobs
from stenogram.app.documents import MOST_SPEAKERS
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.enhance import diff
from stenogram.enhancement import Enhancement, EnhanceOptions, Line
from stenogram.job import Caller
from stenogram.server.asgi import build
from stenogram.server.documents import MOST_BODY_BYTES, MOST_PASSAGES, MOST_WRITTEN_CHARS, takes_gzip
from stenogram.store import claims, enhancements, workers
from stenogram.store.tables import jobs as job_table
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


def test_everything_reads_the_last_version(site: Site) -> None:
    site.edit(0, {"replace": [1], "by": [{"text": "Good evening."}]})

    full = site.ask("GET", "").json()
    assert full["segments"][1]["text"] == "Good evening."
    assert full["text"] == "Good morning to you all. Good evening. Shall we begin now?"
    assert "Good evening." in site.ask("GET", "?format=srt").text
    status = site.http.get("/status", params={"job_id": site.job_id}, headers={"x-api-key": site.keys["anna"]}).json()
    assert "Good evening." in status["result"]["text"]
    assert texts(site.document(version=0))[1] == "Good morning."


def test_an_identical_job_gets_what_was_found(site: Site) -> None:
    site.edit(0, {"replace": [1], "by": [{"text": "Good evening."}]})
    site.ask("PATCH", "/speakers", json={A: "Ann"})
    other = done(site.house, "bert", TALK)

    site.job_id = other
    document = site.ask("GET", "/document", "bert").json()
    assert (texts(document)[1], document["version"], document["segments"][0]["speaker"]) == ("Good morning.", 0, A)


def test_a_speaker_is_told_by_label_by_name_or_anew(site: Site) -> None:
    site.ask("PATCH", "/speakers", json={A: "Ann"})
    edits = [
        {"replace": [1], "by": [{"text": "Good morning.", "speaker": "Ann"}]},
        {"replace": [2], "by": [{"text": "Shall we", "speaker": B}, {"text": "begin now?", "speaker": " Carol  Y. "}]},
    ]
    saved = site.edit(0, *edits)

    assert [[made["speaker"] for made in edit["by"]] for edit in saved["edits"]] == [["Ann"], [B, "Carol Y."]]
    assert saved["speakers"] == [
        {"label": A, "name": "Ann"},
        {"label": B, "name": B},
        {"label": "Carol Y.", "name": "Carol Y."},
    ]
    shares = site.ask("GET", "/speakers").json()["speakers"]
    assert [(share["speaker"], share["segments"]) for share in shares] == [("Ann", 2), (B, 1), ("Carol Y.", 1)]
    assert all(share["seconds"] > 0 for share in shares)
    renamed = site.ask("PATCH", "/speakers", json={"Carol Y.": "Carol"})
    assert renamed.status_code == 200, renamed.text
    assert [segment["speaker"] for segment in site.document()["segments"]] == ["Ann", "Ann", B, "Carol"]
    nobody = site.edit(1, {"replace": [1], "by": [{"text": "Good morning.", "speaker": None}]})
    assert nobody["edits"][0]["by"][0]["speaker"] is None


def test_a_name_that_two_labels_once_swapped_means_who_is_called_so_now(site: Site) -> None:
    site.ask("PATCH", "/speakers", json={A: "Ann", B: "Ben"})
    site.ask("PATCH", "/speakers", json={"Ann": "Ben", "Ben": "Ann"})
    saved = site.edit(0, {"replace": [0], "by": [{"text": "Hi.", "speaker": "Ann"}]})

    assert saved["edits"][0]["by"][0]["speaker"] == "Ann"
    site.ask("PATCH", "/speakers", json={A: None, B: None})
    assert site.document()["segments"][0]["speaker"] == B


def test_names_of_speakers_who_no_longer_speak_do_no_harm(site: Site) -> None:
    site.ask("PATCH", "/speakers", json={B: "Ben"})
    site.edit(0, {"replace": [1], "by": []})

    assert site.ask("GET", "").status_code == 200
    back = site.edit(1, {"replace": [], "after": 0, "by": [{"text": "Good morning.", "speaker": "Ben"}]})
    assert back["edits"][0]["by"][0]["speaker"] == "Ben"
    assert {"label": B, "name": "Ben"} in site.document()["speakers"]


def test_what_was_split_joined_and_deleted_is_as_before_when_given_back(site: Site) -> None:
    before = site.document()["segments"]
    split = site.edit(0, {"replace": [0], "by": [{"text": "Good morning"}, {"text": "to you all."}]})
    ids = [made["id"] for made in split["edits"][0]["by"]]
    joined = site.edit(1, {"replace": [*ids, 1], "by": [{"text": "Good morning to you all. Good morning."}]})
    [made] = joined["edits"][0]["by"]
    assert len({*ids, made["id"], 0, 1, 2}) == 6
    gone = site.edit(2, {"replace": [made["id"], 2], "by": []})
    assert gone["edits"] == [{"replace": [made["id"], 2], "by": []}]
    assert site.document()["segments"] == []

    site.edit(3, {"replace": [], "by": before})
    after = site.document()["segments"]
    assert [{**segment, "id": 0} for segment in after] == [{**segment, "id": 0} for segment in before]


def test_two_who_edit_apart_both_get_their_way(site: Site) -> None:
    mine = site.edit(0, {"replace": [0], "by": [{"text": "Hello to you all."}]})
    theirs = site.edit(0, {"replace": [2], "by": [{"text": "Shall we end now?"}]})

    assert (mine["others"], theirs["others"], theirs["version"]) == (False, True, 2)
    assert texts(site.document()) == ["Hello to you all.", "Good morning.", "Shall we end now?"]


@pytest.mark.parametrize(
    ("base", "edit"),
    [
        (0, {"replace": [0], "by": [{"text": "Bye."}]}),
        (0, {"replace": [0, 1], "by": []}),
        (0, {"replace": [2], "by": [{"text": "Bye."}]}),
        (0, {"replace": [], "after": 2, "by": [{"text": "Bye."}]}),
        (7, {"replace": [1], "by": [{"text": "Bye."}]}),
    ],
)
def test_who_edits_what_another_changed_is_told(site: Site, base: int, edit: dict[str, Any]) -> None:
    split = {"replace": [2], "by": [{"text": "Shall we"}, {"text": "begin now?"}]}
    site.edit(0, {"replace": [0], "by": [{"text": "Hello to you all."}]}, split)
    before = site.document()
    refused = site.edit(base, edit, status=409)["error"]

    assert (refused["code"], refused["param"]) == ("version_conflict", "base")
    assert site.document() == before


def test_all_edits_of_a_request_hold_or_none(site: Site) -> None:
    before = site.document()
    site.edit(0, {"replace": [0], "by": [{"text": "Hi."}]}, {"replace": [9], "by": []}, status=404)

    assert site.document() == before


def test_of_many_who_save_at_once_none_is_lost(site: Site) -> None:
    def add(number: int) -> int:
        wish = {"replace": [], "after": 0, "by": [{"text": f"word{number}"}]}
        answer = site.ask("PATCH", "/document", json={"base": 0, "edits": [wish]})
        return answer.status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(add, range(18))) == {200}
    document = site.document()
    assert document["version"] == 18
    assert {f"word{number}" for number in range(18)} < set(texts(document))
    assert len({segment["id"] for segment in document["segments"]}) == 21


def test_versions_are_listed_read_and_restored(site: Site) -> None:
    site.edit(0, {"replace": [0], "by": [{"text": "First."}]})
    site.edit(1, {"replace": [0], "by": [{"text": "Second."}]})
    [last, found] = site.ask("GET", "/versions").json()["versions"]
    assert (last["number"], last["author"], last["changes"], last["restored"]) == (2, "anna", 2, None)
    assert (found["number"], found["changes"]) == (0, 0)

    assert site.ask("POST", "/versions/0/restore", json={"base": 1}).json()["error"]["code"] == "version_conflict"
    assert site.ask("POST", "/versions/1/restore", json={"base": 2}).status_code == 404  # gathered into 2
    assert site.ask("POST", "/versions/0/restore", json={"base": 2}).json() == {"version": 3}
    document = site.document()
    assert texts(document)[0] == "Good morning to you all."
    assert [each["number"] for each in site.ask("GET", "/versions").json()["versions"]] == [3, 2, 0]
    assert texts(site.document(version=2))[0] == "Second."
    assert site.ask("GET", "/document?version=1").status_code == 404
    site.edit(2, {"replace": [0], "by": [{"text": "Late."}]}, status=409)  # it was restored meanwhile
    site.edit(2, {"replace": [1], "by": [{"text": "In time."}]})
    site.ask("POST", "/versions/2/restore", json={"base": 4})
    assert texts(site.document())[:2] == ["Second.", "Good morning."]


def test_another_ones_transcript_is_not_there(site: Site) -> None:
    site.edit(0, {"replace": [0], "by": [{"text": "Hi."}]})
    edit = {"base": 1, "edits": [{"replace": [0], "by": [{"text": "Theirs."}]}]}

    assert site.ask("GET", "/document", "bert").status_code == 404
    assert site.ask("PATCH", "/document", "bert", json=edit).status_code == 404
    assert site.ask("GET", "/versions", "bert").status_code == 404
    assert site.ask("POST", "/versions/0/restore", "bert", json={"base": 1}).status_code == 404
    assert site.ask("PATCH", "/document", "eye", json=edit).status_code == 403
    key = {"x-api-key": site.keys["bert"]}
    for path in ("media", "media?playable=true", "peaks"):
        assert site.http.get(f"/api/v1/jobs/{site.job_id}/{path}", headers=key).status_code == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"base": 0}', None),
        (b'{"base": -1, "edits": []}', "base"),
        (b'{"base": 0, "edits": []}', "edits"),
        (b'{"base": 0, "edits": [{"replace": [0], "by": [{"text": 1}]}]}', "edits[0].by[0].text"),
        (b'{"base": 0, "edits": [{"replace": [0], "by": [{"text": "a\\u0000"}]}]}', "text"),
        (b'{"base": 0, "edits": [{"replace": [0], "by": [{"text": " "}]}]}', "text"),
        (b'{"base": 0, "edits": [{"replace": [0, 2], "by": []}]}', "replace"),
        (b'{"base": 0, "edits": [{"replace": [0], "by": [{"text": "a", "speaker": "\\u0007"}]}]}', "name"),
        (
            b'{"base": 0, "edits": [{"replace": [0], "by": [{"text": "a", "words":[["a",9.5,9.9,null,0]]}]}]}',
            "words",
        ),
        (b'{"base": 0, "edits": [{"replace": [0], "by": [{"text": "a", "words": [["a", 1, 2]]}]}]}', None),
        (b'{"base": 0, "edits": [{"replace": [0], "by": [{"text": "a", "start": -1}]}]}', "start"),
        (b'{"base": 0, "edits": [{"replace": [0], "by": [{"text": "\\ud800"}]}]}', None),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(site: Site, body: bytes, param: str | None) -> None:
    answer = site.ask("PATCH", "/document", content=body)

    assert answer.status_code == 400, answer.text
    assert param is None or answer.json()["error"]["param"] == param
    assert site.document()["head"] == 0


def test_a_request_beyond_all_measure_is_refused(site: Site) -> None:
    body = b'{"base": 0, "edits": [], "more": "' + b"x" * MOST_BODY_BYTES + b'"}'

    assert site.ask("PATCH", "/document", content=body).status_code == 413


def test_nobody_can_add_speakers_without_end(site: Site) -> None:
    by = [{"text": "x", "speaker": f"Speaker {n}"} for n in range(MOST_SPEAKERS)]
    refused = site.edit(0, {"replace": [], "by": by, "after": None}, status=400)
    assert refused["error"]["param"] == "speaker"

    site.edit(0, {"replace": [], "by": by[:50], "after": None})
    assert len(site.document()["speakers"]) == 52


@pytest.mark.parametrize(
    "by",
    [[{"text": "x"}] * (MOST_PASSAGES + 1), [{"text": "x " * 20_000}] * (MOST_WRITTEN_CHARS // 40_000 + 1)],
    ids=["segments", "characters"],
)
def test_a_request_cannot_write_without_end(site: Site, by: list[dict[str, str]]) -> None:
    assert site.edit(0, {"replace": [], "by": by, "after": None}, status=413)["error"]["param"] == "edits"


def test_while_there_is_no_transcript_there_is_no_document(site: Site) -> None:
    [job] = jobs.submit(
        site.house, Caller("anna", admin=False), jobs.Order("v1"), [keep(site.house, Path(__file__), "new.wav")]
    )
    site.job_id = job.id

    for method, path, body in (
        ("GET", "/document", None),
        ("GET", "/versions", None),
        ("PATCH", "/document", {"base": 0, "edits": [{"replace": [0], "by": []}]}),
        ("POST", "/versions/0/restore", {"base": 0}),
    ):
        answer = site.ask(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


def test_a_long_document_comes_compressed_where_the_client_takes_it(site: Site) -> None:
    many = [{"text": f"This is the sentence number {number}."} for number in range(200)]
    site.edit(0, {"replace": [0], "by": many})
    plain = site.ask("GET", "/document")  # httpx asks for gzip, and unpacks it
    url = f"/api/v1/transcriptions/{site.job_id}/document"
    as_is = site.http.get(url, headers={"x-api-key": site.keys["anna"], "accept-encoding": "identity"})

    assert plain.headers["content-encoding"] == "gzip"
    assert plain.headers["vary"] == as_is.headers["vary"] == "accept-encoding"
    assert "content-encoding" not in as_is.headers
    assert plain.json() == as_is.json()


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("gzip;q=0", False), ("gzip; q=0.0", False), ("", False)],
)
def test_who_takes_gzip(accepted: str, taken: bool) -> None:
    assert takes_gzip(accepted) is taken


def test_search_finds_what_stands_there_now(site: Site) -> None:
    def found(query: str) -> list[str]:
        answer = site.http.get("/api/v1/library", params={"q": query}, headers={"x-api-key": site.keys["anna"]})
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    site.edit(0, {"replace": [0], "by": [{"text": "Salutations to you all."}]})
    assert (found("salutations"), found("begin")) == ([site.job_id], [site.job_id])
    site.edit(1, {"replace": [0], "by": []})
    assert found("salutations") == []
    site.ask("POST", "/versions/1/restore", json={"base": 2})
    assert site.ask("POST", "/versions/0/restore", json={"base": 2}).status_code == 200
    assert (found("salutations"), found("you all")) == ([], [site.job_id])


def test_changes_of_the_clean_up_hold_where_nobody_edited(site: Site) -> None:
    lines = [Line(0, "Good morning, to you all."), Line(1, "Good morning!"), Line(2, "Shall we begin, now?")]
    made = Enhancement("clean", "model", 1, tuple(lines), diff.changes(TALK.segments, lines), language="en")
    asked = enhancing.submit(site.house, Caller("anna", admin=False), site.job_id, EnhanceOptions())
    with site.house.db.write() as tx:
        values = {"state": "succeeded", "started_at": time.time(), "finished_at": time.time()}
        tx.connection.execute(update(job_table).where(job_table.c.id == asked.job.id).values(**values))
        enhancements.put(tx, asked.job.id, site.job_id, made)
    assert not enhancing.submit(site.house, Caller("anna", admin=False), site.job_id, EnhanceOptions()).begun
    site.edit(
        0,
        {"replace": [0], "by": [{"text": "Well, good morning to you all."}]},
        {"replace": [1], "by": []},
        {"replace": [2], "by": [{"text": "Shall we start now?"}]},
    )

    view = site.ask("GET", "/enhancement").json()
    assert [(change["at"], change["after"], change["stale"]) for change in view["changes"]] == [
        (11, "morning,", False),
        (5, "morning!", True),
        (9, "begin,", True),
    ]
    assert view["stale"] == 2
    assert view["text_with_accepted"] == "Well, good morning, to you all. Shall we start now?"
    assert "good morning, to you" in site.ask("GET", "?format=txt&enhanced=true").text
    again = enhancing.submit(site.house, Caller("anna", admin=False), site.job_id, EnhanceOptions())
    assert again.begun  # the text is another one now
