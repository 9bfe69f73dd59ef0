"""What clients may ask for of speakers, on every face of the server: taken, made part of the job, or refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from stenogram import diarization
from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.app.perform import request_of
from stenogram.config import ServerSettings, Settings
from stenogram.job import Caller
from stenogram.library import Row
from stenogram.server import references
from stenogram.server.asgi import build
from stenogram.store import claims, results, schema
from stenogram.store import references as stored_references
from stenogram.types import DiarizeOptions, Segment, SpeakerTurn, Transcript
from tests import scenes

SOUND = b"RIFF what a worker will find out"
SAMPLE = "data:audio/wav;base64," + base64.b64encode(SOUND).decode()
SAID = Transcript(
    (Segment(0, 0.0, 1.0, "Ever tried.", speaker="SPEAKER_00"), Segment(1, 1.0, 2.0, "Ever failed.", speaker="Ann")),
    2.0,
    turns=(SpeakerTurn(0.0, 1.0, "SPEAKER_00"), SpeakerTurn(1.0, 2.0, "Ann")),
    diarizer="built-in",
)
Fields = Mapping[str, str | list[str]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = str(tmp_path_factory.mktemp("home"))
    with House.open(Settings(home=home), ServerSettings(callback_allow="127.0.0.1")) as opened:
        schema.upgrade(opened.db)
        yield opened


@pytest.fixture(scope="module")
def client(house: House) -> Iterator[TestClient]:
    with TestClient(build(house), base_url="http://localhost:8000") as opened:
        yield opened


def post(client: TestClient, fields: Fields, path: str = "/api/v1/jobs", **headers: str) -> Any:
    return client.post(path, data=dict(fields), files={"file": ("a.wav", b"some sound")}, headers=headers)


def submitted(house: House, client: TestClient, **fields: str | list[str]) -> Any:
    answer = post(client, fields)
    assert answer.status_code == 202, answer.text
    return jobs.find(house, Caller(), answer.json()["jobs"][0]["id"])


def test_options_are_kept_with_the_job_and_read_back(house: House, client: TestClient) -> None:
    job = submitted(house, client, diarize="true", min_speakers="2", max_speakers="3")
    request = request_of(job, Path("a.wav"), "cpu", "all")

    assert request.diarize == DiarizeOptions(diarize=True, min_speakers=2, max_speakers=3)
    assert job.options["known_speakers"] == []
    assert request_of(submitted(house, client), Path("a.wav"), "cpu", "all").diarize == DiarizeOptions()


def test_jobs_that_ask_otherwise_for_speakers_are_not_identical(house: House, client: TestClient) -> None:
    other = SAMPLE.replace("UklGR", "UklGS")
    wishes: list[Fields] = [
        {},
        {"diarize": "true"},
        {"num_speakers": "2"},
        {"num_speakers": "2", "diarization": "built-in"},
        {"known_speaker_names[]": "Ann", "known_speaker_references[]": SAMPLE},
        {"known_speaker_names[]": "Bob", "known_speaker_references[]": SAMPLE},
        {"known_speaker_names[]": "Ann", "known_speaker_references[]": other},
        {"known_speaker_names[]": ["Ann", "Bob"], "known_speaker_references[]": [SAMPLE, other]},
        {"known_speaker_names[]": ["Ann", "Bob"], "known_speaker_references[]": [other, SAMPLE]},
    ]
    keys = [submitted(house, client, **fields).dedupe_key for fields in wishes]

    assert len(set(keys)) == len(wishes)
    assert [submitted(house, client, **fields).dedupe_key for fields in wishes] == keys
    assert submitted(house, client, diarize="on").dedupe_key == keys[1]
    assert submitted(house, client, diarize="false").dedupe_key == keys[0]


def test_references_are_kept_for_the_worker_and_not_told(house: House, client: TestClient) -> None:
    job = submitted(house, client, known_speaker_names="Ann", known_speaker_references=SAMPLE)
    with house.db.read() as connection:
        [kept] = stored_references.of_job(connection, job.id)

    assert (kept.name, kept.sound) == ("Ann", SOUND)
    assert job.options["known_speakers"] == [{"name": "Ann", "sha256": kept.digest}]
    assert "base64" not in client.get(f"/api/v1/jobs/{job.id}").text


def test_a_key_that_was_used_with_another_reference_is_used_for_another_request(client: TestClient) -> None:
    fields = {"known_speaker_names": "Ann", "known_speaker_references": SAMPLE}
    first = post(client, fields, **{"idempotency-key": "k"})

    assert post(client, fields, **{"idempotency-key": "k"}).json() == first.json()
    other = {**fields, "known_speaker_references": SAMPLE[:-8]}
    assert post(client, other, **{"idempotency-key": "k"}).status_code == 409


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/v1/audio/transcriptions"])
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"diarize": "maybe"}, "diarize"),
        ({"num_speakers": "0"}, "num_speakers"),
        ({"num_speakers": "2", "max_speakers": "2"}, "num_speakers"),
        ({"min_speakers": "3", "max_speakers": "2"}, "min_speakers"),
        ({"diarization": "by ear"}, "diarization"),
        ({"diarize": "false", "num_speakers": "2"}, "diarize"),
        (
            {"known_speaker_names": "Ann", "known_speaker_references": "https://example.org/a.wav"},
            references.REFERENCES,
        ),
        ({"known_speaker_references": SAMPLE}, references.REFERENCES),
        ({"known_speaker_names": list("abcde"), "known_speaker_references": [SAMPLE] * 5}, references.NAMES),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_field(
    client: TestClient, path: str, fields: Fields, param: str
) -> None:
    answer = post(client, {"model": "auto", **fields}, path)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_names_alone_are_refused_where_nobody_sends_them_by_habit(client: TestClient) -> None:
    assert post(client, {"known_speaker_names": "Ann"}).json()["error"]["param"] == references.REFERENCES


def test_a_reference_that_is_too_large_is_a_413_with_the_numbers(client: TestClient) -> None:
    for size, numbers in ((references.MOST_BYTES + 3, "3.0 MiB. It may have at most 3 MiB"), (2**22, "than 5 MiB")):
        url = "data:audio/wav;base64," + base64.b64encode(bytes(size)).decode()
        answer = post(client, {"known_speaker_names": "Ann", "known_speaker_references": url})

        assert answer.status_code == 413
        assert numbers in answer.json()["error"]["message"]
        assert answer.json()["error"]["param"] == references.REFERENCES


def test_references_may_be_as_long_as_the_wire_allows(house: House, client: TestClient) -> None:
    """Four of ten seconds, as waves of 48 kHz in stereo."""
    url = "data:audio/wav;base64," + base64.b64encode(bytes(48_000 * 4 * 10)).decode()
    job = submitted(house, client, known_speaker_names=list("abcd"), known_speaker_references=[url] * 4)

    assert [known["name"] for known in job.options["known_speakers"]] == list("abcd")


def test_a_diarizer_that_no_worker_has_is_refused(
    house: House, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as all workers are this machine's: what others have installed is not known here."""
    monkeypatch.setitem(diarization.DIARIZERS, "pyannote", Row("no:where", ("no_such_module",), (), extra="pyannote"))
    error = post(client, {"diarization": "pyannote"}).json()["error"]

    assert (error["code"], error["param"]) == ("diarizer_not_installed", "diarization")
    assert "stenogram[pyannote]" in error["message"]
    assert post(client, {"diarization": "auto", "diarize": "true"}).status_code == 202
    with house.db.write() as tx:
        scenes.add_worker(tx, "w9", "cuda:0")  # of the machine "studio"
    assert post(client, {"diarization": "pyannote"}).status_code == 202


