"""What it costs to open and to save a long transcript: python -m benchmarks.documents [database URL].

Three hours, 2,500 segments of twelve words with times, probabilities and speakers, as an engine gives them. CPU time of
this process, the least of seven rounds; the search index is written with each save.
"""

from __future__ import annotations

import gzip
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stenogram.app import documents, enhancing
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.enhance.edit import Edit, Passage
from stenogram.job import Caller, Media
from stenogram.server.documents import document_json, saved_json
from stenogram.store import claims, jobs, schema
from stenogram.store.database import Database
from stenogram.types import Segment, SpeakerTurn, Transcript, Word

SEGMENTS, WORDS, VOCABULARY, ROUNDS = 2500, 12, 8000, 7
CALLER = Caller()


def transcript() -> Transcript:
    """Three hours."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghiklmnoprstuvw", k=chance.randint(2, 10))) for _ in range(VOCABULARY)]
    segments = []
    for number in range(SEGMENTS):
        speaker, start = f"SPEAKER_0{number % 3}", number * 4.32
        said = [chance.choice(words) for _ in range(WORDS)]
        timed = tuple(
            Word(word, round(start + at * 0.36, 3), round(start + at * 0.36 + 0.3, 3), chance.random(), speaker=speaker)
            for at, word in enumerate(said)
        )
        tokens = tuple(chance.choices(range(50_000), k=WORDS * 3 // 2))
        segments.append(Segment(number, start, timed[-1].end, " ".join(said), timed, tokens, speaker=speaker))
    turns = tuple(SpeakerTurn(segment.start, segment.end, str(segment.speaker)) for segment in segments)
    return Transcript(tuple(segments), SEGMENTS * 4.32, "en", model="invented", turns=turns, diarizer="invented")


def least_ms(work: Callable[[], object]) -> float:
    """CPU time of one round, milliseconds."""
    spent = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent) * 1000


def main() -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(folder) / 'stenogram.db'}"
        db = Database.open(url)
        schema.upgrade(db)
        db.close()
        server = ServerSettings(database_url=url, min_free_disk_mb=0)
        with House.open(Settings(home=folder), server) as house:
            measure(house)


def measure(house: House) -> None:
    """Print what each step costs."""
    with house.db.write() as tx:
        job, _ = jobs.put(tx, jobs.NewJob("v1", Media("file:///x", "d", 1, "talk.wav"), "auto", {}))
    found = transcript()
    with house.db.write() as tx:
        claimed = claims.claim(tx, job.id, "w")
        if claimed is None:
            raise SystemExit("the job is not there")
        claims.succeed(tx, claimed[1], found, None, cached=False)
    edits = [
        [Edit((number,), (Passage("Somebody said something else here", keep_speaker=True),))] for number in range(9)
    ]
    every = [Edit((segment.id,), (Passage(f"So {segment.text}", keep_speaker=True),)) for segment in found.segments]

    def save(wish: list[Edit]) -> bytes:
        base = documents.read(house, CALLER, job.id).version if not heads else heads[-1]
        saved = documents.save(house, CALLER, job.id, base, wish)
        heads.append(saved.version.number)
        return saved_json(saved, wish)

    heads: list[int] = []
    document = documents.read(house, CALLER, job.id)
    standing = enhancing.standings(house, [document.job])[job.id]
    body = document_json(document, standing)
    print(f"{len(found.words)} words; the document has {len(body) / 2**20:.1f} MiB")
    print(f"compressed as it is sent: {len(gzip.compress(body, 1)) / 2**20:.1f} MiB\n\n| step | CPU, ms |\n|---|---:|")
    print(f"| read from the database | {least_ms(lambda: documents.read(house, CALLER, job.id)):.0f} |")
    print(f"| write as JSON | {least_ms(lambda: document_json(document, standing)):.0f} |")
    print(f"| compress | {least_ms(lambda: gzip.compress(body, 1)):.0f} |")
    print(f"| save one corrected segment | {least_ms(lambda: save(edits[len(heads) % 9])):.0f} |")
    print(f"| save all {SEGMENTS} segments, as find and replace does | {least_ms(lambda: save(every)):.0f} |")


if __name__ == "__main__":
    main()
