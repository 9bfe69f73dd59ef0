"""People whose voices are known: kept where asked for, recognised by what is comparable, gone when removed."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import func, select

from stenogram.app import App, speakers
from stenogram.app.speakers import LEAST_S, MOST_S, PAUSE_S
from stenogram.bundled import asset
from stenogram.config import Settings, read
from stenogram.diarization.voices import EMBEDDING, LIKE
from stenogram.errors import Cancelled, Conflict, NotFound, NotMedia, OptionError, TooLittleSpeech
from stenogram.job import Caller
from stenogram.store import schema
from stenogram.store.database import Database
from stenogram.store.speakers import Voice
from stenogram.store.tables import speaker_voices
from stenogram.testing import make_app
from stenogram.types import SAMPLE_RATE, Audio, Span
from tests.service import read_wav, write_wav

if TYPE_CHECKING:
    from stenogram.types import Samples

EVERYBODY = Caller()
ANN = Voice(tuple(float(np.float32(value / 7)) for value in range(256)), EMBEDDING, "aa" * 32, 10.0)
PHONE = replace(ANN, values=tuple(reversed(ANN.values)), sample="bb" * 32)


def of(owner: str | None) -> Caller:
    return Caller(owner, scopes=frozenset({"transcribe"}), admin=False)


def voices_kept(db: Database) -> int:
    with db.read() as connection:
        return int(connection.execute(select(func.count()).select_from(speaker_voices)).scalar_one())


# --- the library ---


def test_a_person_has_every_sample_and_the_same_one_once(db: Database) -> None:
    speakers.add(db, None, " Ann ", [ANN])
    found = speakers.add(db, None, "Ann", [ANN, PHONE])

    assert (found.name, found.owner, set(found.voices)) == ("Ann", None, {ANN, PHONE})
    assert speakers.listing(db, of(None)) == [found]
    assert voices_kept(db) == 2


def test_each_owner_has_people_of_their_own(db: Database) -> None:
    """Equal names are different people; who is not an admin sees and finds their own only."""
    hers, his = speakers.add(db, "anna", "Ann", [ANN]), speakers.add(db, "bob", "Ann", [PHONE])
    nobodys = speakers.add(db, None, "Ann", [ANN])

    assert len({hers.id, his.id, nobodys.id}) == 3
    assert speakers.listing(db, of("anna")) == [hers]
    assert speakers.listing(db, EVERYBODY) == [nobodys, hers, his]
    assert speakers.find(db, of("anna"), hers.id) == hers
    with pytest.raises(NotFound):
        speakers.find(db, of("anna"), his.id)
    with pytest.raises(NotFound):
        speakers.find(db, of("anna"), nobodys.id)
    assert [voice.voice for voice in speakers.known_of(db, "bob").voices] == [PHONE.values]


def test_several_workers_may_add_to_one_person_at_once(db: Database) -> None:
    """The files of one request are heard by different processes."""
    voices = [replace(ANN, sample=f"{number:064x}") for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda voice: speakers.add(db, "anna", "Ann", [voice]), voices))
    [found] = speakers.listing(db, EVERYBODY)

    assert set(found.voices) == set(voices)


def test_a_new_name_and_one_that_is_taken(db: Database) -> None:
    ann, ben = speakers.add(db, None, "Ann", [ANN]), speakers.add(db, None, "Ben", [PHONE])
    speakers.add(db, "anna", "Cleo", [PHONE])

    assert speakers.rename(db, ann, "Cleo").name == "Cleo"
    assert speakers.rename(db, speakers.find(db, EVERYBODY, ann.id), " Cleo ").voices == (ANN,)
    with pytest.raises(Conflict, match="one of this name"):
        speakers.rename(db, ben, "Cleo")
    with pytest.raises(OptionError):
        speakers.rename(db, ben, "\n")
    with pytest.raises(NotFound, match="Ann"):
        speakers.find_named(db, None, "Ann")


OLDER = replace(ANN, network="older")


def test_voices_of_another_version_are_not_compared_and_that_is_said(db: Database) -> None:
    speakers.add(db, None, "Ann", [OLDER])
    speakers.add(db, None, "Ben", [PHONE])
    known = speakers.known_of(db, None)

    assert [voice.name for voice in known.voices] == ["Ben"]
    assert len(known.warnings) == 1
    assert "Ann" in known.warnings[0]
    assert "Ben" not in known.warnings[0]
    assert [speakers.is_outdated(each) for each in speakers.listing(db, EVERYBODY)] == [True, False]
    assert "stenogram speakers add" in speakers.known_of(db, "nobody").warnings[0]


def test_a_voice_of_this_version_takes_the_place_of_those_of_others(db: Database) -> None:
    """What can be compared with nothing is not kept."""
    speakers.add(db, None, "Ann", [OLDER, replace(OLDER, sample="cc" * 32)])

    assert speakers.add(db, None, "Ann", [ANN]).voices == (ANN,)
    assert speakers.known_of(db, None).warnings == ()


def test_who_is_removed_is_gone_with_all_their_voices(db: Database) -> None:
    ann, ben = speakers.add(db, None, "Ann", [ANN, PHONE]), speakers.add(db, None, "Ben", [PHONE])
    speakers.remove(db, [ann])

    assert speakers.listing(db, EVERYBODY) == [ben]
    assert voices_kept(db) == 1


@pytest.mark.parametrize("samples", [1, 40])
def test_nothing_of_a_removed_voice_is_left_in_the_files_of_sqlite(tmp_path: Path, samples: int) -> None:
    """Neither in a page that others share, nor in pages that became free, nor in the log."""
    db = Database.open(f"sqlite:///{tmp_path / 'stenogram.db'}")
    schema.upgrade(db)
    mark = struct.pack("<32f", *ANN.values[32:64])
    voices = [replace(ANN, sample=f"{number:064x}") for number in range(samples)]
    ann = speakers.add(db, None, "Ann Unmistakable", voices)

    def traces() -> int:
        return sum(
            path.read_bytes().count(what)
            for path in tmp_path.glob("stenogram.db*")
            for what in (mark, b"Ann Unmistakable")
        )

    assert traces() > samples
    speakers.remove(db, [ann])
    assert traces() == 0
    db.close()


def test_other_processes_that_read_do_not_keep_a_removal_waiting(tmp_path: Path) -> None:
    """The log is then emptied when it next begins anew."""
    db = Database.open(f"sqlite:///{tmp_path / 'stenogram.db'}")
    schema.upgrade(db)
    ann = speakers.add(db, None, "Ann", [ANN])
    reader = sqlite3.connect(tmp_path / "stenogram.db")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM speakers").fetchall()
    speakers.remove(db, [ann])

    assert speakers.listing(db, EVERYBODY) == []
    reader.close()
    db.close()


def test_where_there_is_no_database_yet_nobody_is_known(tmp_path: Path) -> None:
    known = speakers.known_here(read(Settings, {"home": str(tmp_path)}))

    assert known.voices == ()
    assert "stenogram speakers add" in known.warnings[0]


# --- listening ---


@pytest.fixture
def app() -> Iterator[App]:
    with make_app() as opened:
        yield opened


@dataclass
class Ear:
    """Says the same of each voice, and keeps what it heard."""

    sound: list[Samples] = field(default_factory=list)
    speech: list[Span] = field(default_factory=list)

    def __call__(self, audio: Audio, speech: Sequence[Span]) -> tuple[float, ...]:
        self.speech += speech
        self.sound += [audio.window(round(s.start * SAMPLE_RATE), round(s.end * SAMPLE_RATE)) for s in speech]
        return (0.5,) * 256


def test_what_is_heard_is_the_first_speech_without_its_pauses(app: App, two_cities: Path, tmp_path: Path) -> None:
    """A recording of 44 s has more speech than is listened to; a long silence before it counts for nothing."""
    sound, rate = read_wav(two_cities)
    quiet = np.zeros(60 * rate, np.float32)
    late = write_wav(tmp_path / "late.wav", np.concatenate([quiet, sound]), rate)
    ear = Ear()
    voice = speakers.hear(app, late, ear)

    assert (voice.network, voice.heard_s, len(voice.values)) == (EMBEDDING, MOST_S, 256)
    assert ear.speech[0].start > 60
    assert MOST_S <= sum(span.end - span.start for span in ear.speech) < MOST_S + 5  # pauses between words
    assert all(after.start - before.end >= PAUSE_S for before, after in pairwise(ear.speech))
    assert float(np.mean(np.abs(np.concatenate(ear.sound)) < 1e-4)) < 0.2


def test_the_same_recording_is_the_same_sample_under_any_name(app: App, beckett: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.bin"
    copy.write_bytes(beckett.read_bytes())
    first, second = speakers.hear(app, beckett, Ear()), speakers.hear(app, copy, Ear())

    assert first == second
    assert LEAST_S < first.heard_s < 10


def test_the_network_knows_a_person_again_and_another_one_apart(app: App, two_cities: Path, tmp_path: Path) -> None:
    """Two parts of one reader's recording, and what others say."""
    sound, rate = read_wav(two_cities)
    voice_of = speakers.open_listener(app)
    reader, again, others = (
        np.array(speakers.hear(app, path, voice_of).values)
        for path in (
            write_wav(tmp_path / "first.wav", sound[: 15 * rate], rate),
            write_wav(tmp_path / "last.wav", sound[25 * rate :], rate),
            asset("assets/endgame_nagg_nell.wav"),
        )
    )

    assert float(np.linalg.norm(reader)) == pytest.approx(1.0, abs=0.01)
    assert float(reader @ again) > LIKE
    assert float(reader @ others) < LIKE


def cut(seconds: float) -> Callable[[Path, Path], Path]:
    def make(source: Path, folder: Path) -> Path:
        sound, rate = read_wav(source)
        return write_wav(folder / "short.wav", sound[: round(seconds * rate)], rate)

    return make


def silent(_source: Path, folder: Path) -> Path:
    return write_wav(folder / "silent.wav", np.zeros(5 * SAMPLE_RATE, np.float32))


@pytest.mark.parametrize("make", [cut(2.0), silent])
def test_too_little_speech_is_refused_with_the_measure(
    app: App, two_cities: Path, tmp_path: Path, make: Callable[[Path, Path], Path]
) -> None:
    with pytest.raises(TooLittleSpeech, match=r"\d\.\d s of speech in it.* 2 s"):
        speakers.hear(app, make(two_cities, tmp_path), Ear())


def test_what_is_no_recording_is_refused_as_everywhere(app: App, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no sound at all")
    with pytest.raises(NotMedia):
        speakers.hear(app, tmp_path / "notes.txt", Ear())


def test_listening_can_be_stopped(app: App, two_cities: Path) -> None:
    with pytest.raises(Cancelled):
        speakers.hear(app, two_cities, Ear(), lambda: True)
