"""The OpenAI wire, spoken by OpenAI's own client with a real server."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import pytest

from stenogram.config import Settings
from stenogram.models import transfer
from tests.integration.conftest import Server, serving
from tests.service import read_wav, write_wav
from tests.whisper_weights import ctranslate2_files


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as opened:
        yield opened


@pytest.fixture(scope="module")
def speech() -> bytes:
    from stenogram.bundled import asset

    return asset("assets/beckett.wav").read_bytes()


def transcribe(client: openai.OpenAI, sound: Any, **options: Any) -> Any:
    return client.audio.transcriptions.create(**{"file": sound, "model": "whisper-1", **options})


def test_json(client: openai.OpenAI, speech: bytes) -> None:
    """Bytes arrive as "upload" of an unknown type: the content is what counts."""
    answer = transcribe(client, speech)

    assert answer.text.startswith("Ever tried")
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == 10


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "moonshine-tiny-en"])
def test_models_by_every_name(client: openai.OpenAI, speech: bytes, model: str) -> None:
    assert transcribe(client, speech, model=model).text.startswith("Ever tried")


@pytest.mark.parametrize(
    ("granularities", "words", "segments"),
    [
        (None, False, True),
        ([], False, True),
        (["segment"], False, True),
        (["word"], True, False),
        (["word", "segment"], True, True),
    ],
)
def test_verbose_json_has_the_lists_that_were_asked_for(
    client: openai.OpenAI, speech: bytes, granularities: list[str] | None, words: bool, segments: bool
) -> None:
    options = {} if granularities is None else {"timestamp_granularities": granularities}
    answer = transcribe(client, speech, response_format="verbose_json", **options)

    assert (answer.words is not None, answer.segments is not None) == (words, segments)
    assert answer.language == "english"
    assert isinstance(answer.duration, float)
    assert answer.task == "transcribe"
    if words:
        assert [word.word for word in answer.words][:2] == ["Ever", "tried,"]
        assert all(0 <= word.start <= word.end <= answer.duration for word in answer.words)
    if segments:
        assert answer.segments[0].id == 0
        assert answer.segments[0].text.startswith(" Ever tried")
        assert answer.segments[0].avg_logprob <= 0


def test_both_spellings_of_lists_are_understood(server: Server, speech: bytes) -> None:
    for name in ("timestamp_granularities", "timestamp_granularities[]"):
        form = {"model": "whisper-1", "response_format": "verbose_json", name: "word"}
        with server.client() as http:
            body = http.post("/v1/audio/transcriptions", data=form, files={"file": speech}).json()
        assert "words" in body
        assert "segments" not in body


@pytest.mark.parametrize(
    ("response_format", "pattern", "media_type"),
    [
        ("text", r"^Ever tried.*\n$", "text/plain"),
        ("srt", r"^1\n00:00:0\d,\d{3} --> 00:00:\d\d,\d{3}\n", "application/x-subrip"),
        ("vtt", r"^WEBVTT\n\n", "text/vtt"),
    ],
)
def test_plain_formats_are_the_raw_body(
    client: openai.OpenAI, server: Server, speech: bytes, response_format: str, pattern: str, media_type: str
) -> None:
    answer = transcribe(client, speech, response_format=response_format)
    with server.client() as http:
        form = {"model": "whisper-1", "response_format": response_format}
        raw = http.post("/v1/audio/transcriptions", data=form, files={"file": speech})

    assert isinstance(answer, str)
    assert re.match(pattern, answer, re.DOTALL)
    assert raw.text == answer
    assert raw.headers["content-type"].startswith(media_type)


def test_diarized_json_has_its_shape(client: openai.OpenAI, speech: bytes) -> None:
    answer = transcribe(
        client, speech, model="gpt-4o-transcribe-diarize", response_format="diarized_json", chunking_strategy="auto"
    )

    assert answer.text.startswith("A: Ever tried")
    assert answer.segments[0].id == "seg_001"
    assert answer.segments[0].speaker == "A"
    assert answer.segments[0].type == "transcript.text.segment"
    assert answer.usage.type == "tokens"


@pytest.fixture(scope="module")
def two_voices() -> Path:
    """28 s of two people in turns; the one of them who speaks last but one does so from 18 to 27 s."""
    from stenogram.bundled import asset

    return asset("assets/endgame_nagg_nell.wav")


@pytest.fixture(scope="module")
def sample(two_voices: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight seconds of that one, as a data URL."""
    sound, rate = read_wav(two_voices)
    path = write_wav(tmp_path_factory.mktemp("sample") / "sample.wav", sound[18 * rate : 26 * rate], rate)
    return "data:audio/wav;base64," + base64.b64encode(path.read_bytes()).decode()


