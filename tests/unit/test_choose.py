"""Which model serves a request: language, memory, speed and profile each decide; what cannot be had is said."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.config import Settings
from stenogram.errors import DownloadFailed, LanguageNotSupported, ModelNotInstalled, UnknownModel
from stenogram.models import catalogue, choose, hub, store
from stenogram.models.catalogue import Model
from stenogram.models.choose import Machine, fits, memory_need, rank, recommend, speed
from stenogram.models.digests import Digest
from stenogram.types import ModelFiles

LAPTOP = Machine("cpu", 8_000_000_000, 4)
SERVER = Machine("cuda", 24_000_000_000, 16)
SPEECH = [model for model in catalogue.models() if model.kind == "speech"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=str(tmp_path))


@pytest.fixture(autouse=True)
def _every_engine_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "runs", lambda model: True)


def install(name: str, settings: Settings) -> None:
    """As if it had been fetched: sparse files of the right sizes, and their record."""
    model = catalogue.find(name)
    folder = store.folder_of(model, settings)
    for file in model.files:
        (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.name).touch()
        os.truncate(folder / file.name, file.size)
    digests = {file.name: file.sha256 or hashlib.sha256(file.name.encode()).hexdigest() for file in model.files}
    store.write_record(folder, {name: Digest(sha256) for name, sha256 in digests.items()})


def chosen(settings: Settings, language: str | None, machine: Machine = LAPTOP) -> str:
    return choose.choose("auto", language, settings, machine).files.name


def ranked(language: str | None, machine: Machine = LAPTOP, profile: choose.Profile = "balanced") -> str:
    best = rank(SPEECH, language, machine, profile)
    assert best is not None
    return best.name


class TestRank:
    """Each fact changes a decision."""

    def test_the_language(self) -> None:
        assert ranked("ru") == "gigaam-v3-e2e-rnnt"
        assert ranked("de") == "parakeet-tdt-0.6b-v3"
        assert ranked("ja") != ranked("de")

    def test_an_unknown_language_wants_a_model_that_finds_it_out(self) -> None:
        best = rank(SPEECH, None, LAPTOP, "balanced")

        assert best is not None
        assert best.multilingual
        assert (
            rank([catalogue.find("canary-1b-v2"), catalogue.find("whisper-base.en")], None, LAPTOP, "balanced") is None
        )

    def test_the_profile(self) -> None:
        whisper = [model for model in SPEECH if model.engine == "whisper"]
        names = [rank(whisper, "ja", LAPTOP, profile) for profile in ("fast", "balanced", "quality")]

        assert [model.name for model in names if model] == ["whisper-base", "whisper-small", "whisper-large-v3"]

    def test_the_cores(self) -> None:
        whisper = [model for model in SPEECH if model.engine == "whisper"]
        few, many = (rank(whisper, "ja", replace(LAPTOP, cores=cores), "balanced") for cores in (1, 16))

        assert few
        assert many
        assert few.quality < many.quality

    def test_the_device(self) -> None:
        whisper = [model for model in SPEECH if model.engine == "whisper"]
        best = rank(whisper, "ja", SERVER, "balanced")

        assert best
        assert best.name == "whisper-large-v3"

    def test_the_memory(self) -> None:
        whisper = [model for model in SPEECH if model.engine == "whisper"]
        best = rank(whisper, "ja", replace(LAPTOP, free_bytes=300_000_000), "quality")

        assert best
        assert best.name == "whisper-base"

    def test_where_nothing_fits_the_smallest_is_the_best(self) -> None:
        nothing = replace(LAPTOP, free_bytes=0)
        best = rank(SPEECH, "ja", nothing, "quality")

        assert best
        assert memory_need(best, "cpu") == min(memory_need(model, "cpu") for model in SPEECH if model.speaks("ja"))

    def test_a_model_of_ones_own_counts_by_the_size_of_its_files(self) -> None:
        """Nothing is known of it but its files: no number of parameters, no number type."""
        own = msgspec.structs.replace(catalogue.find("whisper-tiny"), name="own", parameters_m=0.0)

        assert memory_need(own, "cpu") == own.memory_bytes()["default"]
        assert rank([own], "ru", LAPTOP, "balanced") == own

    def test_where_nothing_is_quick_enough_the_fastest_is_the_best(self) -> None:
        slow = [catalogue.find("whisper-large-v3"), catalogue.find("whisper-medium")]
        best = rank(slow, "ja", replace(LAPTOP, cores=1), "fast")

        assert best
        assert best.name == "whisper-medium"

    def test_of_equal_models_the_faster_engine_goes_first(self) -> None:
        same = [catalogue.find(name) for name in ("openai-whisper-small", "ggml-small", "whisper-small")]
        best = rank(same, "ja", SERVER, "balanced")

        assert best
        assert best.name == "whisper-small"

    @given(
        st.lists(st.sampled_from(SPEECH), unique_by=lambda model: model.name),
        st.sampled_from([None, "en", "ru", "ja", "is"]),
        st.builds(
            Machine,
            st.sampled_from(["cpu", "cuda"]),
            st.integers(0, 64_000_000_000),
            st.integers(1, 128),
        ),
        st.sampled_from(["fast", "balanced", "quality"]),
    )
    def test_it_always_takes_one_that_will_do_if_there_is_one(
        self, models: list[Model], language: str | None, machine: Machine, profile: choose.Profile
    ) -> None:
        able = [model for model in models if (model.multilingual if language is None else model.speaks(language))]
        best = rank(models, language, machine, profile)

        assert (best is None) == (not able)
        if best is None:
            return
        assert best in able
        assert fits(best, machine) or not any(fits(model, machine) for model in able)
        quick = [model for model in able if fits(model, machine) and speed(model, machine) >= choose.REAL_TIME[profile]]
        assert not quick or best.quality == max(model.quality for model in quick)


def test_what_is_recommended_is_free_and_not_the_built_in_one() -> None:
    for language in ("en", "es", "ja", "ru", "uk", None):
        wanted = recommend(language, LAPTOP)

        assert wanted
        assert not wanted.restricted
        assert not wanted.bundled
        assert wanted.kind == "speech"


def test_what_may_not_be_used_commercially_is_not_recommended_even_where_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "runs", lambda model: model.engine == "moonshine")

    assert recommend("es", LAPTOP) is None


class TestInstalled:
    def test_without_language_and_without_a_model_of_every_language_it_is_the_built_in_one(
        self, settings: Settings
    ) -> None:
        install("moonshine-base-en", settings)

        choice = choose.choose("auto", None, settings, LAPTOP)

        assert choice.files.name == catalogue.DEFAULT
        assert "language is not known" in choice.reason
        assert choice.warning is None

    def test_without_language_a_model_of_every_language_goes_first(self, settings: Settings) -> None:
        install("whisper-tiny", settings)

        assert chosen(settings, None) == "whisper-tiny"

    def test_the_better_of_the_installed_ones_is_taken(self, settings: Settings) -> None:
        assert chosen(settings, "en") == "moonshine-tiny-en"

        install("moonshine-base-en", settings)

        assert chosen(settings, "en") == "moonshine-base-en"

    def test_the_profile_of_the_settings_counts(self, settings: Settings) -> None:
        install("whisper-tiny", settings)
        install("whisper-medium", settings)

        assert chosen(replace(settings, profile="fast"), "ja") == "whisper-tiny"
        assert chosen(replace(settings, profile="high_quality"), "ja") == "whisper-medium"

    def test_the_reason_names_model_language_speed_and_profile(self, settings: Settings) -> None:
        install("moonshine-base-es", settings)

        reason = choose.choose("auto", "es", settings, LAPTOP).reason

        assert (
            reason == "model moonshine-base-es: the best for Spanish at about 100x real time on 4 CPU cores (balanced)"
        )

    def test_an_engine_that_is_not_here_does_not_count(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install("whisper-tiny", settings)
        monkeypatch.setattr(store, "runs", lambda model: model.engine == "moonshine")

        assert chosen(settings, None) == catalogue.DEFAULT

    def test_chat_and_diarization_models_are_never_taken(self, settings: Settings) -> None:
        install("qwen1_5-0_5b-chat-q4_k_m", settings)
        install("titanet-small", settings)

        assert chosen(settings, None) == catalogue.DEFAULT

    def test_too_little_memory_is_said(self, settings: Settings) -> None:
        choice = choose.choose("auto", "en", settings, replace(LAPTOP, free_bytes=1000))

        assert choice.files.name == catalogue.DEFAULT
        assert choice.warning
        assert "may not fit" in choice.warning


class TestFetching:
    def test_a_language_that_nobody_here_speaks_gets_the_recommended_model(self, settings: Settings) -> None:
        asked: list[str] = []

        def fetch(model: Model) -> ModelFiles:
            asked.append(model.name)
            install(model.name, settings)
            return store.files_of(model, settings)

        choice = choose.choose("auto", "ru", settings, LAPTOP, fetch=fetch)

        assert asked == [choice.files.name] == ["gigaam-v3-e2e-rnnt"]
        assert choice.reason.endswith("fetched for this")

    def test_nothing_is_fetched_unasked(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hub, "answers", lambda *_: pytest.fail("the network was asked"))

        with pytest.raises(LanguageNotSupported, match=r"Spanish.*models pull parakeet-tdt-0.6b-v3 \(it is also"):
            choose.choose("auto", "es", settings, LAPTOP)

    def test_a_hub_that_does_not_answer_leaves_the_built_in_model_and_a_warning(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub, "answers", lambda *_: False)

        choice = choose.choose("auto", None, replace(settings, auto_pull=True), LAPTOP)

        assert choice.files.name == catalogue.DEFAULT
        assert choice.warning == (
            "parakeet-tdt-0.6b-v3 would do for any language, but the place it comes from does not answer."
        )

    def test_but_not_for_a_language_that_it_does_not_speak(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub, "answers", lambda *_: False)

        with pytest.raises(LanguageNotSupported, match=r"Russian.*does not answer.*models pull gigaam-v3-e2e-rnnt"):
            choose.choose("auto", "ru", replace(settings, auto_pull=True), LAPTOP)

    def test_a_download_that_fails_is_told(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise DownloadFailed(model="x", cause="the disk is full")

        monkeypatch.setattr(hub, "answers", lambda *_: True)
        monkeypatch.setattr("stenogram.models.download.pull", fail)

        with pytest.raises(LanguageNotSupported, match="the disk is full"):
            choose.choose("auto", "ru", replace(settings, auto_pull=True), LAPTOP)

    def test_offline_nothing_is_tried(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hub, "answers", lambda *_: pytest.fail("the network was asked"))

        with pytest.raises(LanguageNotSupported, match="STENOGRAM_OFFLINE"):
            choose.choose("auto", "ru", replace(settings, auto_pull=True, offline=True), LAPTOP)

    def test_a_language_without_any_model_is_told_so(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(store, "runs", lambda model: model.engine == "moonshine")

        with pytest.raises(LanguageNotSupported, match=r"knows no model for Icelandic.*stenogram models list"):
            choose.choose("auto", "is", settings, LAPTOP)


class TestByName:
    def test_a_named_model_is_taken_for_its_language(self, settings: Settings) -> None:
        for language in ("en", None):
            choice = choose.choose("moonshine-tiny", language, settings)

            assert choice.files.name == "moonshine-tiny-en"
            assert choice.reason == "model moonshine-tiny-en: as asked"

    def test_a_named_model_of_another_language_is_refused_with_those_that_would_do(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store, "runs", lambda model: model.engine == "moonshine")
        with pytest.raises(LanguageNotSupported, match=r"English, not Japanese.*moonshine-base-ja, moonshine-tiny-ja"):
            choose.choose("moonshine-tiny-en", "ja", settings)

    def test_of_many_models_only_the_best_are_named(self, settings: Settings) -> None:
        with pytest.raises(
            LanguageNotSupported, match=r"whisper-large-v3, .* and \d+ more \(stenogram models list -l ja"
        ):
            choose.choose("moonshine-tiny-en", "ja", settings)

    def test_a_named_model_that_is_not_here_gets_the_command(self, settings: Settings) -> None:
        with pytest.raises(ModelNotInstalled, match="stenogram models pull moonshine-base-uk"):
            choose.choose("moonshine-base-uk", None, settings)

    def test_an_unknown_model_is_refused(self, settings: Settings) -> None:
        with pytest.raises(UnknownModel):
            choose.choose("nonsense", None, settings)


def test_this_machine_has_memory_and_cores() -> None:
    machine = choose.this_machine()

    assert machine.device == "cpu"
    assert machine.free_bytes > 0
    assert machine.cores >= 1
