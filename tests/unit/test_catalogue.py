"""The catalogue of models is complete, consistent and honest."""

from __future__ import annotations

import base64
import re

import pytest

from stenogram import languages
from stenogram.errors import UnknownModel
from stenogram.models import catalogue, roles
from stenogram.models.catalogue import Model

MODELS = {model.name: model for model in catalogue.models()}


def test_names_and_aliases_are_unique() -> None:
    names = [name.lower() for model in MODELS.values() for name in (model.name, *model.aliases)]

    assert len(names) == len(set(names)) > 0


def test_the_default_model_is_bundled_and_verified() -> None:
    default = MODELS[catalogue.DEFAULT]

    assert default.bundled
    assert default.verified
    assert default.licence == "MIT"


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
class TestEachModel:
    def test_is_bundled_or_fetched_by_https(self, model: Model) -> None:
        for file in model.files:
            places = [model.bundled, model.url, model.repo, file.url]
            assert sum(place is not None for place in places) == 1
        assert model.url is None or re.fullmatch(r"https://[a-z0-9./-]+[a-z]", model.url)
        assert model.repo is None or re.fullmatch(r"[\w.-]+/[\w.-]+", model.repo)
        assert model.revision == "main" or re.fullmatch(r"[0-9a-f]{40}", model.revision)

    def test_its_name_is_a_plain_folder_name(self, model: Model) -> None:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]+", model.name)

    def test_its_files_have_plain_names_distinct_roles_and_digests_of_the_right_form(self, model: Model) -> None:
        assert len({file.role for file in model.files}) == len({file.name for file in model.files}) == len(model.files)
        for file in model.files:
            assert re.fullmatch(r"([a-z-]+/)?[A-Za-z0-9_][A-Za-z0-9_.-]+", file.name)
            assert file.size > 0
            assert (file.bytes is None) == (file.about_bytes > 0)
            assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.crc32c is None or len(base64.b64decode(file.crc32c, validate=True)) == 4

    def test_its_roles_are_those_by_which_a_copy_would_be_imported(self, model: Model) -> None:
        if model.name != "pyannote-segmentation-3.0":  # its file is called model.onnx
            assert roles.assign(model.engine, [file.name for file in model.files]) == {
                file.role: file.name for file in model.files
            }
        assert model.kind == roles.kind_of(model.engine)

    def test_its_need_for_memory_is_of_the_order_of_its_files(self, model: Model) -> None:
        need = model.memory_bytes()

        assert all(0.4 * model.bytes < size < 5 * model.bytes + 300e6 for size in need.values())
        assert list(need.values()) == sorted(need.values(), reverse=True)

    def test_its_languages_are_known(self, model: Model) -> None:
        assert model.languages
        assert all(code == "*" or code in languages.NAMES for code in model.languages)

    def test_a_moonshine_model_has_the_three_files_of_its_engine(self, model: Model) -> None:
        if model.engine == "moonshine":
            assert {file.role for file in model.files} == {"encoder", "decoder", "tokenizer"}

    def test_models_in_other_languages_than_english_name_their_licence(self, model: Model) -> None:
        if model.engine == "moonshine" and model.languages != ("en",):
            assert "Moonshine Community License" in model.licence
            assert model.restricted


def test_the_digest_that_the_requirements_name_is_recorded() -> None:
    [file] = MODELS["ggml-large-v3-q5_0"].files

    assert file.name == "ggml-large-v3-q5_0.bin"
    assert file.sha256 == "d75795ecff3f83b5faa89d1900604ad8c780abd5739fae406de19f23ecd98ad1"
    assert MODELS["qwen1_5-0_5b-chat-q4_k_m"].files[0].name == "qwen1_5-0_5b-chat-q4_k_m.gguf"


def test_every_whisper_size_is_there_for_each_engine() -> None:
    sizes = {"tiny", "base", "small", "medium", "large-v1", "large-v2", "large-v3", "large-v3-turbo"}
    english = {f"{size}.en" for size in ("tiny", "base", "small", "medium")}
    for engine in ("whisper", "whisper.cpp", "openai-whisper"):
        there = {model.weights for model in MODELS.values() if model.engine == engine}

        assert sizes | english <= there
        assert all(
            model.languages == (("en",) if str(model.weights) in english or "distil" in str(model.weights) else ("*",))
            for model in MODELS.values()
            if model.engine == engine
        )


def test_openai_whisper_files_carry_the_digest_of_their_address() -> None:
    for model in MODELS.values():
        if model.engine == "openai-whisper":
            [file] = model.files
            assert file.url
            assert file.url.split("/")[-2:] == [file.sha256, file.name]


def test_larger_models_of_a_family_cost_more_and_are_no_worse() -> None:
    for engine in ("whisper", "whisper.cpp", "openai-whisper"):
        family = [MODELS[f"{prefix(engine)}{size}"] for size in ("tiny", "base", "small", "medium", "large-v3")]

        assert [model.cost for model in family] == sorted(model.cost for model in family)
        assert [model.quality for model in family] == sorted(model.quality for model in family)


def prefix(engine: str) -> str:
    return {"whisper": "whisper-", "whisper.cpp": "ggml-", "openai-whisper": "openai-whisper-"}[engine]


def test_find_knows_names_and_aliases_in_any_case() -> None:
    assert catalogue.find("Moonshine-Tiny-EN").name == "moonshine-tiny-en"
    assert catalogue.find("moonshine-tiny").name == "moonshine-tiny-en"


def test_an_unknown_name_gets_the_nearest_and_the_way_to_all() -> None:
    with pytest.raises(UnknownModel, match=r"Did you mean moonshine-base-es.*models list"):
        catalogue.find("moonshine-base-esp")

    with pytest.raises(UnknownModel) as caught:
        catalogue.find("zzz")
    assert "Did you mean" not in str(caught.value)
