"""Clients of the OpenAI wire that wait: for a queue, for slow work, beside others, for a server that stops.

The server runs in this process, so that its pace can be set; its workers have a slow fake engine.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import uvicorn
from fastapi import FastAPI

from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.job import Job
from stenogram.jobs.supervisor import Supervisor
from stenogram.server import follow
from stenogram.server.asgi import build
from stenogram.server.routes import openai as wire
from stenogram.store import jobs as job_rows
from stenogram.store import schema
from tests.service import CALLER, fake, lines, supervise, until, wait_for

SLOW_S = 0.3
"""For each chunk."""
PATH = "/v1/audio/transcriptions"
Start = Callable[..., Supervisor]


@dataclass
class Here:
    """A server in this process."""

    house: House
    app: FastAPI
    url: str

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=60, trust_env=False)

    def jobs(self) -> Sequence[Job]:
        """All there are, the oldest first."""
        return jobs.listing(self.house, CALLER, job_rows.Filter(), 100, None)[::-1]

    def stored(self) -> list[Path]:
        """The files of the media store."""
        folders = os.walk(self.house.settings.data_dir / "media")  # which does not mind what vanishes meanwhile
        return [Path(at, name) for at, _, names in folders for name in names if not name.endswith(".lock")]


@contextmanager
def served(house: House) -> Iterator[Here]:
    app = build(house)
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, timeout_graceful_shutdown=10)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Here(house, app, f"http://127.0.0.1:{port}")
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """Without workers, and in a hurry to tell that it lives."""
    monkeypatch.setattr(follow, "_LOOK_AGAIN_S", 0.1)
    monkeypatch.setattr(wire, "_PING_S", 0.1)
    settings = Settings(home=str(tmp_path / "home"))
    with House.open(settings, ServerSettings(lease_s=2.0)) as house:
        schema.upgrade(house.db)
        with served(house) as running:
            yield running


@pytest.fixture
def start(here: Here, tmp_path: Path) -> Iterator[Start]:
    """Starts its one worker."""
    with ExitStack() as stack:

        def begin(delay_s: float = SLOW_S) -> Supervisor:
            supervisor = supervise(here.house, fake(tmp_path / "log", delay_s))
            supervisor.start()
            stack.callback(supervisor.stop, 0.5)
            return supervisor

        yield begin


@contextmanager
def streaming(here: Here, recording: Path, **form: str) -> Iterator[Iterator[str]]:
    """The lines of a stream as they come."""
    data = {"model": "whisper-1", "stream": "true", **form}
    with (
        here.client() as http,
        http.stream("POST", PATH, data=data, files={"file": recording.read_bytes()}) as answer,
    ):
        assert answer.status_code == 200
        yield (line for line in answer.iter_lines() if line)


def events(told: Iterator[str]) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in told if line.startswith("data: ")]


class Waiting(threading.Thread):
    """A client that waits for its answer."""

    def __init__(self, here: Here, recording: Path, **form: str) -> None:
        super().__init__()
        self._http = here.client()
        self._form = {"model": "whisper-1", **form}
        self._sound = recording.read_bytes()
        self.answer: httpx2.Response | None = None
        self.start()

    def run(self) -> None:
        with self._http:
            self.answer = self._http.post(PATH, data=self._form, files={"file": self._sound})

    def result(self) -> httpx2.Response:
        self.join(60)
        assert self.answer is not None
        return self.answer


def test_a_stream_is_not_silent_while_it_queues_and_works(here: Here, start: Start, two_cities: Path) -> None:
    """Headers and a comment come at once, then pings, before any worker is there and while it is slow."""
    with streaming(here, two_cities) as told:
        assert next(told).startswith(": job ")
        assert [next(told) for _ in range(3)] == [": ping"] * 3
        start(delay_s=0.5)
        rest = list(told)
    first = next(place for place, line in enumerate(rest) if line.startswith("data: "))
    found = events(iter(rest))

    assert ": ping" in rest[first:]
    assert all(line == ": ping" or line.startswith("data: ") for line in rest)
    assert "".join(event["delta"] for event in found[:-1]) == found[-1]["text"]


def test_a_stream_that_comes_to_work_under_way_or_done_is_whole(here: Here, start: Start, two_cities: Path) -> None:
    start()
    with streaming(here, two_cities) as first:
        until(lambda: next(first).startswith("data: "))
        with streaming(here, two_cities) as second:
            late = events(second)
        list(first)
    with streaming(here, two_cities) as third:
        done = events(third)

    assert len(here.jobs()) == 3
    assert here.jobs()[2].cached
    assert late == done
    assert "".join(event["delta"] for event in done[:-1]) == done[-1]["text"]


def test_a_stream_of_a_job_that_is_cancelled_ends_in_an_error(here: Here, two_cities: Path) -> None:
    with streaming(here, two_cities) as told:
        next(told)
        jobs.cancel(here.house, CALLER, here.jobs()[0].id)
        [failure] = events(told)

    assert set(failure["error"]) == {"message", "type", "param", "code"}
    assert failure["error"]["code"] == "conflict"


def test_a_failure_in_a_stream_names_the_part_like_any_other(here: Here, start: Start, tmp_path: Path) -> None:
    start()
    path = tmp_path / "song.mp3"
    path.write_bytes(b"no sound " * 100)
    with streaming(here, path) as told:
        [failure] = events(told)

    assert failure["error"]["code"] == "not_media"
    assert failure["error"]["param"] == "file"
    assert failure["error"]["type"] == "invalid_request_error"


def test_who_waits_while_the_server_stops_is_told_to_come_back(here: Here, two_cities: Path) -> None:
    """The stream by an event, the other by its status; and the jobs stay, to be joined by whoever comes back."""
    waiting = Waiting(here, two_cities)
    with streaming(here, two_cities) as told:
        next(told)
        until(lambda: len(here.jobs()) == 2)
        here.app.state.stenogram.hub._loop.call_soon_threadsafe(here.app.state.stenogram.hub.close)
        [failure] = events(told)
    answer = waiting.result()

    assert answer.status_code == 503
    assert answer.headers["x-should-retry"] == "true"
    assert int(answer.headers["retry-after"]) > 0
    assert failure == answer.json()
    assert failure["error"]["type"] == "server_error"
    assert [job.state for job in here.jobs()] == ["queued", "queued"]


def test_a_job_goes_on_as_long_as_anybody_waits_for_it_and_no_longer(
    here: Here, start: Start, two_cities: Path, tmp_path: Path
) -> None:
    start(delay_s=1.0)
    with ExitStack() as third_client:
        with ExitStack() as others:
            told = [others.enter_context(streaming(here, two_cities)) for _ in range(2)]
            until(lambda: next(told[0]).startswith("data: "))
            third_client.enter_context(streaming(here, two_cities))
        first, second, third = here.jobs()
        until(lambda: second.id in here.app.state.stenogram.given_up._going_on)
        assert not any(job.finished for job in here.jobs())
    ended = [wait_for(here.house, job) for job in (first, second, third)]

    assert [job.state for job in ended] == ["cancelled"] * 3
    taken = [line for line in lines(tmp_path / "log") if line.startswith("taken")]
    assert len(taken) < 8  # of the ten or so


def test_who_stays_gets_the_whole_although_the_first_one_left(here: Here, start: Start, two_cities: Path) -> None:
    start()
    with streaming(here, two_cities) as told:
        until(lambda: next(told).startswith("data: "))
        staying = Waiting(here, two_cities, response_format="text")
        until(lambda: len(here.jobs()) == 2)
    answer = staying.result()

    assert answer.status_code == 200
    assert answer.text == jobs.transcript(here.house, CALLER, here.jobs()[0].id).text + "\n"


def test_a_client_that_goes_away_while_it_waits_for_a_body_gives_its_job_up(here: Here, two_cities: Path) -> None:
    with here.client() as http, pytest.raises(httpx2.ReadTimeout):
        http.post(PATH, data={"model": "whisper-1"}, files={"file": two_cities.read_bytes()}, timeout=0.5)
    [job] = here.jobs()

    assert wait_for(here.house, job).state == "cancelled"


@pytest.mark.slow
def test_waiting_takes_no_thread(here: Here, beckett: Path) -> None:
    """More wait than there are threads for requests, and everything else is answered."""
    told: list[Iterator[str]] = []  # a stream that nobody holds is closed
    with ExitStack() as stack:
        for _ in range(45):
            told.append(stack.enter_context(streaming(here, beckett)))
            assert next(told[-1]).startswith(": job ")
        with here.client() as http:
            assert http.get("/v1/models").status_code == 200
            assert len(http.get("/api/v1/jobs", params={"state": "queued", "limit": 100}).json()["jobs"]) == 45


def test_only_the_recording_is_kept_of_what_was_sent(here: Here, start: Start, beckett: Path) -> None:
    """Other files go when the request is taken in; when it is refused, all go."""
    sound = beckett.read_bytes()
    with here.client() as http:
        refused = http.post(PATH, data={"model": "none-such"}, files={"file": sound, "cover": b"x" * 100})
        assert not here.stored()
        twice = http.post(PATH, data={"model": "whisper-1"}, files=[("file", sound), ("file", sound)])
        assert not here.stored()
        waiting = threading.Thread(
            target=lambda: http.post(PATH, data={"model": "whisper-1"}, files={"file": sound, "cover": b"x"})
        )
        waiting.start()
        until(here.jobs)
        until(lambda: len(here.stored()) == 1)
        start(delay_s=0.0)
        waiting.join(30)
    until(lambda: not here.stored())

    assert (refused.status_code, twice.status_code) == (404, 400)
    assert twice.json()["error"]["param"] == "file"


def test_names_of_files_need_not_be_ascii_nor_differ(here: Here, start: Start, beckett: Path, two_cities: Path) -> None:
    start(delay_s=0.0)
    name = "Größe «猫» 🙂.mp3"
    with here.client() as http:
        texts = {
            http.post(PATH, data={"model": "whisper-1"}, files={"file": (name, path.read_bytes())}).json()["text"]
            for path in (beckett, two_cities)
        }

    assert len(texts) == 2
    assert {job.filename for job in here.jobs()} == {name}


def test_parts_with_odd_names_are_told_of_in_a_header_that_is_one(here: Here, start: Start, beckett: Path) -> None:
    start(delay_s=0.0)
    with here.client() as http:
        odd = {"Größe": "1", "a\x07b": "2", "猫" * 200: "3"}
        answer = http.post(PATH, data={"model": "whisper-1", **odd}, files={"file": beckett.read_bytes()})

    assert answer.status_code == 200
    assert "Gr\\xf6\\xdfe is ignored" in answer.headers["x-stenogram-warning"]


def test_a_client_retries_what_may_pass_and_nothing_else(
    here: Here, monkeypatch: pytest.MonkeyPatch, beckett: Path
) -> None:
    """Over a limit the client of OpenAI comes again after the time told; what cannot succeed it sends once."""
    monkeypatch.setattr(here.house, "server", ServerSettings(requests_per_minute=1))
    seen: list[int] = []
    http = openai.DefaultHttpxClient(
        trust_env=False, event_hooks={"response": [lambda answer: seen.append(answer.status_code)]}
    )
    with openai.OpenAI(base_url=f"{here.url}/v1", api_key="any", max_retries=1, http_client=http) as client:
        monkeypatch.setattr(client, "_sleep_for_retry", lambda **_: None)
        with pytest.raises(openai.NotFoundError):
            client.audio.transcriptions.create(file=beckett, model="none-such")
        with pytest.raises(openai.RateLimitError) as raised:
            client.audio.transcriptions.create(file=beckett, model="none-such")

    assert seen == [404, 429, 429]
    assert raised.value.type == "rate_limit_error"
    assert raised.value.response.headers["x-should-retry"] == "true"
    assert int(raised.value.response.headers["retry-after"]) > 0


def test_a_stream_counts_as_a_request_under_way_until_it_ends(
    here: Here, monkeypatch: pytest.MonkeyPatch, beckett: Path
) -> None:
    monkeypatch.setattr(here.house, "server", ServerSettings(max_concurrent=1))
    with here.client() as http:
        with streaming(here, beckett) as told:
            next(told)
            assert http.get("/v1/models").status_code == 429
        until(lambda: http.get("/v1/models").status_code == 200)