def test_a_known_speaker_is_called_by_name_and_another_by_a_letter(
    client: openai.OpenAI, two_voices: Path, sample: str
) -> None:
    """With the networks that come with stenogram; as sent by the client: names and samples as lists."""
    raw = client.audio.transcriptions.with_raw_response.create(
        file=two_voices,
        model="gpt-4o-transcribe-diarize",
        response_format="diarized_json",
        known_speaker_names=["Nell"],
        known_speaker_references=[sample],
    )
    segments = json.loads(raw.text)["segments"]

    assert "x-stenogram-warning" not in raw.headers
    assert {segment["speaker"] for segment in segments} == {"A", "Nell"}
    assert {segment["speaker"] for segment in segments if 18 < segment["start"] < segment["end"] < 27} <= {"Nell"}
    assert max(segments, key=lambda segment: segment["end"] - segment["start"])["speaker"] == "Nell"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda url: url[: len(url) // 8], r"reference recording of Ann: it is 1\.0 s long.* 2 to 10 s"),
        (lambda _url: "data:;base64,aGVsbG8gaGVsbG8gaGVsbG8=", "reference recording of Ann: not an audio"),
    ],
)
def test_a_reference_of_no_use_fails_the_job_and_the_message_says_whose(
    client: openai.OpenAI, speech: bytes, sample: str, change: Any, message: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=message) as raised:
        transcribe(
            client,
            speech,
            extra_body={"known_speaker_names": ["Ann"], "known_speaker_references": [change(sample)]},
        )
    assert raised.value.param == "known_speaker_references"
    assert raised.value.code == "bad_reference"


def test_logprobs_are_told_when_included(client: openai.OpenAI, speech: bytes) -> None:
    answer = transcribe(client, speech, include=["logprobs"])

    assert "".join(entry.token for entry in answer.logprobs) == answer.text
    assert all(entry.logprob < 0 for entry in answer.logprobs)
    assert bytes(map(int, answer.logprobs[0].bytes)) == b"Ever"


def test_usage_is_of_the_kind_that_the_named_model_has(client: openai.OpenAI, speech: bytes) -> None:
    """Seconds for whisper-1, tokens for the younger models: 10 a second of sound, and those of the text."""
    usage = transcribe(client, speech, model="gpt-4o-transcribe").usage

    assert (usage.type, usage.input_tokens, usage.input_token_details.audio_tokens) == ("tokens", 100, 100)
    assert usage.output_tokens > 10
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_gpt_transcribe_is_told_keywords_and_languages_and_tells_the_language(
    client: openai.OpenAI, speech: bytes
) -> None:
    answer = transcribe(client, speech, model="gpt-transcribe", languages=["en"], keywords=["Godot", "Pozzo"])

    assert [language.code for language in answer.languages] == ["en"]


def test_a_stream_s_deltas_joined_are_its_text(client: openai.OpenAI, two_cities: Path) -> None:
    events = list(transcribe(client, two_cities, stream=True))
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]

    assert {event.type for event in events} == {"transcript.text.delta", "transcript.text.done"}
    assert len(deltas) > 3
    assert "".join(deltas) == events[-1].text == transcribe(client, two_cities).text
    assert events[-1].text.startswith("It was the best of times")
    assert events[-1].usage.input_tokens == 444  # the only kind that this event has
    assert events[-1].usage.output_tokens > 100


def test_a_stream_tells_logprobs_and_languages(client: openai.OpenAI, speech: bytes) -> None:
    events = list(transcribe(client, speech, stream=True, include=["logprobs"], languages=["en"]))

    assert "".join(part.token for event in events[:-1] for part in event.logprobs) == events[-1].text
    assert "".join(part.token for part in events[-1].logprobs) == events[-1].text
    assert [language.code for language in events[-1].languages] == ["en"]


def test_a_diarized_stream_has_segments(client: openai.OpenAI, speech: bytes) -> None:
    events = list(transcribe(client, speech, stream=True, response_format="diarized_json"))
    segments = [event for event in events if event.type == "transcript.text.segment"]

    assert segments[0].id == "seg_001"
    assert segments[0].speaker == "A"
    assert " ".join(segment.text for segment in segments) == events[-1].text


def test_a_failure_in_a_stream_raises(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="not an audio or video file"):
        list(transcribe(client, b"this is no sound, it is text", stream=True))


