"""Who speaks, from the request to every answer: a real socket and queue, a worker's process with fake networks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.store import schema
from tests import scenes
from tests.service import fake, supervise


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose worker gives each stretch of speech to the next of two speakers."""
    home = tmp_path_factory.mktemp("home")
    with House.open(Settings(home=str(home)), ServerSettings()) as house:
        schema.upgrade(house.db)
        supervisor = supervise(house, fake(home / "log", 0.0))
        supervisor.start()
        try:
            with scenes.serving(house) as address:
                yield address
        finally:
            supervisor.stop(0.5)


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as opened:
        yield opened


@pytest.fixture
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=60, trust_env=False) as opened:
        yield opened


def transcribe(client: openai.OpenAI, sound: Path, **options: Any) -> Any:
    return client.audio.transcriptions.create(**{"file": sound, "model": "whisper-1", **options})


def told(http: httpx2.Client, job_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Kind and data of every event of a job, to its end."""
    found = []
    with http.stream("GET", f"/api/v1/jobs/{job_id}/events") as answer:
        kind = ""
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                found.append((kind, json.loads(value)))
    return found


def test_a_job_tells_its_turns_and_its_transcript_has_speakers(http: httpx2.Client, two_cities: Path) -> None:
    files = {"file": two_cities.read_bytes()}
    [job] = http.post("/api/v1/jobs", data={"num_speakers": "2"}, files=files).json()["jobs"]
    events = told(http, job["id"])
    full = http.get(f"/api/v1/transcriptions/{job['id']}").json()

    assert events[-1][1]["state"] == "succeeded"
    live = [data for kind, data in events if kind == "segment"]
    assert len(live) > 3
    assert {data["speaker"] for data in live} == {None}
    turns = [data for kind, data in events if kind == "speakers"][-1]
    assert turns["diarizer"] == full["diarizer"] == "fake"
    assert turns["turns"] == full["turns"]
    assert {turn["speaker"] for turn in full["turns"]} == {"SPEAKER_00", "SPEAKER_01"}
    assert full["segments"][0]["speaker"] == full["turns"][0]["speaker"] == "SPEAKER_00"
    assert {segment["speaker"] for segment in full["segments"]} == {"SPEAKER_00", "SPEAKER_01"}
    assert " ".join(segment["text"] for segment in full["segments"]) == " ".join(data["text"] for data in live)
    shares = [data["progress"] for kind, data in events if kind == "stage"]
    assert shares == sorted(shares)
    assert max(shares[:-1]) < 1.0
    assert shares[-1] == 1.0

    [again] = http.post("/api/v1/jobs", data={"num_speakers": "2"}, files=files).json()["jobs"]
    assert (again["state"], again["cached"]) == ("succeeded", True)
    assert [kind for kind, _ in told(http, again["id"])].count("speakers") == 1


def test_the_number_of_speakers_reaches_the_diarizer(http: httpx2.Client, two_cities: Path) -> None:
    files = {"file": two_cities.read_bytes()}
    [job] = http.post("/api/v1/jobs", data={"num_speakers": "3"}, files=files).json()["jobs"]
    told(http, job["id"])

    turns = http.get(f"/api/v1/transcriptions/{job['id']}").json()["turns"]
    assert {turn["speaker"] for turn in turns} == {"SPEAKER_00", "SPEAKER_01", "SPEAKER_02"}


def test_diarized_json_has_letters_in_order_of_appearance(client: openai.OpenAI, two_cities: Path) -> None:
    answer = transcribe(
        client, two_cities, model="gpt-4o-transcribe-diarize", response_format="diarized_json", chunking_strategy="auto"
    )

    assert [segment.speaker for segment in answer.segments][:3] == ["A", "B", "A"]
    assert answer.text.startswith(f"A: {answer.segments[0].text}\nB: ")
    assert [segment.id for segment in answer.segments][:2] == ["seg_001", "seg_002"]
    assert answer.usage.type == "tokens"


def test_a_diarized_stream_is_text_as_it_comes_then_the_segments(client: openai.OpenAI, two_cities: Path) -> None:
    options = {"model": "gpt-4o-transcribe-diarize", "response_format": "diarized_json"}
    events = list(transcribe(client, two_cities, stream=True, **options))
    whole = transcribe(client, two_cities, **options)
    kinds = [event.type.removeprefix("transcript.text.") for event in events]
    deltas, segments = kinds.count("delta"), kinds.count("segment")

    assert kinds == ["delta"] * deltas + ["segment"] * segments + ["done"]
    assert "".join(event.delta for event in events[:deltas]) == events[-1].text
    assert [(event.speaker, event.text) for event in events[deltas:-1]] == [
        (segment.speaker, segment.text) for segment in whole.segments
    ]


def test_speakers_are_in_every_format_that_has_a_place_for_them(client: openai.OpenAI, two_cities: Path) -> None:
    extra = {"extra_body": {"diarize": "true"}}
    verbose = transcribe(
        client, two_cities, response_format="verbose_json", timestamp_granularities=["word", "segment"], **extra
    )

    assert {segment.speaker for segment in verbose.segments} == {"SPEAKER_00", "SPEAKER_01"}
    assert {word.speaker for word in verbose.words} == {"SPEAKER_00", "SPEAKER_01"}
    assert "SPEAKER_01" in transcribe(client, two_cities, response_format="vtt", **extra)
    plain = transcribe(client, two_cities, response_format="verbose_json")
    assert not hasattr(plain.segments[0], "speaker")
