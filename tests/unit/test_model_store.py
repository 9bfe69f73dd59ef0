"""Which models are here, and whether their files are the ones that were fetched."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from stenogram.config import Settings
from stenogram.errors import ModelDamaged, ModelError, ModelNotInstalled, UnknownModel
from stenogram.models import catalogue, store
from stenogram.models.catalogue import File, Model
from stenogram.models.digests import Digest


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
        os.truncate(folder / file.name, file.size)
    store.write_record(
        folder,
        {file.name: Digest(file.sha256 or hashlib.sha256(file.name.encode()).hexdigest()) for file in model.files},
    )
    return folder


def small_model(folder: Path) -> Model:
    """A model of two small files, fetched."""
    contents = {"a.bin": b"first", "b.bin": b"second"}
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    store.write_record(
        folder, {name: Digest(hashlib.sha256(content).hexdigest()) for name, content in contents.items()}
    )
    files = tuple(File(role=name[0], name=name, bytes=len(content)) for name, content in contents.items())
    return Model("small", "moonshine", ("en",), "MIT", "https://x", "made here", files, url="https://x")


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

    with pytest.raises(ModelDamaged, match=r"a\.bin.*models import SOURCE --name small"):
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


class TestPlainWhisperNames:
    """``base`` is the fastest engine's that has it; the setting decides for one."""

    @pytest.fixture(autouse=True)
    def all_engines_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(store, "runs", lambda model: True)

    def test_nothing_installed_means_the_fastest_engine(self, settings: Settings) -> None:
        assert store.find("base", settings).name == "whisper-base"
        assert store.find("large", settings).name == "whisper-large-v3"
        assert store.find("turbo", settings).name == "whisper-large-v3-turbo"

    def test_an_installed_one_goes_first(self, settings: Settings) -> None:
        install("openai-whisper-base", settings)
        assert store.find("base", settings).name == "openai-whisper-base"

        install("ggml-base-q5_1", settings)
        assert store.find("base", settings).name == "ggml-base-q5_1"

        install("whisper-base", settings)
        assert store.find("base", settings).name == "whisper-base"

    def test_the_setting_decides(self, tmp_path: Path) -> None:
        settings = Settings(home=str(tmp_path), whisper_engine="openai-whisper")
        install("whisper-large-v3", settings)

        assert store.find("large-v3", settings).name == "openai-whisper-large-v3"

    def test_an_engine_that_is_not_here_is_passed_over(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store, "runs", lambda model: model.engine == "whisper.cpp")
        install("whisper-base", settings)

        assert store.find("base", settings).name == "ggml-base"

    def test_a_full_name_means_that_model(self, settings: Settings) -> None:
        install("ggml-base", settings)

        assert store.find("whisper-base", settings).name == "whisper-base"
        assert store.find("ggml-large-v3-q5_0.bin", settings).name == "ggml-large-v3-q5_0"


def test_only_models_of_the_kind_are_given(settings: Settings) -> None:
    install("qwen1_5-0_5b-chat-q4_k_m", settings)
    install("pyannote-segmentation-3.0", settings)

    assert [files.name for files in store.installed(settings)] == [catalogue.DEFAULT]
    assert [files.name for files in store.installed(settings, "chat")] == ["qwen1_5-0_5b-chat-q4_k_m"]
    assert [files.name for files in store.installed(settings, "diarization")] == ["pyannote-segmentation-3.0"]


def test_require_names_every_absent_model(settings: Settings) -> None:
    install("moonshine-base-es", settings)

    assert [files.name for files in store.require(["moonshine-base-es"], settings)] == ["moonshine-base-es"]
    with pytest.raises(ModelNotInstalled, match=r"moonshine-base-ja, moonshine-tiny-ko.*pull moonshine-base-ja"):
        store.require(["moonshine-base-ja", "moonshine-base-es", "moonshine-tiny-ko"], settings)
    with pytest.raises(UnknownModel):
        store.require(["nonsense"], settings)


class TestRemove:
    def test_the_files_go_and_their_size_is_told(self, settings: Settings) -> None:
        folder = install("moonshine-base-es", settings)
        (folder / "encoder_model.ort.part").write_bytes(b"left over")

        freed = store.remove(catalogue.find("moonshine-base-es"), settings, lambda: False)

        assert freed > 20964320 + 43612200 + 241639
        assert not folder.exists()
        with pytest.raises(ModelNotInstalled):
            store.locate("moonshine-base-es", settings)

    def test_the_built_in_model_stays(self, settings: Settings) -> None:
        with pytest.raises(ModelError, match="comes with the program"):
            store.remove(catalogue.find(catalogue.DEFAULT), settings, lambda: False)

    def test_what_is_not_here_cannot_go(self, settings: Settings) -> None:
        with pytest.raises(ModelNotInstalled):
            store.remove(catalogue.find("moonshine-base-es"), settings, lambda: False)

    def test_what_links_point_to_stays(self, settings: Settings, tmp_path: Path) -> None:
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "keep.txt").write_text("precious")
        settings.models_dir.mkdir(parents=True)
        (settings.models_dir / "moonshine-base-es").symlink_to(mine, target_is_directory=True)
        (install("moonshine-base-ja", settings) / "link").symlink_to(mine, target_is_directory=True)

        store.remove(catalogue.find("moonshine-base-es"), settings, lambda: False)
        store.remove(catalogue.find("moonshine-base-ja"), settings, lambda: False)

        assert (mine / "keep.txt").read_text() == "precious"
        assert list(settings.models_dir.iterdir()) == []


def test_a_record_of_earlier_versions_is_read(settings: Settings) -> None:
    model = small_model(settings.models_dir / "small")
    folder = settings.models_dir / "small"
    old = {
        name: {"bytes": seen.bytes, "mtime_ns": seen.mtime_ns, "sha256": seen.sha256}
        for name, seen in store.read_record(folder).items()
    }
    (folder / "record.json").write_text(json.dumps(old))

    assert store.files_of(model, settings).name == "small"
    assert not store.vouched(model, settings)