def test_a_stream_tells_that_it_lives_at_once(server: Server, speech: bytes) -> None:
    with (
        server.client() as http,
        http.stream(
            "POST", "/v1/audio/transcriptions", data={"model": "whisper-1", "stream": "true"}, files={"file": speech}
        ) as answer,
    ):
        first = next(answer.iter_lines())

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert first.startswith(": ")


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"response_format": "xml"}, "response_format"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ({"timestamp_granularities": ["line"], "response_format": "verbose_json"}, "timestamp_granularities"),
        ({"include": ["logprobs"], "response_format": "text"}, "include"),
        ({"include": ["everything"]}, "include"),
        ({"temperature": 2.0}, "temperature"),
        ({"language": "klingon"}, "language"),
        ({"language": "ru"}, "language"),
        ({"extra_body": {"stream": "maybe"}}, "stream"),
        ({"chunking_strategy": {"type": "by_hand"}}, "chunking_strategy"),
        ({"known_speaker_names": ["a", "b", "c", "d", "e"]}, "known_speaker_names"),
    ],
)
def test_what_cannot_be_is_a_400_that_names_the_part(
    client: openai.OpenAI, speech: bytes, options: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        transcribe(client, speech, **options)

    assert raised.value.param == param
    assert raised.value.type == "invalid_request_error"
    assert raised.value.code
    assert raised.value.response.headers["x-should-retry"] == "false"


def test_an_unknown_model_is_a_404(client: openai.OpenAI, speech: bytes) -> None:
    for name in ("no-such-model", "large-v3"):  # the latter is known, but neither here nor enabled
        with pytest.raises(openai.NotFoundError) as raised:
            transcribe(client, speech, model=name)
        assert raised.value.code == "model_not_found"
        assert raised.value.param == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


@pytest.mark.parametrize(
    ("sound", "code"),
    [
        (b"", "empty_file"),
        (b"RIFF", "not_media"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not_media"),
        (b"hello " * 100, "not_media"),
    ],
)
def test_what_is_no_sound_is_a_400_and_the_server_lives_on(
    client: openai.OpenAI, server: Server, sound: bytes, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        transcribe(client, sound)

    assert raised.value.code == code
    assert raised.value.param == "file"
    assert httpx2.get(f"{server.url}/health", trust_env=False).json()["status"] == "ready"


def test_speech_then_silence_gives_text_then_none(client: openai.OpenAI, speech: bytes, tmp_path: Path) -> None:
    silence = write_wav(tmp_path / "silence.wav", np.zeros(32_000, np.float32))

    assert transcribe(client, speech).text
    assert transcribe(client, silence).text == ""
    assert transcribe(client, silence, response_format="srt") == ""
    verbose = transcribe(client, silence, response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert (verbose.words, verbose.segments) == ([], [])
    assert [event.type for event in transcribe(client, silence, stream=True)] == ["transcript.text.done"]


def test_a_recording_that_was_cut_off_gives_the_text_there_is(client: openai.OpenAI, speech: bytes) -> None:
    answer = transcribe(client, speech[: len(speech) // 2], response_format="verbose_json")

    assert answer.text.startswith("Ever tried")
    assert any("cut off" in warning for warning in answer.warnings)


def test_subtitles_past_one_hour_are_right(server: Server, speech: bytes) -> None:
    """One sentence an hour in; also what ends just before a full minute."""
    with wave.open(io.BytesIO(speech)) as file:
        rate = file.getframerate()
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    late = np.zeros(int(3662 * rate), "<i2")
    late[-len(sound) :] = sound
    packed = io.BytesIO()
    with wave.open(packed, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(late.tobytes())
    with server.client() as http:
        form = {"model": "whisper-1", "response_format": "srt"}
        body = http.post("/v1/audio/transcriptions", data=form, files={"file": packed.getvalue()}).text

    times = re.findall(r"(\d\d):(\d\d):(\d\d),(\d{3})", body)
    assert times[0][:2] == ("01", "00")
    assert all(int(minute) < 60 and int(second) < 60 for _, minute, second, _ in times)


def test_habits_of_clients_are_borne_with(client: openai.OpenAI, speech: bytes) -> None:
    """Prompt and temperature are sent by habit: this engine has neither, so they are left out, and it says so."""
    raw = client.audio.transcriptions.with_raw_response.create(
        file=speech, model="whisper-1", prompt="Beckett", temperature=0.2, extra_body={"hotwords": "Godot"}
    )

    assert raw.parse().text.startswith("Ever tried")
    warning = raw.headers["x-stenogram-warning"]
    assert all(name in warning for name in ("prompt", "temperature", "keywords"))


def test_what_is_left_out_is_told_in_verbose_json_too_and_nowhere_else(client: openai.OpenAI, speech: bytes) -> None:
    options = {"prompt": "Beckett", "extra_body": {"frobnicate": "1"}}

    told = " ".join(transcribe(client, speech, response_format="verbose_json", **options).warnings)
    assert "prompt is ignored" in told
    assert "frobnicate is ignored" in told
    assert set(json.loads(transcribe(client, speech, **options).to_json())) == {"text", "usage"}


def test_what_rivals_take_is_taken(client: openai.OpenAI, speech: bytes) -> None:
    """hotwords, vad_filter, diarize and task, as clients of other servers send them."""
    extra = {"hotwords": "Godot", "vad_filter": "false", "diarize": "true", "task": "transcribe"}
    assert transcribe(client, speech, extra_body=extra).text.startswith("Ever tried")


def test_temperature_zero_is_no_wish(client: openai.OpenAI, speech: bytes) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(file=speech, model="whisper-1", temperature=0)

    assert "x-stenogram-warning" not in raw.headers


def test_server_vad_options_reach_the_vad(client: openai.OpenAI, speech: bytes) -> None:
    """Cut so tightly, the first word begins later."""
    strategy: Any = {"type": "server_vad", "threshold": 0.99, "silence_duration_ms": 200, "prefix_padding_ms": 0}
    tight = transcribe(client, speech, chunking_strategy=strategy, response_format="verbose_json")
    usual = transcribe(client, speech, response_format="verbose_json")

    assert tight.segments[0].start > usual.segments[0].start


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_a_translation_needs_a_model_that_can(client: openai.OpenAI, speech: bytes) -> None:
    with pytest.raises(openai.BadRequestError, match=r"cannot translate.*No model here can") as raised:
        client.audio.translations.create(file=speech, model="whisper-1")
    assert raised.value.param == "model"
    with pytest.raises(openai.BadRequestError, match="cannot translate"):
        transcribe(client, speech, extra_body={"task": "translate"})


@pytest.fixture(scope="module")
def bilingual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """A server that has a model beside the built-in one: tiny Whisper weights, which can translate."""
    home = tmp_path_factory.mktemp("bilingual")
    folder = ctranslate2_files().paths["model"].parent
    model = transfer.describe("whisper-test", "whisper", ("en", "ru"), folder)
    transfer.import_model(model, folder, Settings(home=str(home)), lambda _done, _total: None, lambda: False)
    with (
        serving(home, "--shutdown-grace-s", "1") as started,
        openai.OpenAI(base_url=f"{started.url}/v1", api_key="any", max_retries=0) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.parametrize("model", ["whisper-1", "whisper-test"])
def test_a_translation_is_made_by_a_model_that_can(bilingual: openai.OpenAI, speech: bytes, model: str) -> None:
    """OpenAI's name means whichever model here can, when no model is set."""
    answer = bilingual.audio.translations.create(file=speech, model=model, response_format="verbose_json")

    assert answer.language == "english"
    assert isinstance(answer.duration, float)
    assert answer.model == "whisper-test"  # type: ignore[attr-defined]
    assert answer.task == "translate"  # type: ignore[attr-defined]
    text = bilingual.audio.translations.create(file=speech, model=model, response_format="text")
    assert str(text) == answer.text + "\n"


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_who_names_a_model_that_cannot_translate_hears_which_can(bilingual: openai.OpenAI, speech: bytes) -> None:
    with pytest.raises(openai.BadRequestError, match="Models here that can: whisper-test"):
        bilingual.audio.translations.create(file=speech, model="moonshine-tiny-en")


def test_a_model_that_takes_prompts_keywords_and_temperatures_gets_them(
    bilingual: openai.OpenAI, speech: bytes
) -> None:
    raw = bilingual.audio.transcriptions.with_raw_response.create(
        file=speech, model="whisper-test", prompt="so", temperature=0.2, extra_body={"hotwords": "it"}, language="en"
    )

    assert raw.status_code == 200
    assert "x-stenogram-warning" not in raw.headers


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}

    assert {"moonshine-tiny-en", "whisper-1", "gpt-4o-transcribe-diarize"} <= models.keys()
    for name in ("moonshine-tiny-en", "whisper-1", "auto"):
        assert client.models.retrieve(name).object == "model"
        assert client.models.retrieve(name).id == name
    assert isinstance(models["whisper-1"].created, int)


def test_every_error_has_all_four_keys(server: Server) -> None:
    with server.client() as http:
        answers = [
            http.get("/v1/nothing"),
            http.get("/v1/audio/transcriptions"),
            http.post("/v1/audio/transcriptions", json={"model": "whisper-1"}),
            http.post("/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"other": b"x"}),
            http.post("/v1/audio/transcriptions", files={"file": b"x"}),
            http.get("/status"),
            http.get("/status", params={"job_id": "nothing"}),
            http.get("/api/v1/jobs", params={"limit": 0}),
        ]

    assert [answer.status_code for answer in answers] == [404, 405, 400, 400, 400, 400, 404, 400]
    for answer in answers:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_repeated_post_joins_the_one_under_way(server: Server, two_cities: Path) -> None:
    """As a client does whose first try timed out: one computation, twice the same answer."""
    sound, rate = read_wav(two_cities)
    packed = write_wav(server.home / "twice.wav", np.tile(sound, 6) * 0.9, rate).read_bytes()
    with server.client() as http:
        with pytest.raises(httpx2.ReadTimeout):
            http.post(
                "/v1/audio/transcriptions",
                data={"model": "whisper-1"},
                files={"file": packed},
                timeout=httpx2.Timeout(10, read=0.5),
            )
        answer = http.post("/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"file": packed})
        jobs = http.get("/api/v1/jobs", params={"text": "upload", "limit": 2}).json()["jobs"]

    assert answer.status_code == 200
    assert {job["state"] for job in jobs} <= {"succeeded", "cancelled"}


def test_who_goes_away_gives_the_job_up(server: Server, two_cities: Path) -> None:
    sound, rate = read_wav(two_cities)
    packed = write_wav(server.home / "gone.wav", np.tile(sound, 8) * 0.8, rate).read_bytes()
    with server.client() as http:
        with http.stream(
            "POST", "/v1/audio/transcriptions", data={"model": "whisper-1", "stream": "true"}, files={"file": packed}
        ) as answer:
            job_id = answer.headers["x-stenogram-job"]
        ended = json.loads(_until_over(http, job_id))

    assert ended["state"] == "cancelled"


@pytest.mark.slow
def test_a_server_that_stops_tells_who_waits_to_come_back(tmp_path: Path, two_cities: Path) -> None:
    """And does not keep them, nor the operator, waiting."""
    sound, rate = read_wav(two_cities)
    packed = write_wav(tmp_path / "long.wav", np.tile(sound, 30) * 0.7, rate).read_bytes()
    with (
        serving(tmp_path / "home", "--shutdown-grace-s", "0.5") as server,
        server.client() as http,
        http.stream(
            "POST", "/v1/audio/transcriptions", data={"model": "whisper-1", "stream": "true"}, files={"file": packed}
        ) as answer,
    ):
        lines = answer.iter_lines()
        next(line for line in lines if line.startswith("data: "))
        server.process.send_signal(signal.SIGINT)
        last = [line for line in lines if line.startswith("data: ")][-1]

    assert json.loads(last.removeprefix("data: "))["error"]["type"] == "server_error"


@pytest.mark.slow
def test_with_keys_a_bad_one_is_a_401_that_is_not_repeated(tmp_path: Path, speech: bytes) -> None:
    command = [sys.executable, "-m", "stenogram.cli.main", "keys", "create", "--name", "test"]
    made = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "STENOGRAM_HOME": str(tmp_path)}
    )
    key = made.stdout.strip()
    seen: list[int] = []
    hooks: Any = {"response": [lambda answer: seen.append(answer.status_code)]}
    with serving(tmp_path) as server:
        for api_key in ("wrong", key):
            http = openai.DefaultHttpxClient(trust_env=False, event_hooks=hooks)
            with openai.OpenAI(base_url=f"{server.url}/v1", api_key=api_key, http_client=http) as client:
                if api_key == key:
                    assert transcribe(client, speech).text
                    continue
                with pytest.raises(openai.AuthenticationError) as raised:
                    transcribe(client, speech)
                assert (raised.value.code, raised.value.type) == ("invalid_api_key", "authentication_error")

    assert seen == [401, 200]


def _until_over(http: httpx2.Client, job_id: str) -> str:
    with http.stream("GET", f"/api/v1/jobs/{job_id}/events") as events:
        for _ in events.iter_lines():
            pass
    return http.get(f"/api/v1/jobs/{job_id}").text
