"""Models by hand: what comes in is checked and stays inside, what goes out is complete and always the same."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from stenogram.config import Settings
from stenogram.errors import (
    Cancelled,
    ModelDamaged,
    ModelError,
    ModelNotInstalled,
    OptionError,
    StorageError,
    UnknownModel,
)
from stenogram.models import catalogue, store, transfer
from stenogram.models.catalogue import File, Model
from stenogram.types import ModelFiles

WHISPER = {
    "model.bin": b"weights" * 1000,
    "config.json": b"{}",
    "tokenizer.json": b'{"a": 1}',
    "vocabulary.json": b"[]",
    "README.md": b"not for the engine",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=str(tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "somewhere" / "my-whisper"
    made.mkdir(parents=True)
    for name, content in WHISPER.items():
        (made / name).write_bytes(content)
    return made


def quiet(*_: object) -> None:
    pass


def take(source: Path, settings: Settings, name: str = "mine") -> ModelFiles:
    model = transfer.describe(name, "whisper", ("ru", "en"), source)
    return transfer.import_model(model, source, settings, quiet, lambda: False)


def tarred(path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for info, content in entries:
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return path


def plain(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


class TestOwnModels:
    def test_a_folder_becomes_a_model_like_any_other(self, folder: Path, settings: Settings) -> None:
        files = take(folder, settings)

        assert files.name == "mine"
        assert files.engine == "whisper"
        assert files.languages == ("ru", "en")
        assert {role: path.read_bytes() for role, path in files.paths.items()} == {
            "model": WHISPER["model.bin"],
            "config": WHISPER["config.json"],
            "tokenizer": WHISPER["tokenizer.json"],
            "vocabulary": WHISPER["vocabulary.json"],
        }
        assert store.locate("MINE", settings) == files
        assert files in store.installed(settings)
        assert store.verify("mine", settings) == files
        assert not store.vouched(store.find("mine", settings), settings)

    @pytest.mark.parametrize("top", ["", "my-whisper/"])
    @pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
    def test_so_does_an_archive_with_or_without_a_top_folder(
        self, tmp_path: Path, settings: Settings, folder: Path, kind: str, top: str
    ) -> None:
        source = tmp_path / f"a.{kind}"
        if kind == "zip":
            with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as made:
                for name, content in WHISPER.items():
                    made.writestr(top + name, content)
        else:
            raw = io.BytesIO()
            with tarfile.open(fileobj=raw, mode="w") as tar:
                tar.add(folder, arcname=top or ".")
            packed = {
                "tar": raw.getvalue(),
                "tar.gz": gzip.compress(raw.getvalue()),
                "tar.xz": lzma.compress(raw.getvalue()),
            }
            source.write_bytes(packed[kind])

        assert take(source, settings).digest == take(folder, settings, "other").digest

    def test_a_folder_of_links_is_copied_not_linked(self, tmp_path: Path, settings: Settings, folder: Path) -> None:
        snapshot = tmp_path / "snapshot"
        snapshot.mkdir()
        for name in WHISPER:
            (snapshot / name).symlink_to(folder / name)

        files = take(snapshot, settings)

        assert not any(path.is_symlink() for path in files.paths.values())

    def test_a_single_file_is_a_model_of_an_engine_of_single_files(self, tmp_path: Path, settings: Settings) -> None:
        with zipfile.ZipFile(tmp_path / "tuned.pt", "w") as made:  # PyTorch's files are zip archives
            made.writestr("archive/data.pkl", b"weights")
        model = transfer.describe("tuned", "openai-whisper", ("*",), tmp_path / "tuned.pt")
        files = transfer.import_model(model, tmp_path / "tuned.pt", settings, quiet, lambda: False)

        assert files.paths["model"].read_bytes() == (tmp_path / "tuned.pt").read_bytes()

    def test_what_the_engine_needs_and_is_not_there_is_named(self, folder: Path, settings: Settings) -> None:
        (folder / "tokenizer.json").unlink()

        with pytest.raises(OptionError, match=r"needs tokenizer\.json"):
            take(folder, settings)
        assert not list(settings.models_dir.glob("*"))

    def test_two_files_for_one_role_are_told(self, folder: Path, settings: Settings) -> None:
        (folder / "vocabulary.txt").write_bytes(b"")

        with pytest.raises(OptionError, match="keep one of them"):
            take(folder, settings)

    @pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a b", "base", "Whisper-Base", "x" * 101])
    def test_names_that_are_no_plain_names_or_taken_are_refused(
        self, folder: Path, settings: Settings, name: str
    ) -> None:
        with pytest.raises(OptionError):
            take(folder, settings, name)

    def test_what_killed_imports_left_goes_after_a_day(self, folder: Path, settings: Settings) -> None:
        for name, when in (("old", 1.0), ("young", None)):
            left = settings.models_dir / f".import-{name}"
            left.mkdir(parents=True)
            (left / "model.bin").write_bytes(b"half")
            if when is not None:
                os.utime(left, (when, when))

        take(folder, settings)

        assert sorted(path.name for path in settings.models_dir.iterdir()) == [".import-young", "mine"]

    def test_it_can_be_removed(self, folder: Path, settings: Settings) -> None:
        take(folder, settings)

        store.remove(store.find("mine", settings), settings, lambda: False)

        with pytest.raises(UnknownModel):
            store.find("mine", settings)

    def test_an_unreadable_record_does_no_harm(self, folder: Path, settings: Settings) -> None:
        take(folder, settings)
        (settings.models_dir / "mine/model.json").write_bytes(b"{")

        assert "mine" not in [model.name for model in store.known(settings)]

    def test_a_record_cannot_take_the_name_of_another_model(self, folder: Path, settings: Settings) -> None:
        take(folder, settings)
        row = json.loads((settings.models_dir / "mine/model.json").read_text())
        (settings.models_dir / "mine/model.json").write_text(json.dumps(row | {"name": "whisper-base"}))

        assert [model.engine for model in store.known(settings) if model.name == "whisper-base"] == ["whisper"]
        assert store.find("whisper-base", settings).repo

    def test_what_is_gone_is_imported_again_not_fetched(self, folder: Path, settings: Settings) -> None:
        from stenogram.models.download import pull

        take(folder, settings)
        (settings.models_dir / "mine/model.bin").unlink()

        with pytest.raises(ModelNotInstalled, match="import it again"):
            pull(store.find("mine", settings), settings, quiet, lambda: False)


class TestKnownModels:
    @pytest.fixture(autouse=True)
    def small_catalogue(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import hashlib

        files = (
            File(
                "model", "model.bin", len(WHISPER["model.bin"]), sha256=hashlib.sha256(WHISPER["model.bin"]).hexdigest()
            ),
            File("config", "sub/config.json", about_bytes=5),
        )
        model = Model("small", "whisper", ("*",), "MIT", "https://x", "made here", files, repo="own/small")
        monkeypatch.setattr(catalogue, "models", lambda: (model,))

    def bring(self, source: Path, settings: Settings) -> ModelFiles:
        return transfer.import_model(catalogue.find("small"), source, settings, quiet, lambda: False)

    def test_the_catalogue_says_which_files_and_what_is_in_them(self, folder: Path, settings: Settings) -> None:
        files = self.bring(folder, settings)

        assert sorted(files.paths) == ["config", "model"]
        assert files.paths["config"].parent.name == "sub"
        digests = store.digests_of(catalogue.find("small"), settings)
        assert [digests[name].source for name in ("model.bin", "sub/config.json")] == ["catalogue", "pinned"]
        assert not (settings.models_dir / "small/model.json").exists()

    def test_a_flipped_byte_is_refused_with_the_name_of_the_file(self, folder: Path, settings: Settings) -> None:
        (folder / "model.bin").write_bytes(WHISPER["model.bin"][:-1] + b"X")

        with pytest.raises(ModelDamaged, match=r"model\.bin.*Nothing was imported"):
            self.bring(folder, settings)
        assert not list(settings.models_dir.glob("*"))

    def test_what_is_missing_is_named(self, folder: Path, settings: Settings) -> None:
        (folder / "config.json").unlink()

        with pytest.raises(ModelNotInstalled, match=r"Not found: sub/config\.json"):
            self.bring(folder, settings)

    def test_stop_leaves_nothing(self, folder: Path, settings: Settings) -> None:
        with pytest.raises(Cancelled):
            transfer.import_model(catalogue.find("small"), folder, settings, quiet, lambda: True)
        assert not list(settings.models_dir.glob("*"))

    def test_too_little_room_is_told_before(
        self, folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Usage:
            free = 100

        monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
        with pytest.raises(StorageError, match="MB are free there"):
            self.bring(folder, settings)


class TestExport:
    def test_it_comes_back_the_same(self, tmp_path: Path, settings: Settings, folder: Path) -> None:
        files = take(folder, settings)
        target = transfer.export_model(
            store.find("mine", settings), tmp_path / "mine.tar", settings, quiet, lambda: False
        )
        elsewhere = Settings(home=str(tmp_path / "elsewhere"))
        row = transfer.described_in(target)
        assert row

        there = transfer.import_model(transfer.checked(row), target, elsewhere, quiet, lambda: False)

        assert there.digest == files.digest
        assert there.languages == files.languages
        assert store.verify("mine", elsewhere) == there

    def test_the_same_model_gives_the_same_bytes(self, tmp_path: Path, settings: Settings, folder: Path) -> None:
        take(folder, settings)
        model = store.find("mine", settings)
        os.utime(settings.models_dir / "mine/model.bin", (1, 1))
        first = transfer.export_model(model, tmp_path / "a.tar", settings, quiet, lambda: False).read_bytes()
        os.utime(settings.models_dir / "mine/model.bin", (2, 2))

        assert transfer.export_model(model, tmp_path / "b.tar", settings, quiet, lambda: False).read_bytes() == first

    def test_progress_reaches_the_whole(self, tmp_path: Path, settings: Settings, folder: Path) -> None:
        take(folder, settings)
        told: list[tuple[int, int]] = []
        transfer.export_model(
            store.find("mine", settings), tmp_path / "a.tar", settings, lambda *pair: told.append(pair), lambda: False
        )

        assert told == sorted(told)
        assert told[-1][0] == told[-1][1] == sum(len(WHISPER[name]) for name in WHISPER if name != "README.md")

    def test_a_damaged_model_does_not_go_out(self, tmp_path: Path, settings: Settings, folder: Path) -> None:
        files = take(folder, settings)
        path = files.paths["model"]
        facts = path.stat()
        path.write_bytes(path.read_bytes()[:-1] + b"X")
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))

        with pytest.raises(ModelDamaged):
            transfer.export_model(store.find("mine", settings), tmp_path / "a.tar", settings, quiet, lambda: False)
        assert {path.name for path in tmp_path.iterdir()} == {"home", "somewhere"}

    def test_a_flipped_byte_on_the_way_is_refused(self, tmp_path: Path, settings: Settings, folder: Path) -> None:
        take(folder, settings)
        target = transfer.export_model(
            store.find("mine", settings), tmp_path / "mine.tar", settings, quiet, lambda: False
        )
        content = target.read_bytes().replace(b"weightsweights", b"weightsWeights", 1)
        target.write_bytes(content)
        row = transfer.described_in(target)
        assert row

        with pytest.raises(ModelDamaged, match=r"model\.bin"):
            transfer.import_model(
                transfer.checked(row), target, Settings(home=str(tmp_path / "x")), quiet, lambda: False
            )

    def test_what_is_not_here_cannot_go_out(self, tmp_path: Path, settings: Settings) -> None:
        with pytest.raises(ModelNotInstalled):
            transfer.export_model(catalogue.find("whisper-base"), tmp_path / "a.tar", settings, quiet, lambda: False)

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "../x"},
            {"name": "whisper-base"},
            {"engine": "nonsense"},
            {"bundled": "assets"},
            {"files": [{"role": "model", "name": "../../evil"}]},
            {"files": []},
            {"languages": ["klingon"]},
            {"source": "\x1b[2J"},
        ],
    )
    def test_the_row_of_a_stranger_is_not_believed(
        self, tmp_path: Path, settings: Settings, folder: Path, change: dict[str, object]
    ) -> None:
        take(folder, settings)
        row = json.loads((settings.models_dir / "mine/model.json").read_text()) | change
        source = tarred(tmp_path / "a.tar", [(plain("model.json"), json.dumps(row).encode())])
        carried = transfer.described_in(source)
        assert carried

        with pytest.raises((ModelError, OptionError)):
            transfer.checked(carried)
