"""The catalogue of models is complete, consistent and honest."""

from __future__ import annotations

import base64
import re

import pytest

from stenogram import languages
from stenogram.errors import UnknownModel
from stenogram.models import catalogue
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
        assert (model.bundled is None) == (model.url is not None)
        assert model.url is None or re.fullmatch(r"https://[a-z./-]+[a-z]", model.url)

    def test_its_name_is_a_plain_folder_name(self, model: Model) -> None:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]+", model.name)

    def test_its_files_have_plain_names_distinct_roles_and_digests_of_the_right_form(self, model: Model) -> None:
        assert len({file.role for file in model.files}) == len({file.name for file in model.files}) == len(model.files)
        for file in model.files:
            assert re.fullmatch(r"[a-z0-9_][a-z0-9_.-]+", file.name)
            assert file.bytes > 0
            assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.crc32c is None or len(base64.b64decode(file.crc32c, validate=True)) == 4
            assert file.sha256 or file.crc32c

    def test_its_languages_are_known(self, model: Model) -> None:
        assert model.languages
        assert all(code == "*" or code in languages.NAMES for code in model.languages)

    def test_a_moonshine_model_has_the_three_files_of_its_engine(self, model: Model) -> None:
        if model.engine == "moonshine":
            assert {file.role for file in model.files} == {"encoder", "decoder", "tokenizer"}

    def test_models_in_other_languages_than_english_name_their_licence(self, model: Model) -> None:
        if model.engine == "moonshine" and model.languages != ("en",):
            assert "Moonshine Community License" in model.licence


def test_find_knows_names_and_aliases_in_any_case() -> None:
    assert catalogue.find("Moonshine-Tiny-EN").name == "moonshine-tiny-en"
    assert catalogue.find("moonshine-tiny").name == "moonshine-tiny-en"


def test_an_unknown_name_gets_the_nearest_and_all_known_ones() -> None:
    with pytest.raises(UnknownModel, match="Did you mean moonshine-base-es") as caught:
        catalogue.find("moonshine-base-esp")
    assert all(name in str(caught.value) for name in MODELS)

    with pytest.raises(UnknownModel) as caught:
        catalogue.find("zzz")
    assert "Did you mean" not in str(caught.value)