def test_the_gpu_service_takes_the_options_and_tells_speakers_only_where_they_were_asked_for(
    house: House, client: TestClient
) -> None:
    """Without them its result is what it always was, to the letter."""
    fields = {"model": "moonshine-tiny-en", "language": "en", "callback_url": "http://127.0.0.1:1/"}
    for extra, transcript in (({}, Transcript((Segment(0, 0.0, 1.0, "So."),), 1.0)), ({"num_speakers": "2"}, SAID)):
        job_id = post(client, {**fields, **extra}, "/transcribe").json()["job_id"]
        assert jobs.find(house, Caller(), job_id).options.get("diarize", {}).get("num_speakers") == (
            2 if extra else None
        )
        with house.db.write() as tx:
            claims.answer(tx, job_id, transcript, results.pack(transcript))
        keys = {"start", "end", "text"} | ({"speaker"} if extra else set())
        segments = client.get("/status", params={"job_id": job_id}).json()["result"]["segments"]
        assert [set(segment) for segment in segments] == [keys] * len(transcript.segments)
    assert [segment["speaker"] for segment in segments] == ["SPEAKER_00", "Ann"]
    full = client.get(f"/api/v1/transcriptions/{job_id}").json()
    assert full["diarizer"] == "built-in"
    assert full["turns"][1] == {"start": 1.0, "end": 2.0, "speaker": "Ann"}
    assert [segment["speaker"] for segment in full["segments"]] == ["SPEAKER_00", "Ann"]


def test_every_option_is_documented_where_it_is_taken(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path in ("/api/v1/jobs", "/transcribe", "/v1/audio/transcriptions", "/v1/audio/translations"):
        body = paths[path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
        assert body["num_speakers"]["maximum"] == 100
        assert {"diarize", "diarization", "min_speakers", "max_speakers", "recognize_speakers"} <= body.keys()
