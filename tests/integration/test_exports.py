"""Exports over HTTP and through the command line: Word documents, names and times by choice, previews."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from docx import api
from starlette.testclient import TestClient

from stenogram.app import exporting, jobs
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings, rows
from stenogram.job import Caller
from stenogram.server.asgi import build
from stenogram.store import claims, schema, workers
from stenogram.types import Segment, SubtitleOptions, Transcript
from tests.service import keep

CALL = Transcript(
    segments=(
        Segment(0, 0.0, 1.0, "These are forty characters, all of them.", speaker="Ann"),
        Segment(1, 1.0, 4.0, "Yes.", speaker="Ben"),
        Segment(2, 360_000.0, 360_001.0, "Still there?", speaker="Ben"),
    ),
    duration=360_002.0,
    language="en",
    model="fake",
)
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
STENOGRAM = [sys.executable, "-m", "stenogram.cli.main"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, str]]:
    """A server in this process, and the path of a transcript."""
    home = tmp_path_factory.mktemp("exports")
    with House.open(Settings(home=str(home)), ServerSettings(min_free_disk_mb=0)) as house:
        schema.upgrade(house.db)
        with house.db.write() as tx:
            workers.register(tx, "w", "here", 1, "cpu")
        recording = home / "Встреча 1.ogg"
        recording.write_bytes(b"sound")
        [job] = jobs.submit(house, Caller(), jobs.Order("v1"), [keep(house, recording)])
        with house.db.write() as tx:
            claimed = claims.claim(tx, job.id, "w")
            assert claimed is not None
            claims.succeed(tx, claimed[1], CALL, None, cached=False)
        with TestClient(build(house), base_url="http://localhost:8000") as http:
            yield http, f"/api/v1/transcriptions/{job.id}"


def got(site: tuple[TestClient, str], last: str = "", **params: Any) -> httpx2.Response:
    http, path = site
    answer: httpx2.Response = http.get(path + last, params=params)
    return answer


def test_a_word_document_comes_as_one_with_the_name_of_the_recording(site: tuple[TestClient, str]) -> None:
    answer = got(site, format="docx", download="true", timestamps="true")

    document = api.Document(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == DOCX
    assert answer.headers["content-disposition"].endswith("%D0%92%D1%81%D1%82%D1%80%D0%B5%D1%87%D0%B0%201.docx")
    assert [paragraph.text for paragraph in document.paragraphs][2:] == [
        "00:00:00  Ann: These are forty characters, all of them.",
        "00:00:01  Ben: Yes.",
        "100:00:00  Ben: Still there?",
    ]
    assert document.core_properties.title == "Встреча 1"


def test_those_who_want_documents_keep_nobody_else_waiting(
    site: tuple[TestClient, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when they take long, and there are more of them than threads."""
    begun, go_on, export = threading.Event(), threading.Event(), exporting.export

    def slow(*given: Any) -> exporting.Export:
        begun.set()
        go_on.wait(30.0)
        return export(*given)

    monkeypatch.setattr(exporting, "export", slow)
    with ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(got, site, format="docx") for _ in range(30)]
        try:
            assert begun.wait(15.0)
            time.sleep(0.5)  # until all threads that they may have are taken
            found = pool.submit(site[0].get, "/api/v1/library").result(15.0)
        finally:
            go_on.set()
        assert found.status_code == 200
        assert {each.result().status_code for each in asked} == {200}


def test_every_subtitle_option_is_a_parameter(site: tuple[TestClient, str]) -> None:
    http, _ = site
    document = http.get("/openapi.json").json()["paths"]
    wanted = {row.name for row in rows(SubtitleOptions)} - {"speaker_names"} | {"speakers"}

    for path in ("/api/v1/transcriptions/{job_id}", "/api/v1/transcriptions/{job_id}/preview"):
        assert wanted <= {parameter["name"] for parameter in document[path]["get"]["parameters"]}


