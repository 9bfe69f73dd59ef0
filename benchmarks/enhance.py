"""What clean-up costs beside the language model: our time over that of a bare client that asks the same questions.

``python -m benchmarks.enhance`` starts a server that speaks the wire of the OpenAI API at a fixed pace, in a process of
its own, and lets it give every line back with a capital and a period. In turns a bare client, which reads no JSON, asks
the very questions that we ask, one after the other, and ``enhance.run`` goes over the transcript, one part at a time,
without cache. What that takes longer is ours: prompt, ``openai`` client, reading, guard, diff.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from urllib.parse import urlsplit

from stenogram.app.outcome import outcome
from stenogram.config import Settings
from stenogram.enhance import run
from stenogram.enhance.chat import OpenAIChat
from stenogram.enhance.endpoint import Endpoint
from stenogram.enhancement import Enhancement, EnhanceOptions, Message
from stenogram.testing import FakeChat, MemoryCache
from stenogram.testing.chat_server import ChatServer
from stenogram.types import Segment, Transcript, Word

TALK = (
    "the people of this town have always said that their river was a road and every house by the water was built "
    "when the old bridge carried more carts than cars so nobody wondered that a market grew there in one summer"
)
LINE = 14
"""Words in a line, as in the segments of a talk."""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--paces", default="50,200,1000", help="tokens per second, separated by commas")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve)
        return
    transcript = spoken(given.words)
    questions = asked(transcript)
    print(
        f"{given.words} words, {len(transcript.segments)} lines, {len(questions)} questions, {os.cpu_count()} cores.\n"
    )
    print("| tokens/s | bare client, s | ours, s | overhead, ms per 1,000 words | of the model's time | our CPU, ms |")
    print("|---|---|---|---|---|---|")
    for pace in map(float, given.paces.split(",")):
        print(measure(transcript, questions, pace, given.rounds))


def measure(transcript: Transcript, questions: Sequence[tuple[list[Message], int]], pace: float, rounds: int) -> str:
    """One row: medians of pairs that were taken in turns."""
    bare, ours, cpu = [], [], []
    with server(pace) as url:
        settings = Settings(llm_base_url=url)
        chat = OpenAIChat(Endpoint.of(settings))
        enhance(chat, spoken(LINE))  # the client is imported, the connection stands
        for _ in range(rounds):
            began = time.perf_counter()
            ask(url, settings.llm_model, questions)
            bare.append(time.perf_counter() - began)
            began, busy = time.perf_counter(), time.process_time()
            found = enhance(chat, transcript)
            ours.append(time.perf_counter() - began)
            cpu.append(time.process_time() - busy)
            if found.kept or not found.changes:
                message = "the edits were not taken: this measures something else"
                raise SystemExit(message)
        chat.close()
    more = median(one - other for one, other in zip(ours, bare, strict=True))
    share = median((one - other) / other for one, other in zip(ours, bare, strict=True))
    scale = 1000 / len(transcript.text.split())
    return (
        f"| {pace:.0f} | {median(bare):.2f} | {median(ours):.2f} | {1000 * more * scale:.0f} | {100 * share:.1f} % "
        f"| {1000 * median(cpu) * scale:.0f} |"
    )


def enhance(chat: OpenAIChat, transcript: Transcript) -> Enhancement:
    """As the product does it, one part at a time so that the model's time is a sum."""
    return outcome(run.enhance(run.Means(chat, MemoryCache(), parallel=1), transcript, EnhanceOptions()))


def ask(url: str, model: str, questions: Sequence[tuple[list[Message], int]]) -> None:
    """Ask, and take what comes, without looking at it."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port)
    for messages, limit in questions:
        body = {"model": model, "messages": messages, "stream": True, "max_tokens": limit, "temperature": 0.3}
        connection.request(
            "POST", f"{where.path}/chat/completions", json.dumps(body), {"Content-Type": "application/json"}
        )
        connection.getresponse().read()
    connection.close()


def asked(transcript: Transcript) -> list[tuple[list[Message], int]]:
    """The questions of a run, with their token limits."""
    chat = FakeChat(lambda _messages: [])
    lines = run.enhance(run.Means(chat, MemoryCache(), parallel=1), transcript, EnhanceOptions())
    assert all(line.doubt == "missing" for line in lines)  # noqa: S101 - nothing was answered
    return [(list(question), limit) for question, limit in zip(chat.questions, chat.limits, strict=True)]


def spoken(words: int) -> Transcript:
    """A talk of so many words, without capitals and punctuation."""
    chance = random.Random(6)
    text = chance.choices(TALK.split(), k=words)
    segments = []
    for number, start in enumerate(range(0, words, LINE)):
        line = text[start : start + LINE]
        timed = tuple(Word(word, start + place, start + place + 0.9) for place, word in enumerate(line))
        segments.append(Segment(number, float(start), float(start + len(line)), " ".join(line), timed))
    return Transcript(tuple(segments), float(words), "en", model="moonshine-tiny-en")


def tidy(messages: Sequence[Message]) -> str:
    """Every line with a capital and a period."""
    return re.sub(r"(?m)^(\[\d+\] )(.*)$", lambda row: f"{row[1]}{row[2].capitalize()}.", messages[-1]["content"])


def serve(pace: float) -> None:
    """The server's process: tells its address, and ends with its standard input."""
    with ChatServer(say=tidy, tokens_per_s=pace) as running:
        print(running.url, flush=True)
        sys.stdin.read()


@contextmanager
def server(pace: float) -> Iterator[str]:
    """A server in a process of its own; gives its address."""
    command = [sys.executable, "-m", "benchmarks.enhance", "--serve", str(pace)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        yield process.stdout.readline().strip()
        process.communicate("")


if __name__ == "__main__":
    main()
