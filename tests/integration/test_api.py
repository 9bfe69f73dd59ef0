"""The Python API as a user's script meets it."""

from __future__ import annotations

import pickle
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import assert_type

import pytest

import stenogram
from stenogram.config import Settings
from stenogram.enhancement import Enhancement
from stenogram.errors import ChatUnavailable, EmptyFile, OptionError
from stenogram.testing.chat_server import ChatServer
from stenogram.types import Segment, Transcript, Word


def test_a_transcript_has_text_segments_and_words_with_types(beckett: Path) -> None:
    transcript = stenogram.transcribe(beckett)

    assert_type(transcript.segments, tuple[Segment, ...])
    assert "Ever" in transcript.text
    assert transcript.segments[0].words[0].word == "Ever"
    assert pickle.loads(pickle.dumps(transcript)) == transcript  # noqa: S301 - our own bytes


def test_the_stream_gives_the_same_segments_and_the_transcript_as_its_value(beckett: Path) -> None:
    segments = stenogram.stream(str(beckett))
    assert_type(segments, Generator[Segment, None, Transcript])
    found = []
    while True:
        try:
            found.append(next(segments))
        except StopIteration as ended:
            transcript = ended.value
            break

    assert tuple(found) == transcript.segments == stenogram.transcribe(beckett).segments


def test_an_unknown_option_is_refused_with_the_nearest_one(beckett: Path) -> None:
    with pytest.raises(OptionError, match="did you mean language"):
        stenogram.transcribe(beckett, langauge="en")


def test_an_error_survives_the_way_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(EmptyFile(path="a.wav")))  # noqa: S301 - our own bytes

    assert str(error) == str(EmptyFile(path="a.wav"))
    assert error.code == "empty_file"
    assert error.facts == {"path": "a.wav"}


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = (
        "import sys, stenogram; "
        "print([m for m in ('numpy', 'av', 'onnxruntime', 'click', 'openai', 'httpx') if m in sys.modules])"
    )

    result = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)

    assert result.stdout == "[]\n"
    assert set(stenogram.__all__) <= set(dir(stenogram))


def test_an_open_app_serves_many_files(two_cities: Path, tmp_path: Path) -> None:
    with stenogram.App.open(stenogram.Settings(home=str(tmp_path))) as app:
        first = stenogram.transcribe(two_cities, app=app)
        again = tuple(stenogram.stream(two_cities, app=app, language="en"))

        with pytest.raises(stenogram.StenogramError, match="is the app's"):
            stenogram.transcribe(two_cities, app=app, cache_max_mb=1)

    assert first.segments == again
    assert (tmp_path / "cache").is_dir()


def test_models_named_in_the_settings_are_in_memory_before_the_first_request(caplog: pytest.LogCaptureFixture) -> None:
    """R22; a name that is not installed is told in the log and costs nothing."""
    with stenogram.App.open(stenogram.Settings(preload="moonshine-tiny-en, base")) as app:
        assert [model.name for model in app.models.resident()] == ["moonshine-tiny-en"]
    assert "base is not preloaded" in caplog.text


def test_a_transcript_is_cleaned_up_and_changes_are_taken_one_by_one(tmp_path: Path) -> None:
    words = tuple(Word(word, float(place), place + 0.9) for place, word in enumerate(["well", "i", "dont", "know"]))
    transcript = Transcript((Segment(0, 0.0, 4.0, "well i dont know", words),), 4.0, "en")
    with ChatServer(say=lambda _messages: "[1] Well, I don't know.") as server:
        found = stenogram.enhance_transcript(transcript, llm_base_url=server.url, home=tmp_path)
        again = stenogram.enhance_transcript(transcript, llm_base_url=server.url, home=tmp_path)

    assert_type(found, Enhancement)
    assert found.text == "Well, I don't know."
    assert stenogram.apply_changes(transcript, found.changes).text == found.text
    assert stenogram.apply_changes(transcript, found.changes[:1]).text == "Well, i dont know"
    assert stenogram.apply_changes(transcript, []) == transcript
    assert (found.cached, again.cached, again.lines) == (False, True, found.lines)
    assert len(server.requests) == 1


def test_a_summary_is_a_document(tmp_path: Path) -> None:
    transcript = Transcript((Segment(0, 0.0, 4.0, "ann calls ben tomorrow"),), 4.0, "en")
    answer = '{"summary": "A call.", "action_items": [{"task": "call Ben", "owner": "Ann"}]}'
    with (
        ChatServer(say=lambda _messages: answer) as server,
        stenogram.App.open(Settings(home=str(tmp_path), llm_base_url=server.url)) as app,
    ):
        found = stenogram.enhance_transcript(transcript, kind="summary", app=app)
        with pytest.raises(OptionError, match="give it to App"):
            stenogram.enhance_transcript(transcript, app=app, llm_model="another")
    with pytest.raises(OptionError, match="did you mean target_language"):
        stenogram.enhance_transcript(transcript, target_langauge="de")

    assert found.document == {"summary": "A call.", "action_items": [{"task": "call Ben", "owner": "Ann"}]}


def test_without_a_language_model_the_error_says_what_to_do(tmp_path: Path) -> None:
    transcript = Transcript((Segment(0, 0.0, 4.0, "hello"),), 4.0, "en")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ChatUnavailable, match="does not answer"):
        stenogram.enhance_transcript(transcript, llm_base_url=f"http://127.0.0.1:{port}/v1", home=tmp_path)