def test_names_and_times_and_pace_are_as_asked_for(site: tuple[TestClient, str]) -> None:
    assert got(site, format="txt", speakers="false").text == CALL.text + "\n"
    assert got(site, format="txt", timestamps="true").text.startswith("[00:00:00] Ann: These")
    assert got(site, format="tsv", speakers="false").text.startswith("start\tend\ttext\n")
    assert "<v" not in got(site, format="vtt", speakers="false").text
    assert "00:00:01,000 --> 00:00:04,000" in got(site, format="srt").text
    assert "00:00:00,000 --> 00:00:00,917" in got(site, format="srt", min_gap_ms=83).text
    assert "100:00:00,000 --> 100:00:01,000" in got(site, format="srt").text


@pytest.mark.parametrize(
    ("params", "told"),
    [({"max_cps": -1}, "at least 0"), ({"min_gap_ms": 9999}, "at most 5000"), ({"max_line_chars": 1}, "at least 10")],
)
def test_what_cannot_be_is_refused(site: tuple[TestClient, str], params: dict[str, Any], told: str) -> None:
    for last in ("", "/preview"):
        answer = got(site, last, format="srt", **params)
        assert answer.status_code == 400
        assert told in answer.json()["error"]["message"]


def test_a_preview_is_the_beginning_with_the_cues_to_look_at(site: tuple[TestClient, str]) -> None:
    whole = got(site, format="vtt", max_cps=20).text
    shown = got(site, "/preview", format="vtt", max_cps=20, limit=80).json()

    assert shown["truncated"]
    assert whole.startswith(shown["text"])
    assert shown["cues"] == 3
    assert shown["warnings"] == [
        {
            "cue": 1,
            "rule": "too_fast",
            "found": 40.0,
            "allowed": 20.0,
            "start": 0.0,
            "text": CALL.segments[0].text,
            "message": "Cue 1 at 00:00:00: 40 characters a second, 20 are allowed.",
        }
    ]
    assert shown["warnings_total"] == 1


def test_a_preview_of_what_is_not_there_is_told(site: tuple[TestClient, str]) -> None:
    http, _ = site

    assert got(site, "/preview", format="odt").status_code == 400
    assert got(site, "/preview").status_code == 400
    assert http.get("/api/v1/transcriptions/absent/preview", params={"format": "srt"}).status_code == 404


def test_the_wire_of_openai_knows_no_word_documents(site: tuple[TestClient, str]) -> None:
    http, _ = site
    answer = http.post(
        "/v1/audio/transcriptions", data={"model": "whisper-1", "response_format": "docx"}, files={"file": b"x"}
    )
    told = http.get("/openapi.json").json()["paths"]["/v1/audio/transcriptions"]["post"]["responses"]["200"]

    assert answer.status_code == 400
    assert DOCX not in told["content"]


# --- the command line ---


def test_a_word_document_goes_to_a_file_or_a_pipe(beckett: Path, tmp_path: Path) -> None:
    command = [*STENOGRAM, "transcribe", str(beckett), "--format", "docx", "--timestamps", "--quiet"]
    piped = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout
    subprocess.run([*command, "--output-dir", str(tmp_path)], check=True, timeout=120)

    for body in (piped, (tmp_path / "beckett.docx").read_bytes()):
        texts = [paragraph.text for paragraph in api.Document(io.BytesIO(body)).paragraphs]
        assert texts[0] == "beckett"
        assert texts[1].startswith("beckett.wav · ")
        assert texts[2].startswith("00:00:0")
        assert "Ever tried" in texts[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_a_word_document_is_nothing_for_a_terminal_nor_for_json(beckett: Path) -> None:
    command = [*STENOGRAM, "transcribe", str(beckett), "--format", "docx"]
    ours, theirs = pty.openpty()
    try:
        shown = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    finally:
        os.close(ours)
        os.close(theirs)
    as_json = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, timeout=120)

    for result, place in ((shown, "a terminal"), (as_json, "the JSON of --json")):
        assert result.returncode == 2
        assert f"nothing for {place}; add --output-dir FOLDER" in result.stderr


def test_json_for_scripts_names_the_document_that_was_written(beckett: Path, tmp_path: Path) -> None:
    command = [*STENOGRAM, "transcribe", str(beckett), "--format", "docx", "--json", "--output-dir", str(tmp_path)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)

    assert told["outputs"] == [str(tmp_path / "beckett.docx")]
