"""Which model serves a request, and whether its files are the ones that were fetched."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from stenogram.config import Settings
from stenogram.errors import LanguageNotSupported, ModelDamaged, ModelNotInstalled, UnknownModel
from stenogram.models import catalogue, store
from stenogram.models.catalogue import File, Model


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=str(tmp_path))


def install(name: str, settings: Settings) -> Path:
    """As if it had been fetched: sparse files of the right sizes, and their record."""
    model = catalogue.find(name)
    folder = store.folder_of(model, settings)
    folder.mkdir(parents=True)
    for file in model.files:
        (folder / file.name).touch()
        os.truncate(folder / file.name, file.bytes)
    store.write_record(folder, {file.name: hashlib.sha256(file.name.encode()).hexdigest() for file in model.files})
    return folder


def small_model(folder: Path) -> Model:
    """A model of two small files, fetched."""
    contents = {"a.bin": b"first", "b.bin": b"second"}
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    store.write_record(folder, {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})
    files = tuple(File(role=name[0], name=name, bytes=len(content)) for name, content in contents.items())
    return Model("small", "moonshine", ("en",), "MIT", "https://x", "made here", files, url="https://x")


class TestChoose:
    def test_auto_without_language_is_the_default_model(self, settings: Settings) -> None:
        install("moonshine-base-en", settings)

        assert store.choose("auto", None, settings).name == catalogue.DEFAULT

    def test_auto_takes_the_better_of_the_installed_ones(self, settings: Settings) -> None:
        assert store.choose("auto", "en", settings).name == "moonshine-tiny-en"

        install("moonshine-base-en", settings)

        assert store.choose("auto", "en", settings).name == "moonshine-base-en"

    def test_auto_finds_an_installed_model_of_the_language(self, settings: Settings) -> None:
        install("moonshine-base-es", settings)

        assert store.choose("auto", "es", settings).name == "moonshine-base-es"

    def test_a_language_that_a_model_could_speak_gets_the_command(self, settings: Settings) -> None:
        with pytest.raises(LanguageNotSupported, match=r"Spanish.*stenogram models pull moonshine-base-es"):
            store.choose("auto", "es", settings)

    def test_a_language_without_any_model_is_told_so(self, settings: Settings) -> None:
        with pytest.raises(LanguageNotSupported, match=r"knows no model for Icelandic.*stenogram models list"):
            store.choose("auto", "is", settings)

    def test_a_named_model_is_taken_for_its_language(self, settings: Settings) -> None:
        assert store.choose("moonshine-tiny", "en", settings).name == "moonshine-tiny-en"
        assert store.choose("moonshine-tiny", None, settings).name == "moonshine-tiny-en"

    def test_a_named_model_of_another_language_is_refused_with_those_that_would_do(self, settings: Settings) -> None:
        with pytest.raises(LanguageNotSupported, match=r"English, not Japanese.*moonshine-base-ja, moonshine-tiny-ja"):
            store.choose("moonshine-tiny-en", "ja", settings)

    def test_a_named_model_that_is_not_here_gets_the_command(self, settings: Settings) -> None:
        with pytest.raises(ModelNotInstalled, match="stenogram models pull moonshine-base-uk"):
            store.choose("moonshine-base-uk", None, settings)

    def test_an_unknown_model_is_refused(self, settings: Settings) -> None:
        with pytest.raises(UnknownModel):
            store.choose("nonsense", None, settings)


def test_the_bundled_model_is_installed_from_the_start(settings: Settings) -> None:
    [files] = store.installed(settings)

    assert files.name == catalogue.DEFAULT
    assert sorted(files.paths) == ["decoder", "encoder", "tokenizer"]
    assert all(path.is_file() for path in files.paths.values())


def test_the_recorded_digests_of_the_bundled_model_are_true(settings: Settings) -> None:
    assert store.verify(catalogue.DEFAULT, settings) == store.locate(catalogue.DEFAULT, settings)


def test_installed_leaves_out_what_is_incomplete_or_damaged(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    (install("moonshine-base-es", settings) / "tokenizer.bin").unlink()
    os.truncate(install("moonshine-base-ar", settings) / "encoder_model.ort", 1000)
    install("moonshine-tiny-ko", settings)

    assert [files.name for files in store.installed(settings)] == ["moonshine-tiny-en", "moonshine-tiny-ko"]
    assert "moonshine-base-ar is damaged" in caplog.text


def test_files_without_a_record_do_not_count_as_installed(settings: Settings) -> None:
    folder = install("moonshine-base-es", settings)
    for text in (b"", b"{", b'{"encoder_model.ort": 3}'):
        (folder / "record.json").write_bytes(text)

        with pytest.raises(ModelNotInstalled):
            store.locate("moonshine-base-es", settings)


def test_the_digest_follows_the_contents_not_the_place(settings: Settings, tmp_path: Path) -> None:
    model = small_model(settings.models_dir / "small")
    here = store.files_of(model, settings)
    elsewhere = Settings(home=str(tmp_path / "other"))
    shutil.copytree(settings.models_dir, elsewhere.models_dir, copy_function=shutil.copy)

    there = store.files_of(model, elsewhere)

    assert there.digest == here.digest
    assert there.paths != here.paths


def test_a_changed_file_is_damaged_even_at_the_same_size(settings: Settings) -> None:
    model = small_model(settings.models_dir / "small")
    path = settings.models_dir / "small" / "a.bin"
    path.write_bytes(b"FIRST")
    os.utime(path, (1, 1))

    with pytest.raises(ModelDamaged, match=r"a\.bin.*models pull small"):
        store.files_of(model, settings)


def test_a_file_that_was_only_touched_is_hashed_once_and_remembered(settings: Settings) -> None:
    model = small_model(settings.models_dir / "small")
    folder = settings.models_dir / "small"
    before = store.files_of(model, settings)
    os.utime(folder / "a.bin", (1, 1))

    assert store.files_of(model, settings) == before
    assert store.read_record(folder)["a.bin"].mtime_ns == 10**9


def test_a_record_that_contradicts_the_catalogue_is_damage(settings: Settings) -> None:
    model = small_model(settings.models_dir / "small")
    file = File(role="a", name="a.bin", bytes=5, sha256="0" * 64)
    model = Model("small", "moonshine", ("en",), "MIT", "https://x", "made here", (file,), url="https://x")

    with pytest.raises(ModelDamaged):
        store.files_of(model, settings)


def test_verify_finds_a_change_that_kept_size_and_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(settings.models_dir / "small")
    monkeypatch.setattr(catalogue, "models", lambda: (model,))
    path = settings.models_dir / "small" / "b.bin"
    facts = path.stat()
    path.write_bytes(b"SECOND")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    assert store.locate("small", settings).name == "small"
    with pytest.raises(ModelDamaged, match=r"b\.bin"):
        store.verify("small", settings)
