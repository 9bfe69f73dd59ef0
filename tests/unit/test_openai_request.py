"""Forms of the OpenAI API, as its clients and those of rivals send them, become requests, or errors with a part."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.errors import OptionError, TooLarge
from stenogram.job import Media
from stenogram.server import references
from stenogram.server.openai.request import ALIASES, WireRequest, parse
from stenogram.server.upload import Form
from stenogram.types import Task, VadOptions

VAD = VadOptions()
SAMPLE = "data:audio/wav;base64,AAAA"


def request(*fields: tuple[str, str], task: Task = "transcribe", model: str = "whisper-1") -> WireRequest:
    return parse(Form([("model", model), *fields], [("file", Media("", "", 1, "upload"))]), task, "the-default")


def refused(*fields: tuple[str, str], task: Task = "transcribe") -> Any:
    """The part that the refusal names."""
    with pytest.raises(OptionError) as raised:
        request(*fields, task=task)
    assert str(raised.value)
    return raised.value.facts["param"]


def test_the_least_a_client_sends() -> None:
    wire = request()

    assert (wire.response_format, wire.granularities, wire.stream) == ("json", ("segment",), False)
    assert wire.order.source == "openai"
    assert wire.order.run.transcribe.task == "transcribe"
    assert wire.order.run.vad == VAD
    assert wire.warnings == ()


@pytest.mark.parametrize("name", ALIASES)
def test_openai_s_names_mean_the_default_model(name: str) -> None:
    assert request(model=name).order.model == "the-default"


def test_other_names_are_kept() -> None:
    assert request(model="large-v3").order.model == "large-v3"


def test_a_model_is_required() -> None:
    with pytest.raises(OptionError, match="model is required") as raised:
        parse(Form([]), "transcribe", "the-default")
    assert raised.value.facts["param"] == "model"


@pytest.mark.parametrize("brackets", ["", "[]"])
def test_lists_are_read_in_both_spellings(brackets: str) -> None:
    wire = request(
        ("response_format", "verbose_json"),
        (f"timestamp_granularities{brackets}", "word"),
        (f"timestamp_granularities{brackets}", "segment"),
        (f"timestamp_granularities{brackets}", "word"),
        (f"keywords{brackets}", "Godot"),
        (f"keywords{brackets}", "Pozzo"),
        (f"languages{brackets}", "ru"),
        (f"known_speaker_names{brackets}", "Didi"),
        (f"known_speaker_references{brackets}", SAMPLE),
    )

    assert wire.granularities == ("word", "segment")
    assert wire.order.run.transcribe.hotwords == "Godot, Pozzo"
    assert wire.order.run.transcribe.language == "ru"
    assert wire.tells_languages
    assert [known.name for known in wire.order.known_speakers] == ["Didi"]
    assert request((f"include{brackets}", "logprobs")).logprobs


def test_keywords_and_hotwords_are_one() -> None:
    options = request(("hotwords", "Lucky, Pozzo"), ("keywords[]", "Godot")).order.run.transcribe
    assert options.hotwords == "Godot, Lucky, Pozzo"


@pytest.mark.parametrize("response_format", ["json", "text", "srt", "vtt", "diarized_json"])
def test_words_need_verbose_json(response_format: str) -> None:
    fields = ("response_format", response_format), ("timestamp_granularities[]", "word")
    assert refused(*fields) == "timestamp_granularities"


def test_segments_may_be_asked_for_in_every_format() -> None:
    """As OpenAI does: they are the default."""
    assert request(("timestamp_granularities[]", "segment")).response_format == "json"


@pytest.mark.parametrize("response_format", ["text", "srt", "vtt", "verbose_json", "diarized_json"])
def test_logprobs_need_json(response_format: str) -> None:
    assert refused(("response_format", response_format), ("include[]", "logprobs")) == "include"


@pytest.mark.parametrize("value", ["0", "0.0", "-0", ""])
def test_temperature_zero_is_the_ladder_that_is_the_default(value: str) -> None:
    assert request(("temperature", value)).order.run.transcribe.temperature is None


def test_other_temperatures_are_passed_on() -> None:
    assert request(("temperature", "0.4")).order.run.transcribe.temperature == 0.4
    assert request(("temperature", "1")).order.run.transcribe.temperature == 1.0


@pytest.mark.parametrize("value", ["1.01", "-0.1", "nan", "inf", "warm"])
def test_other_temperatures_are_refused(value: str) -> None:
    assert refused(("temperature", value)) == "temperature"


@pytest.mark.parametrize("value", ["ru", "RU", "russian", "Russian", "русский", "ru-RU"])
def test_a_language_by_any_of_its_names(value: str) -> None:
    assert request(("language", value)).order.run.transcribe.language == "ru"


@pytest.mark.parametrize("part", ["language", "languages", "languages[]"])
def test_no_language_is_refused_by_the_part_it_came_in(part: str) -> None:
    assert refused((part, "klingon")) == part.removesuffix("[]")


def test_several_languages_are_no_choice_and_the_client_hears_so() -> None:
    wire = request(("languages[]", "en"), ("languages[]", "de"))

    assert wire.order.run.transcribe.language is None
    assert any("languages" in warning for warning in wire.warnings)


def test_the_same_language_twice_is_one() -> None:
    assert request(("languages[]", "en"), ("languages[]", "english")).order.run.transcribe.language == "en"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("chunking_strategy", "auto")], VAD),
        ([("chunking_strategy", "server_vad")], VAD),
        ([("chunking_strategy[type]", "server_vad")], VAD),
        (
            [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "0.7")],
            VadOptions(threshold=0.7),
        ),
        (
            [
                ("chunking_strategy[type]", "server_vad"),
                ("chunking_strategy[silence_duration_ms]", "200"),
                ("chunking_strategy[prefix_padding_ms]", "300"),
            ],
            VadOptions(min_silence_duration_ms=200, speech_pad_ms=300),
        ),
        (
            [("chunking_strategy", json.dumps({"type": "server_vad", "threshold": 1, "silence_duration_ms": 0}))],
            VadOptions(threshold=0.99, min_silence_duration_ms=32),
        ),
        ([("vad_filter", "false")], VadOptions(vad_filter=False)),
    ],
)
def test_the_chunking_strategy_in_its_three_spellings(fields: list[tuple[str, str]], expected: VadOptions) -> None:
    assert request(*fields).order.run.vad == expected


@pytest.mark.parametrize(
    ("part", "value", "param"),
    [
        ("chunking_strategy", "manual", "chunking_strategy"),
        ("chunking_strategy", "{", "chunking_strategy"),
        ("chunking_strategy", '{"a":' * 100_000, "chunking_strategy"),
        ("chunking_strategy", '{"type": "manual"}', "chunking_strategy"),
        ("chunking_strategy", '{"threshold": null}', "chunking_strategy[threshold]"),
        ("chunking_strategy[type]", "manual", "chunking_strategy"),
        ("chunking_strategy[threshold]", "2", "chunking_strategy[threshold]"),
        ("chunking_strategy[silence_duration_ms]", "1e9", "chunking_strategy[silence_duration_ms]"),
        ("response_format", "xml", "response_format"),
        ("include[]", "everything", "include"),
        ("stream", "maybe", "stream"),
        ("vad_filter", "maybe", "vad_filter"),
        ("diarize", "maybe", "diarize"),
        ("task", "summarise", "task"),
        ("known_speaker_references[]", "data:audio/wav;base64,AAAA", "known_speaker_references"),
    ],
)
def test_what_cannot_be_names_its_part(part: str, value: str, param: str) -> None:
    assert refused((part, value)) == param


def test_speakers_are_four_at_most_each_with_a_sample() -> None:
    names = [("known_speaker_names[]", name) for name in "abcde"]
    sample = ("known_speaker_references[]", SAMPLE)
    known = request(*names[:4], *[sample] * 4).order.known_speakers

    assert [speaker.name for speaker in known] == list("abcd")
    assert {speaker.sound for speaker in known} == {bytes(3)}
    assert len(known[0].digest) == 64
    assert request(("diarize", "true")).order.known_speakers == ()
    assert refused(*names, *[sample] * 5) == "known_speaker_names"
    assert refused(*names[:2], sample) == "known_speaker_references"
    assert refused(names[0], names[0], sample, sample) == "known_speaker_names"
    assert refused(("known_speaker_names[]", "a\ab"), sample) == "known_speaker_names"
    spaced = request(("known_speaker_names[]", " Ann\nLee "), sample).order.known_speakers
    assert [speaker.name for speaker in spaced] == ["Ann Lee"]
    assert refused(("known_speaker_names[]", "a" * 101), sample) == "known_speaker_names"


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/b.wav",
        "data:audio/wav,AAAA",
        "data:audio/wav;base64",
        "data:audio/wav;base64,",
        "data:audio/wav;base64,A",
        "data:audio/wav;base64,AA AA",
        "data:audio/wav;base64,AA_-",
        "AAAA",
    ],
)
def test_a_sample_is_a_data_url_in_base64(url: str) -> None:
    assert refused(("known_speaker_names[]", "a"), ("known_speaker_references[]", url)) == "known_speaker_references"


def test_a_sample_that_is_too_large_is_told_with_the_numbers() -> None:
    most = base64.b64encode(bytes(references.MOST_BYTES)).decode()
    name = ("known_speaker_names[]", "Ann")
    [known] = request(name, ("known_speaker_references[]", f"DATA:;base64,{most}")).order.known_speakers

    assert len(known.sound) == references.MOST_BYTES
    with pytest.raises(TooLarge, match=r"Ann is too large: 3\.0 MiB.*at most 3 MiB") as raised:
        request(name, ("known_speaker_references[]", f"data:;base64,{most}AAAA"))
    assert raised.value.facts["param"] == "known_speaker_references"


def test_names_without_samples_name_nobody_and_the_client_hears_so() -> None:
    wire = request(("known_speaker_names[]", "Didi"))

    assert wire.order.known_speakers == ()
    assert not wire.order.diarize.diarize
    assert "name nobody" in wire.warnings[0]


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ([("diarize", "true")], "whisper-1"),
        ([("response_format", "diarized_json")], "whisper-1"),
        ([], "gpt-4o-transcribe-diarize"),
        ([("num_speakers", "2")], "whisper-1"),
        ([("diarization", "built-in")], "whisper-1"),
        ([("recognize_speakers", "true")], "whisper-1"),
        ([("known_speaker_names[]", "Didi"), ("known_speaker_references[]", SAMPLE)], "whisper-1"),
    ],
)
def test_who_says_anything_of_speakers_wants_them_told_apart(fields: list[tuple[str, str]], model: str) -> None:
    wire = request(*fields, model=model)

    assert wire.order.diarize.diarize
    assert wire.warnings == ()


def test_who_says_nothing_of_speakers_or_no_gets_none() -> None:
    assert not request().order.diarize.diarize
    assert not request(("recognize_speakers", "false")).order.diarize.diarize
    assert not request(("diarize", "false"), ("response_format", "diarized_json")).order.diarize.diarize
    assert refused(("diarize", "false"), ("max_speakers", "2")) == "diarize"


def test_numbers_of_speakers_are_taken_and_must_not_contradict_each_other() -> None:
    options = request(("min_speakers", "2"), ("max_speakers", "3")).order.diarize

    assert (options.min_speakers, options.max_speakers, options.num_speakers) == (2, 3, None)
    assert refused(("min_speakers", "3"), ("max_speakers", "2")) == "min_speakers"
    assert refused(("num_speakers", "3"), ("max_speakers", "4")) == "num_speakers"
    assert refused(("num_speakers", "0")) == "num_speakers"
    assert refused(("diarization", "by ear")) == "diarization"


def test_parts_that_mean_nothing_are_ignored_and_the_client_hears_so() -> None:
    wire = request(("frobnicate", "1"), ("frobnicate", "2"), ("user", "x"), ("temprature", "0"))

    assert [warning.partition(" is ignored")[0] for warning in wire.warnings] == ["frobnicate", "user", "temprature"]


def test_a_translation_is_one_by_its_address_or_by_its_task() -> None:
    assert request(task="translate").order.run.transcribe.task == "translate"
    assert request(("task", "translate")).order.run.transcribe.task == "translate"
    assert request(("task", "translate"), task="translate").order.run.transcribe.task == "translate"
    assert refused(("task", "transcribe"), task="translate") == "task"
    assert refused(("response_format", "diarized_json"), task="translate") == "response_format"


@pytest.mark.parametrize(
    ("model", "usage"), [("whisper-1", "duration"), ("gpt-4o-transcribe", "tokens"), ("base", "duration")]
)
def test_usage_is_counted_as_the_named_model_counts_it(model: str, usage: str) -> None:
    assert request(model=model).usage == usage


def test_gpt_transcribe_tells_languages_unasked() -> None:
    assert request(model="gpt-transcribe").tells_languages
    assert not request().tells_languages


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "language", "languages[]", "prompt", "keywords[]", "response_format", "temperature", "include[]",
                    "timestamp_granularities[]", "chunking_strategy", "chunking_strategy[threshold]", "stream", "task",
                    "known_speaker_names[]", "known_speaker_references[]", "vad_filter", "diarize", "hotwords", "",
                    "num_speakers", "max_speakers", "diarization",
                ]
            )
            | st.text(max_size=8),
            st.text(max_size=12) | st.sampled_from(["true", "json", "verbose_json", "word", "1", "auto", "{}", "en"]),
        ),
        max_size=6,
    )
)  # fmt: skip
def test_whatever_is_sent_is_a_request_or_an_option_error_with_its_part(fields: list[tuple[str, str]]) -> None:
    param, wire = "", None
    try:
        wire = request(*fields)
    except OptionError as error:
        param = str(error.facts["param"])

    assert param or wire
