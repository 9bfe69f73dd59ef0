"""What is read from the wheel moonshine-voice."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Literal

import onnxruntime
import pytest

from stenogram import bundled
from stenogram.errors import ModelDamaged, ModelError, ModelNotInstalled

INPUTS = {
    "silero": ["input", "state", "sr"],
    "segmentation": ["waveforms"],
    "embedding": ["fbank", "weights"],
}


def test_an_asset_is_a_file_on_disk() -> None:
    assert bundled.asset("assets/two_cities.wav").stat().st_size > 4_000_000


def test_reading_assets_and_networks_never_imports_the_package() -> None:
    bundled.asset("assets/tiny-en/tokenizer.bin")
    bundled.network("silero")

    assert "moonshine_voice" not in sys.modules


@pytest.mark.parametrize("name", ["silero", "segmentation", "embedding"])
def test_each_network_loads_in_onnxruntime(name: Literal["silero", "segmentation", "embedding"]) -> None:
    session = onnxruntime.InferenceSession(bundled.network(name), providers=["CPUExecutionProvider"])

    assert [node.name for node in session.get_inputs()] == INPUTS[name]


def test_a_missing_asset_is_damage_that_names_the_file_and_the_repair() -> None:
    with pytest.raises(ModelDamaged, match=r"no-such\.bin.*force-reinstall"):
        bundled.asset("assets/no-such.bin")


def test_without_the_wheel_the_error_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(bundled, "distribution", absent)

    with pytest.raises(ModelNotInstalled, match=r"pip install moonshine-voice==0\.1\.0"):
        bundled.network("silero")


def _fake_wheel(folder: Path, version: str, library: bytes | None) -> metadata.Distribution:
    info = folder / "moonshine_voice.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: moonshine-voice\nVersion: {version}\n")
    (info / "RECORD").write_text("moonshine_voice/libmoonshine.so,,\n")
    if library is not None:
        (folder / "moonshine_voice").mkdir()
        (folder / "moonshine_voice" / "libmoonshine.so").write_bytes(library)
    return metadata.Distribution.at(info)


def test_another_version_of_the_wheel_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wheel = _fake_wheel(tmp_path, "0.2.0", b"")
    monkeypatch.setattr(bundled, "distribution", lambda name: wheel)

    with pytest.raises(ModelError, match=r"0\.2\.0 is installed, 0\.1\.0 is needed"):
        bundled.asset("assets/two_cities.wav")


def test_a_network_is_found_wherever_it_lies_in_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    silero = bundled.network("silero")
    library = b"ORTM" + b"x" * 999 + b"0000ORTM" + b"y" * 4096 + silero + b"tail"
    wheel = _fake_wheel(tmp_path, "0.1.0", library)
    monkeypatch.setattr(bundled, "distribution", lambda name: wheel)

    assert bundled.network("silero") == silero


@pytest.mark.parametrize("damage", ["changed", "absent", "library empty", "library missing"])
def test_a_changed_or_missing_network_is_damage(damage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    silero = bytearray(bundled.network("silero"))
    silero[1_000_000] ^= 1
    library = {
        "changed": b"head" + bytes(silero),
        "absent": b"no network here",
        "library empty": b"",
        "library missing": None,
    }[damage]
    wheel = _fake_wheel(tmp_path, "0.1.0", library)
    monkeypatch.setattr(bundled, "distribution", lambda name: wheel)

    with pytest.raises(ModelDamaged, match="force-reinstall"):
        bundled.network("silero")
