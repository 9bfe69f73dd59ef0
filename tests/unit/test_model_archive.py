"""Archives that a stranger may have made: nothing outside is touched, nothing is believed, nothing is half imported."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.config import Settings
from stenogram.errors import ModelError
from stenogram.models import archive, transfer
from stenogram.types import ModelFiles

FILES = {
    "model.bin": b"weights" * 1000,
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "vocabulary.json": b"[]",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=str(tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "whisper"
    made.mkdir()
    for name, content in FILES.items():
        (made / name).write_bytes(content)
    return made


def take(source: Path, settings: Settings) -> ModelFiles:
    model = transfer.describe("mine", "whisper", ("ru",), source)
    return transfer.import_model(model, source, settings, lambda *_: None, lambda: False)


def tarred(path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for info, content in entries:
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return path


def plain(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


@pytest.mark.parametrize(
    "name", ["../model.bin", "/model.bin", "a/../../model.bin", "C:\\model.bin", "..\\model.bin", "C:model.bin"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_point_outside_are_refused(tmp_path: Path, settings: Settings, name: str, kind: str) -> None:
    source = tmp_path / "a"
    if kind == "zip":
        with zipfile.ZipFile(source, "w") as made:
            made.writestr("config.json", b"{}")
            info = zipfile.ZipInfo("x")
            info.filename = name
            made.writestr(info, b"weights")
    else:
        tarred(source, [(plain("config.json"), b"{}"), (plain(name), b"weights")])

    with pytest.raises(ModelError, match="not safe"):
        take(source, settings)
    assert not (settings.models_dir.parent / "model.bin").exists()
    assert not list(settings.models_dir.glob("*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, settings: Settings, kind: bytes) -> None:
    info = plain("model.bin")
    info.type = kind
    info.linkname = "/etc/passwd"

    with pytest.raises(ModelError, match="no plain file"):
        take(tarred(tmp_path / "a.tar", [(info, b"")]), settings)


def test_a_link_in_a_zip_is_refused(tmp_path: Path, settings: Settings) -> None:
    info = zipfile.ZipInfo("model.bin")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr(info, "/etc/passwd")

    with pytest.raises(ModelError, match="no plain file"):
        take(tmp_path / "a.zip", settings)


def test_more_entries_than_any_model_has_are_refused(tmp_path: Path, settings: Settings) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        for index in range(2001):
            made.writestr(f"{index}", b"")

    with pytest.raises(ModelError, match="no model"):
        take(tmp_path / "a.zip", settings)


def test_more_bytes_than_any_model_has_are_refused_by_their_claim(tmp_path: Path, settings: Settings) -> None:
    info = plain("model.bin")
    info.size = 65 << 30
    (tmp_path / "a.tar").write_bytes(info.tobuf() + bytes(1024))

    with pytest.raises(ModelError, match="no model"):
        take(tmp_path / "a.tar", settings)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_cut_archive_is_damaged(tmp_path: Path, settings: Settings, folder: Path, kind: str) -> None:
    source = tmp_path / f"a.{kind}"
    (folder / "model.bin").write_bytes(os.urandom(100_000))
    if kind == "zip":
        with zipfile.ZipFile(source, "w") as made:
            for name in FILES:
                made.write(folder / name, name)
        content = bytearray(source.read_bytes())
        content[5000] ^= 1
        source.write_bytes(content)
    else:
        with tarfile.open(source, "w:gz") as tar:
            tar.add(folder, arcname="m")
        source.write_bytes(source.read_bytes()[:50_000])

    with pytest.raises(ModelError):
        take(source, settings)
    assert not list(settings.models_dir.glob("*"))


def test_an_encrypted_zip_is_told(tmp_path: Path, settings: Settings) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("model.bin", b"weights")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)

    with pytest.raises(ModelError, match="encrypted"):
        take(tmp_path / "a.zip", settings)


@given(st.text(min_size=1))
def test_no_name_leads_out(name: str) -> None:
    try:
        path = archive.safe_name(name, "m")
    except ModelError:
        return
    inside = Path("/a/b").joinpath(path)
    assert os.path.normpath(inside).startswith("/a/b/")
