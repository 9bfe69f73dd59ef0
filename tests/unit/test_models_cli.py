"""``stenogram models`` as a user meets it, against a hub on this machine."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stenogram.cli import models as commands
from stenogram.config import Settings
from stenogram.errors import ModelDamaged, OptionError, StenogramError
from stenogram.models import catalogue, store
from stenogram.models import hub as places
from stenogram.models.catalogue import File, Model
from tests.integration.hub_server import Hub, running

WEIGHTS = hashlib.shake_256(b"weights").digest(200_000)
SMALL = Model(
    name="ggml-small",
    engine="whisper.cpp",
    languages=("*",),
    licence="MIT",
    licence_url="https://x",
    source="made here",
    files=(File("model", "ggml-small.bin", len(WEIGHTS), sha256=hashlib.sha256(WEIGHTS).hexdigest()),),
    repo="own/ggml",
)
UNKNOWN = Model(
    name="gigaam",
    engine="onnx-asr",
    languages=("ru",),
    licence="MIT",
    licence_url="https://x",
    source="made here",
    files=(File("model", "v3_ctc.onnx", about_bytes=210_000),),
    repo="own/gigaam",
)
CHAT = Model(
    name="clean-up",
    engine="gguf",
    languages=("*",),
    licence="MIT",
    licence_url="https://x",
    source="made here",
    files=(File("model", "a.gguf", about_bytes=1_000_000),),
    kind="chat",
    repo="own/chat",
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("STENOGRAM_HOME", str(tmp_path / "home"))
    built_in = catalogue.find(catalogue.DEFAULT)
    monkeypatch.setattr(catalogue, "models", lambda: (built_in, SMALL, UNKNOWN, CHAT))
    with running() as made:
        monkeypatch.setenv("STENOGRAM_HUB_URL", made.url)
        made.files = {"ggml-small.bin": WEIGHTS, "v3_ctc.onnx": WEIGHTS[::-1]}
        yield made


def run(*args: str | Path, answer: str | None = None) -> Result:
    result = CliRunner().invoke(commands.models, [str(arg) for arg in args], input=answer)
    if isinstance(result.exception, StenogramError):
        raise result.exception
    return result


def test_the_list_shows_what_is_known_and_what_is_here(hub: Hub) -> None:
    lines = run("list").stdout.splitlines()

    assert [line.split()[:2] for line in lines[:3]] == [
        ["NAME", "LANGUAGES"],
        ["*", "moonshine-tiny-en"],
        ["ggml-small", "all"],
    ]
    assert "0 MB" in lines[2]
    assert "~0 MB" in lines[3]
    assert lines[4].endswith("MIT (text clean-up)")
    assert "stenogram models pull NAME" in lines[-1]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--language", "Russian"], {"ggml-small", "gigaam"}),
        (["--engine", "whisper.cpp"], {"ggml-small"}),
        (["--installed"], {"moonshine-tiny-en"}),
        (["--installed", "-l", "ru"], set()),
    ],
)
def test_the_list_can_be_narrowed(hub: Hub, options: list[str], names: set[str]) -> None:
    assert {model["name"] for model in json.loads(run("list", "--json", *options).stdout)} == names


def test_an_engine_that_is_not_known_is_refused(hub: Hub) -> None:
    with pytest.raises(OptionError, match=r"there are: gguf, moonshine, onnx-asr, whisper\.cpp"):
        run("list", "--engine", "whisperx")


def test_pull_brings_a_model_and_info_shows_where_it_came_from(hub: Hub) -> None:
    assert run("pull", "ggml-small", "gigaam").stdout == "ggml-small is installed\ngigaam is installed\n"

    facts = json.loads(run("info", "ggml-small", "--json").stdout)
    assert facts["installed"]
    assert facts["verified"]
    assert facts["memory_bytes"] == {"default": 1.1 * len(WEIGHTS) + 150e6}
    [file] = facts["files"]
    assert file["vouched_by"] == "catalogue"
    assert Path(file["path"]).read_bytes() == WEIGHTS
    assert file["url"] == f"{hub.url}/own/ggml/resolve/main/ggml-small.bin"

    text = run("info", "gigaam").stdout
    assert "verified     yes" in text
    assert f"sha256 {hashlib.sha256(WEIGHTS[::-1]).hexdigest()} (hub)" in text


def test_info_of_what_is_not_here_says_so(hub: Hub) -> None:
    text = run("info", "gigaam").stdout

    assert "installed    no" in text
    assert "size not known exactly" in text
    assert "no digest yet" in text


def test_verify_hashes_what_is_installed_or_named(hub: Hub) -> None:
    run("pull", "ggml-small")

    assert run("verify").stdout.count("all files are as recorded") == 2
    with pytest.raises(StenogramError, match="gigaam is not installed"):
        run("verify", "ggml-small", "gigaam")


def test_remove_asks_first(hub: Hub) -> None:
    run("pull", "ggml-small")
    settings = Settings(home=os.environ["STENOGRAM_HOME"])

    assert run("remove", "ggml-small", answer="n\n").exit_code == 1
    assert store.is_installed(SMALL, settings)
    assert "removed, 0 MB freed" in run("remove", "ggml-small", answer="y\n").stdout
    assert not store.is_installed(SMALL, settings)

    run("pull", "ggml-small")
    run("remove", "--yes", "ggml-small")
    assert not store.is_installed(SMALL, settings)


def test_a_model_goes_out_and_comes_in_elsewhere(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("pull", "gigaam")
    assert f"wrote {tmp_path / 'g.tar'}" in run("export", "gigaam", tmp_path / "g.tar").stdout
    monkeypatch.setenv("STENOGRAM_HOME", str(tmp_path / "elsewhere"))
    hub.requests.clear()

    text = run("import", tmp_path / "g.tar").stdout

    assert text.startswith("gigaam is installed (unverified")
    assert hub.requests == []


def test_a_byte_flipped_on_the_way_is_noticed_where_only_the_archive_knows_the_digest(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("pull", "gigaam")
    run("export", "gigaam", tmp_path / "g.tar")
    content = bytearray((tmp_path / "g.tar").read_bytes())
    content[content.index(WEIGHTS[::-1][1000:1100])] ^= 1
    (tmp_path / "g.tar").write_bytes(content)
    monkeypatch.setenv("STENOGRAM_HOME", str(tmp_path / "elsewhere"))

    with pytest.raises(ModelDamaged, match=r"v3_ctc\.onnx.*Nothing was imported"):
        run("import", tmp_path / "g.tar")


def test_a_model_of_ones_own_is_imported_listed_exported_and_imported_again(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tuned.bin").write_bytes(b"weights")
    run("import", tmp_path / "tuned.bin", "--name", "mine", "--engine", "whisper.cpp", "--languages", "ru, English")

    [mine] = [model for model in json.loads(run("list", "--json", "-i").stdout) if model["name"] == "mine"]
    assert mine["languages"] == ["ru", "en"]

    run("export", "mine", tmp_path / "mine.tar")
    monkeypatch.setenv("STENOGRAM_HOME", str(tmp_path / "elsewhere"))
    assert run("import", tmp_path / "mine.tar").stdout.startswith("mine is installed")


def test_import_says_what_it_has_to_be_told(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "tuned.bin").write_bytes(b"weights")

    with pytest.raises(OptionError, match="--name"):
        run("import", tmp_path / "tuned.bin")
    with pytest.raises(OptionError, match="--languages"):
        run("import", tmp_path / "tuned.bin", "--name", "mine", "--engine", "whisper.cpp")
    with pytest.raises(StenogramError, match="No model 'mine' is known"):
        run("import", tmp_path / "tuned.bin", "--name", "mine")


class TestAsking:
    """A recommended model is offered at a terminal, and only there."""

    @pytest.fixture(autouse=True)
    def terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    @pytest.fixture
    def settings(self, hub: Hub, tmp_path: Path) -> Settings:
        return Settings(home=str(tmp_path), hub_url=hub.url)

    def test_yes_fetches_it(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []

        def confirm(question: str, **_: object) -> bool:
            asked.append(question)
            return True

        monkeypatch.setattr("click.confirm", confirm)

        got = commands.asking(settings)(SMALL)

        assert not isinstance(got, str)
        assert got.name == "ggml-small"
        assert "Fetch ggml-small (0 MB, MIT)?" in asked[0]

    def test_no_does_not(self, settings: Settings, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("click.confirm", lambda question, **_: False)

        assert commands.asking(settings)(SMALL) == "it was not wanted"
        assert not store.is_installed(SMALL, settings)

    def test_a_silent_hub_is_not_offered(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(places, "answers", lambda *_: False)
        monkeypatch.setattr("click.confirm", lambda *_, **__: pytest.fail("asked"))

        assert commands.asking(settings)(SMALL) == "the place it comes from does not answer"

    def test_without_a_terminal_nobody_is_asked(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
        monkeypatch.setattr("click.confirm", lambda *_, **__: pytest.fail("asked"))

        got = commands.asking(settings)(SMALL)

        assert isinstance(got, str)
        assert "STENOGRAM_AUTO_PULL" in got


def test_networks_of_a_diarizer_whose_library_is_here_can_be_used() -> None:
    """It is no engine, but as good as one here."""
    assert "engine_here  yes" in run("info", "wespeaker-resnet34").stdout
