"""Speakers by pyannote.audio: the real library (where marked ``engines``) on a pipeline that tells tones apart."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from stenogram import diarization
from stenogram.config import Settings
from stenogram.diarization import Means
from stenogram.diarization.outside import choose
from stenogram.diarization.pyannote import MODEL, PyannoteDiarizer
from stenogram.diarization.pyannote_child import hook, settle
from stenogram.errors import DiarizationError
from stenogram.models import catalogue, store, transfer
from stenogram.models.download import pull
from stenogram.testing import MemoryCache
from stenogram.types import DiarizeOptions, Span, SpeakerTurn
from tests import diarizers
from tests.diarizers import ANN, BEN, CLEO, Scene, tones
from tests.integration.hub_server import running

OPTIONS = DiarizeOptions(diarize=True)
FILES = ("config.yaml", "segmentation/pytorch_model.bin", "embedding/pytorch_model.bin")
PLDA = ("plda/xvec_transform.npz", "plda/plda.npz")


@pytest.fixture(scope="module")
def diarizer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PyannoteDiarizer]:
    made = PyannoteDiarizer(diarizers.with_pyannote_pipeline(tmp_path_factory.mktemp("home")))
    yield made
    made.close()


def tell(
    diarizer: PyannoteDiarizer, scene: Scene, folder: Path, options: DiarizeOptions = OPTIONS
) -> list[SpeakerTurn]:
    return diarizer.diarize(scene.sounds(folder), options, lambda _: None, lambda: False)


@pytest.mark.engines
def test_turns_overlap_where_voices_do(diarizer: PyannoteDiarizer, tmp_path: Path) -> None:
    """Three voices with silence between, two of them at once for a second: that overlap is kept."""
    turns = [(1.0, 4.0, ANN), (5.0, 8.0, BEN), (9.0, 12.0, CLEO), (13.0, 16.0, ANN), (15.0, 18.0, BEN)]
    scene = tones(turns, 20.0)
    [sound] = scene.sounds(tmp_path)
    loud = dataclasses.replace(sound, speech=(Span(0, 20),))  # the tiny network wants its windows just there

    found = diarizer.diarize([loud], OPTIONS, lambda _: None, lambda: False)
    assert diarizers.heard(found, scene, 0.1)


@pytest.mark.engines
def test_nobody_is_told_of_it(diarizer: PyannoteDiarizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a single connection while it loads and works: telemetry is off, and nothing is fetched."""
    knocks: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as door:

        def listen() -> None:
            while True:
                try:
                    visitor, _ = door.accept()
                except OSError:  # closed
                    return
                knocks.append(visitor.recv(200).decode(errors="replace"))
                visitor.close()

        thread = threading.Thread(target=listen)
        thread.start()
        proxy = f"http://127.0.0.1:{door.getsockname()[1]}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("PYANNOTE_METRICS_ENABLED", "1")  # whatever somebody set
        diarizer.close()
        assert tell(diarizer, diarizers.two_tones(), tmp_path)
        diarizer.close()
        door.shutdown(socket.SHUT_RDWR)
    thread.join()

    assert knocks == []


@pytest.mark.engines
def test_files_of_another_kind_are_refused_in_its_words(tmp_path: Path) -> None:
    """Its process ends over them; ours says why."""
    means = _installed(tmp_path, dict.fromkeys((*FILES, *PLDA), b"pipeline: {name: nothing.of.the.Kind}"))

    with pytest.raises(DiarizationError, match=r"\(pyannote\).*No module named 'nothing'"):
        tell(PyannoteDiarizer(means), diarizers.two_tones(), tmp_path)


def _installed(home: Path, contents: Mapping[str, bytes]) -> Means:
    source = home / "source"
    for name, content in contents.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    means = diarizers.means(home)
    model = transfer.describe("mine", "pyannote", ("*",), source)
    transfer.import_model(model, source, means.settings, lambda *_: None, lambda: False)
    return means


