"""How long a search of the library takes: python -m benchmarks.search [recordings] [database URL].

Fills a database with invented transcripts of one hour (1,000 segments of nine words, words as often as in any language:
Zipf's law) and asks for a page of fifty with the total: words of every frequency, a phrase, and words by one letter.
"""

from __future__ import annotations

import itertools
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from stenogram.job import Media
from stenogram.store import claims, jobs, library, schema
from stenogram.store.database import Database
from stenogram.store.library import Wanted, Whose
from stenogram.store.query import parse
from stenogram.types import Segment, Transcript

SEGMENTS, WORDS, VOCABULARY, ROUNDS = 1000, 9, 40_000, 7
SYLLABLES = ["ka", "to", "si", "lu", "ma", "no", "de", "ри", "не", "ста", "по", "вод", "ве", "на", "era", "им"]


def vocabulary() -> list[str]:
    """Words of one syllable, then of two and more, each once: the commonest first."""
    lengths = itertools.count(1)
    every = ("".join(each) for length in lengths for each in itertools.product(SYLLABLES, repeat=length))
    return list(itertools.islice(every, VOCABULARY))


def transcript(chance: random.Random, words: list[str], weights: list[float]) -> Transcript:
    """An hour."""
    said = chance.choices(words, cum_weights=weights, k=SEGMENTS * WORDS)
    texts = (" ".join(said[at : at + WORDS]) for at in range(0, len(said), WORDS))
    segments = (Segment(at, at * 3.6, at * 3.6 + 3.5, text) for at, text in enumerate(texts))
    return Transcript(tuple(segments), 3600.0, "ru", model="invented")


def fill(db: Database, count: int, words: list[str], chance: random.Random) -> float:
    """Mean CPU milliseconds that it takes to end a job with its transcript."""
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(words) + 1)))
    spent = 0.0
    for number in range(count):
        found = transcript(chance, words, weights)
        with db.write() as tx:
            job, _ = jobs.put(tx, jobs.NewJob("v1", Media("file:///x", "d", 1, f"talk {number}.wav"), "auto", {}))
        began = time.process_time()
        with db.write() as tx:
            claims.answer(tx, job.id, found, b"")
        spent += time.process_time() - began
    return spent / count * 1000


def main() -> None:
    """Measure, and print a table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    chance = random.Random(1)
    words = vocabulary()
    with tempfile.TemporaryDirectory() as folder:
        db = Database.open(sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{Path(folder) / 'stenogram.db'}")  # noqa: PLR2004
        schema.upgrade(db)
        print(f"{count} recordings of one hour; to end one: {fill(db, count, words, chance):.0f} ms of CPU")
        print(f"database: {sum(path.stat().st_size for path in Path(folder).iterdir()) / 2**20:.0f} MiB")
        common, rare = words[0], words[20_000]
        queries = {
            "no query": "",
            "the commonest word": common,
            "a word of middle frequency": words[500],
            "a rare word": rare,
            "three words": f"{words[3]} {words[300]} {words[3000]}",
            "one letter": "в",
            "a phrase of common words": f'"{words[1]} {words[2]}"',
            "a phrase of rarer words": f'"{words[100]} {words[200]}"',
            "a word that is nowhere": "zzz",
        }
        print("\n| query | found | CPU, ms | median, ms | slowest, ms |\n|---|---:|---:|---:|---:|")
        for name, query in queries.items():
            took, total, cpu = [], 0, time.process_time()
            for _ in range(ROUNDS):
                began = time.perf_counter()
                with db.read() as connection:
                    total = library.listing(connection, Whose(None), Wanted(terms=parse(query))).total
                took.append((time.perf_counter() - began) * 1000)
            cpu = (time.process_time() - cpu) / ROUNDS * 1000
            print(f"| {name} | {total} | {cpu:.0f} | {statistics.median(took):.0f} | {max(took):.0f} |")
        db.close()


if __name__ == "__main__":
    main()