def test_what_is_missing_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First the extra, then the model: that its conditions must be accepted, and the command."""
    means = diarizers.means(tmp_path)
    monkeypatch.setattr("stenogram.library.find_spec", lambda name: None if name == "pyannote.audio" else True)
    assert PyannoteDiarizer(means).fault() == (
        "pyannote.audio is not installed. Get it: pip install 'stenogram[pyannote]'"
    )

    monkeypatch.setattr("stenogram.library.find_spec", lambda _name: True)
    fault = str(PyannoteDiarizer(means).fault())
    assert "Accept its conditions at https://huggingface.co/pyannote/speaker-diarization-community-1" in fault
    assert fault.endswith(f"stenogram models pull {MODEL}")

    means = _installed(tmp_path, dict.fromkeys((*FILES, *PLDA), b"x"))
    assert PyannoteDiarizer(means).fault() is None
    assert PyannoteDiarizer(means).version.endswith(" cpu")


def test_parts_of_it_without_its_library_are_not_the_library() -> None:
    """pyannote.core and others bring a package `pyannote` too."""
    row = diarization.DIARIZERS["pyannote"]

    assert "pyannote.audio" in row.modules
    assert row.modules.index("pyannote") < row.modules.index("pyannote.audio")  # asked first: the other lies in it


def test_it_comes_from_the_hub_with_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``models pull`` brings all its files into one folder, as it wants them; the hub vouches for each."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", "sesame")
    with running() as hub:
        hub.token = "sesame"  # noqa: S105 - no secret
        hub.files = {name: name.encode() * (20_000 if name.endswith(".bin") else 1) for name in (*FILES, *PLDA)}
        settings = Settings(home=str(tmp_path), hub_url=hub.url)
        model = catalogue.find("community-1")
        files = pull(model, settings, lambda *_: None, lambda: False)

    folder = files.paths["config"].parent
    assert {path.relative_to(folder).as_posix() for path in files.paths.values()} == {*FILES, *PLDA}
    assert store.vouched(model, settings)
    assert choose("pyannote", "config", Means(settings, MemoryCache())) == files


@pytest.mark.parametrize(
    ("numbers", "runs"),
    [
        ({"num_speakers": 5}, [{"num_speakers": 5}, {"max_speakers": 5}]),
        ({"min_speakers": 5, "max_speakers": 7}, [{"min_speakers": 5, "max_speakers": 7}, {"max_speakers": 7}]),
        ({"min_speakers": 5}, [{"min_speakers": 5}, {}]),
    ],
)
def test_more_speakers_than_voices_are_not_insisted_on(numbers: dict[str, int], runs: list[dict[str, int]]) -> None:
    """Its k-means refuses; then the upper bound alone is kept. Any other refusal is passed on."""
    asked: list[Mapping[str, int]] = []

    def run(given: Mapping[str, int]) -> str:
        asked.append(given)
        if len(asked) == 1:
            raise ValueError("n_samples=2 should be >= n_clusters=5.")
        return "turns"

    assert settle(run, numbers) == "turns"
    assert asked == runs


def test_other_refusals_are_passed_on() -> None:
    def run(_given: Mapping[str, int]) -> str:
        raise ValueError("no sound")

    with pytest.raises(ValueError, match="no sound"):
        settle(run, {"max_speakers": 3})


def test_progress_covers_both_long_steps() -> None:
    """From nothing to all, steps that are done at once left out."""
    told: list[float] = []
    tell_ = hook(lambda message: told.append(message["fraction"]))

    for done in range(3):
        tell_("segmentation", None, file={}, total=2, completed=done)
    tell_("speaker_counting", object(), file={})
    for done in range(3):
        tell_("embeddings", None, file={}, total=2, completed=done)

    assert told == pytest.approx([0, 0.1, 0.2, 0.2, 0.6, 1])
