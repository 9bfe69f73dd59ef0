"""Clean-up as a job: a real queue and database, worker processes, sockets, and a language-model server of ours."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stenogram.accounts import keys as accounts
from stenogram.accounts.keys import Wish
from stenogram.app import enhancing, jobs
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.enhancement import EnhanceOptions, Message
from stenogram.job import Caller, Job, JobSource, Media
from stenogram.jobs.supervisor import Supervisor
from stenogram.store import claims, enhancements, schema, workers
from stenogram.store import jobs as job_rows
from stenogram.testing.chat_server import ChatServer
from stenogram.types import Segment, Transcript, Word
from tests import scenes
from tests.integration.conftest import serving
from tests.service import CALLER, REAL, fake, submit, supervise, until, wait_for

SAID = ("well i dont know", "she has left", "it costs 20 dollars", "we met at noon")
CLEAN = ("Well i dont know.", "She has left.", "it costs 20 dollars", "We met at noon.")


def corrected(messages: Sequence[Message]) -> str:
    """Each line with a capital and a full stop, and 30 for 20, which no guard lets pass."""
    rows = re.findall(r"^\[(\d+)\] (.*)$", messages[-1]["content"], re.MULTILINE)
    return "\n".join(f"[{number}] {text[0].upper()}{text[1:].replace('20', '30')}." for number, text in rows)


def transcript_of(said: Sequence[str], model: str = "moonshine-tiny-en") -> Transcript:
    found = []
    for place, text in enumerate(said):
        parts = text.split()
        step = 1.0 / len(parts)
        words = tuple(Word(word, place + at * step, place + (at + 1) * step) for at, word in enumerate(parts))
        found.append(Segment(place, float(place), place + 1.0, text, words, speaker="SPEAKER_00"))
    return Transcript(tuple(found), float(len(said)), language="en", model=model)


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer(say=corrected) as server:
        yield server


@dataclass
class Site:
    """A house with tables and the pieces of a service around it."""

    house: House
    chat: ChatServer

    def transcribed(
        self, said: Sequence[str] = SAID, *, owner: str | None = None, source: JobSource = "v1", **options: Any
    ) -> str:
        """A job that has its transcript, ended as its worker would end it."""
        house = self.house
        receiver = house.media.receive("talk.wav")
        receiver.write(b"sound")
        new = job_rows.NewJob(source, receiver.close(), "auto", options, owner=owner)
        transcript = transcript_of(said)
        with house.db.write() as tx:
            job, _ = job_rows.put(tx, new)
            claimed = claims.claim(tx, job.id, "nobody")
            assert claimed is not None
            ended = claims.succeed(tx, claimed[1], transcript, None, cached=False)
            enhancing.follow(house, transcript, tx, ended)
        return job.id

    def begun(self, job_id: str, **options: Any) -> Job:
        return enhancing.submit(self.house, CALLER, job_id, EnhanceOptions(**options)).job

    def over(self, job: Job, *states: str) -> Job:
        def found() -> Job | None:
            now = jobs.find_any(self.house, job.id)
            return now if now.state in (states or ("succeeded", "failed", "cancelled")) else None

        return until(found, 30.0, f"for {job.id}")

    def lines(self, job: Job) -> list[dict[str, Any]]:
        """The lines that were told."""
        return [dict(event.payload) for event in jobs.events_after(self.house, job.id, 0) if event.kind == "line"]


@pytest.fixture
def site(tmp_path: Path, database_url: str, chat: ChatServer) -> Iterator[Site]:
    """Nothing is cleaned up unless a test asks for it."""
    settings = Settings(home=str(tmp_path / "home"), llm_base_url=chat.url, llm_parallel=1, llm_timeout_s=10.0)
    server = ServerSettings(database_url=database_url, lease_s=2.0, enhance="never", min_free_disk_mb=0)
    with House.open(settings, server) as house:
        schema.upgrade(house.db)
        yield Site(house, chat)


@contextmanager
def supervised(house: House, *command: str, speech: int = 0) -> Iterator[Supervisor]:
    """One real worker for chat, and as many for speech."""
    supervisor = supervise(house, command or REAL, workers=speech, chat_workers=1)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop(0.5)


@pytest.fixture
def working(site: Site) -> Iterator[Site]:
    with supervised(site.house):
        yield site


# --- jobs ---


def test_a_transcript_is_cleaned_up_and_stays_as_it_is(working: Site) -> None:
    """Each line is told as it comes; what the guard refuses keeps its original; the same request is done once."""
    site = working
    job_id = site.transcribed()
    job = site.begun(job_id)
    assert site.begun(job_id).id == job.id
    done = site.over(job)

    assert done.state == "succeeded", done.error
    assert (done.parent, done.kind, done.progress) == (job_id, "enhance", 1.0)
    assert "".join(line["chunk"] for line in site.lines(job)) == " ".join(CLEAN)
    report = enhancing.report(site.house, CALLER, job_id)
    assert report.standing.status == "completed"
    assert report.stored is not None
    assert report.stored.enhancement.text == " ".join(CLEAN)
    assert report.stored.enhancement.kept == (2,)
    assert report.transcript == transcript_of(SAID)
    assert report.render().text == " ".join(CLEAN)
    assert len(site.chat.requests) == 1
    assert site.begun(job_id).id == job.id
    again = enhancing.submit(site.house, CALLER, job_id, EnhanceOptions(), again=True)
    assert again.begun
    site.over(again.job)
    assert len(site.chat.requests) == 2  # the cache was not asked
    site.chat.fail("forbidden")
    site.over(enhancing.submit(site.house, CALLER, job_id, EnhanceOptions(), again=True).job)
    report = enhancing.report(site.house, CALLER, job_id)
    assert report.standing.status == "completed"  # with what there is
    assert "in vain" in (report.standing.reason or "")
    assert "403" in (report.standing.reason or "")


@pytest.mark.slow_on("postgresql")
def test_of_two_equal_requests_at_once_the_second_joins(site: Site) -> None:
    job_id = site.transcribed()
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(site.begun(job_id).id)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 4
    assert len(set(found)) == 1


@pytest.mark.slow_on("postgresql")
def test_a_killed_worker_s_job_goes_on_where_it_was(site: Site) -> None:
    """SIGKILL in mid-answer: another worker asks only for what was not told, and no line is told twice."""
    said = [f"line {number} of the talk" for number in range(12)]
    site.chat.tokens_per_s = 10  # so that the kill comes before the end, also on a busy machine
    with supervised(site.house) as supervisor:
        job = site.begun(site.transcribed(said))
        until(lambda: len(site.lines(job)) >= 4)
        [pid] = supervisor.pids()
        os.kill(pid, signal.SIGKILL)
        until(lambda: jobs.find_any(site.house, job.id).attempt == 2)
        site.chat.tokens_per_s = None
        done = site.over(job)

    assert done.state == "succeeded", done.error
    assert done.crashes <= 1
    told = site.lines(job)
    assert [line["segment"] for line in told] == list(range(12))
    assert "".join(line["chunk"] for line in told) == " ".join(f"Line {number} of the talk." for number in range(12))
    second = site.chat.requests[-1].messages[-1]["content"]
    assert "line 0 " not in second
    assert "line 3 " not in second
    assert "line 11 " in second


@pytest.mark.slow_on("postgresql")
def test_an_absent_endpoint_fails_the_job_and_never_the_transcript(site: Site) -> None:
    """With its reason; asked for later it works."""
    house = site.house
    with ChatServer() as gone:
        house.settings = replace(house.settings, llm_base_url=gone.url)
    job_id = site.transcribed(enhance="always")
    [job] = children(house, job_id)
    with supervised(house):
        failed = site.over(job)

        assert (failed.state, failed.error_code) == ("failed", "chat_unavailable")
        standing = enhancing.report(house, CALLER, job_id).standing
        assert (standing.status, standing.error_code) == ("failed", "chat_unavailable")
        assert f"127.0.0.1:{gone.port}" in str(standing.reason)
        assert jobs.find(house, CALLER, job_id).state == "succeeded"
        assert jobs.transcript(house, CALLER, job_id).text == " ".join(SAID)
        with ChatServer(say=corrected, port=gone.port):
            assert site.over(site.begun(job_id)).state == "succeeded"
    assert enhancing.report(house, CALLER, job_id).standing.status == "completed"


def children(house: House, job_id: str) -> list[Job]:
    with house.db.read() as connection:
        return enhancements.jobs_about(connection, [job_id])


@pytest.mark.slow_on("postgresql")
def test_the_lanes_do_not_wait_for_each_other(site: Site, tmp_path: Path, two_cities: Path, beckett: Path) -> None:
    """A language model that says nothing holds up no recording, and a long recording no clean-up."""
    house = site.house
    with supervised(house, *fake(tmp_path / "log", 0.5), speech=1):
        site.chat.fault = "silent"
        stuck = site.begun(site.transcribed())
        until(lambda: site.chat.generating == 1)
        assert wait_for(house, submit(house, beckett), timeout_s=30).state == "succeeded"
        assert jobs.find_any(house, stuck.id).state == "running"

        enhancing.cancel(house, CALLER, str(stuck.parent))
        assert site.over(stuck).state == "cancelled"
        until(lambda: site.chat.stopped == 1)
        site.chat.fault = None
        long = submit(house, two_cities)
        wait_for(house, long, "running")
        assert site.over(site.begun(site.transcribed(["one more"]))).state == "succeeded"
        assert jobs.find(house, CALLER, long.id).state == "running"


def test_users_figures_are_of_recordings_and_each_lane_has_its_own_queue(site: Site) -> None:
    """Nothing that lists, counts or estimates takes a clean-up for a recording, or its worker for one that computes."""
    house = site.house
    parent = site.transcribed()
    waiting = [site.begun(parent, kind=kind) for kind in ("clean", "summary")]
    with house.db.write() as tx:
        workers.register(tx, "c", "here", 1, "chat")
        workers.tell(tx, "c", "idle")
        recording, _ = job_rows.put(tx, job_rows.NewJob("v1", Media("a.wav", "11" * 32, 1, "a.wav"), "auto", {}))
    with house.db.read() as connection:
        assert job_rows.counts(connection)["queued"] == 1
        assert list(job_rows.owners(connection, "queued")) == [recording.id]
        assert job_rows.ids(connection, "queued", None, everybody=True) == [recording.id]
        assert claims.next_id(connection, "speech") == recording.id
        assert claims.next_id(connection, "chat") == waiting[0].id
        found = job_rows.find(connection, recording.id)
        assert found is not None
        assert (found.position, found.wait_s) == (1, None)  # nobody is there to start it
        second = job_rows.find(connection, waiting[1].id)
        assert second is not None
        assert second.position == 2
    listed = jobs.listing(house, CALLER, job_rows.Filter(), 50, None)
    assert {job.id for job in listed} == {parent, recording.id}
    with pytest.raises(Exception, match="No job"):
        jobs.find(house, CALLER, waiting[0].id)
    with scenes.serving(house) as url, httpx2.Client(base_url=url, trust_env=False) as http:
        assert until(lambda: http.get("/health").json()["state"] not in (None, "starting"))
        assert http.get("/health").json()["state"] == "no_worker"
        assert http.get("/queue").json() == {"status": "busy", "queued": [recording.id], "running": []}
        state = http.get("/dashboard/state").json()
        assert [worker["id"] for worker in state["workers"]] == []
        assert [worker["id"] for worker in state["chat_workers"]] == ["c"]
        assert http.get("/status", params={"job_id": waiting[0].id}).status_code == 404


@pytest.mark.slow_on("postgresql")
def test_deleting_the_job_deletes_what_was_made_of_it(working: Site) -> None:
    """What is under way is given up: the model stops."""
    site = working
    job_id = site.transcribed()
    done = site.begun(job_id)
    site.over(done)
    site.chat.fault = "silent"
    running = site.begun(job_id, kind="translation")
    until(lambda: site.chat.generating == 1)
    jobs.delete(site.house, CALLER, job_id)

    until(lambda: site.chat.stopped == 1)
    with site.house.db.read() as connection:
        assert enhancements.find(connection, done.id) is None
        assert enhancements.jobs_about(connection, [job_id]) == []
        assert job_rows.find(connection, running.id) is None
        assert jobs.events_after(site.house, running.id, 0) == []


def test_the_policy_decides_with_the_transcript(site: Site) -> None:
    """R24: small models are cleaned up by themselves; the reason why others are not is kept."""

    def status(job_id: str) -> tuple[str, str | None]:
        standing = enhancing.report(site.house, CALLER, job_id).standing
        return standing.status, standing.reason

    assert status(site.transcribed(enhance="auto"))[0] == "pending"
    assert status(site.transcribed(enhance="always"))[0] == "pending"
    skipped = status(site.transcribed())
    assert skipped[0] == "skipped"
    assert "off" in str(skipped[1])
    nothing = status(site.transcribed([], enhance="always"))
    assert nothing == ("skipped", "Nothing was said in the recording.")
    other = status(site.transcribed(source="openai", enhance="always"))
    assert other[0] == "skipped"
    standing = enhancing.standings(site.house, [jobs.find(site.house, CALLER, site.transcribed())])
    assert [each.status for each in standing.values()] == ["skipped"]


def test_nothing_is_put_in_where_no_worker_will_ever_come(site: Site) -> None:
    """A service without workers of its own starts none for clean-up either."""
    lonely = replace(site.house, server=replace(site.house.server, worker_devices="none"))
    job_id = Site(lonely, site.chat).transcribed(enhance="always")

    standing = enhancing.report(lonely, CALLER, job_id).standing
    assert standing.status == "skipped"
    assert "No worker" in str(standing.reason)


# --- over HTTP ---


@pytest.fixture
def http(working: Site) -> Iterator[httpx2.Client]:
    with scenes.serving(working.house) as url, httpx2.Client(base_url=url, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """One service for all tests that need no database of their own, on SQLite; gives its address too."""
    with ChatServer() as chat:
        settings = Settings(
            home=str(tmp_path_factory.mktemp("home")), llm_base_url=chat.url, llm_parallel=1, llm_timeout_s=10.0
        )
        server = ServerSettings(lease_s=2.0, enhance="never", min_free_disk_mb=0)
        with House.open(settings, server) as house:
            schema.upgrade(house.db)
            with supervised(house), scenes.serving(house) as url:
                yield Site(house, chat), url


@pytest.fixture
def shared(hall: tuple[Site, str]) -> Site:
    """Its language model as new."""
    chat = hall[0].chat
    chat.say, chat.fault, chat.tokens_per_s, chat.stopped = corrected, None, None, 0
    chat.models = ("mistral:7b-instruct",)
    chat.requests.clear()
    return hall[0]


@pytest.fixture
def client(hall: tuple[Site, str]) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=hall[1], timeout=30, trust_env=False) as opened:
        yield opened


def frames(answer: httpx2.Response) -> list[dict[str, Any]]:
    """The data of every frame."""
    return [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line.startswith("data: ")]


def path(job_id: str, last: str = "enhance") -> str:
    return f"/api/v1/transcriptions/{job_id}/{last}"


@pytest.mark.slow_on("postgresql")
def test_the_stream_brings_the_text_and_ends_with_the_whole(working: Site, http: httpx2.Client) -> None:
    """All chunks joined are the enhanced text; GET gives the same to who comes later, once."""
    job_id = working.transcribed()
    with http.stream("POST", path(job_id, "enhance-stream")) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = frames(answer)
    whole = " ".join(CLEAN)

    assert told[-1] == {"done": True, "llm_enhancement_status": "completed", "enhanced_text": whole}
    assert "".join(frame["chunk"] for frame in told[:-1]) == whole
    assert len(told) == len(CLEAN) + 1
    later = http.get(path(job_id, "enhance-stream"))
    assert frames(later) == told
    ids = [line.removeprefix("id: ") for line in later.text.splitlines() if line.startswith("id: ")]
    resumed = http.get(path(job_id, "enhance-stream"), headers={"last-event-id": ids[1]})
    assert frames(resumed) == told[2:]
    assert http.get(path(job_id, "enhance-stream"), headers={"last-event-id": ids[-1]}).status_code == 204
    assert frames(http.get(path(job_id, "enhance-stream"), headers={"last-event-id": "other.7"})) == told
    assert frames(http.post(path(job_id, "enhance-stream"))) == told
    assert len(working.chat.requests) == 1

    view = http.get(f"/api/v1/transcriptions/{job_id}").json()
    assert (view["text"], view["enhanced_text"]) == (" ".join(SAID), whole)
    assert view["llm_enhancement_status"] == "completed"
    assert http.get(f"/api/v1/jobs/{job_id}").json()["llm_enhancement_status"] == "completed"
    [listed] = http.get("/api/v1/jobs").json()["jobs"]
    assert listed["llm_enhancement_status"] == "completed"


def test_a_get_never_starts_anything(shared: Site, client: httpx2.Client) -> None:
    job_id = shared.transcribed()
    assert client.get(path(job_id, "enhance-stream")).status_code == 204
    assert client.get(path(job_id, "enhancement")).json()["llm_enhancement_status"] == "skipped"
    assert client.get(path(job_id, "enhancement"), params={"kind": "summary"}).json()["enhanced_text"] is None
    assert client.get(path("nothing", "enhance-stream")).status_code == 404
    assert children(shared.house, job_id) == []
    assert shared.chat.requests == []


def test_closing_the_stream_that_began_the_work_ends_it(shared: Site, client: httpx2.Client) -> None:
    """The endpoint sees it; who only follows ends nothing, nor does a close where somebody else wants the same."""
    chat = shared.chat
    chat.tokens_per_s = 20
    job_id = shared.transcribed([f"line {number} of the talk" for number in range(20)])
    with client.stream("POST", path(job_id, "enhance-stream")) as answer:
        rows = answer.iter_lines()
        assert any(row.startswith("data: ") for row in rows)
        with client.stream("GET", path(job_id, "enhance-stream")) as follower:
            assert any(row.startswith("data: ") for row in follower.iter_lines())
        assert chat.stopped == 0
    until(lambda: chat.stopped == 1, 10)
    [job] = children(shared.house, job_id)
    assert shared.over(job).state == "cancelled"
    last = frames(client.get(path(job_id, "enhance-stream")))[-1]
    assert last["error"]["code"] == "cancelled"
    assert last["llm_enhancement_status"] == "failed"

    chat.fault = "silent"
    with client.stream("POST", path(job_id, "enhance-stream")) as answer:
        rows = answer.iter_lines()
        next(rows)
        until(lambda: chat.generating == 1)
        assert client.post(path(job_id)).status_code == 202
    time.sleep(1.0)
    assert (chat.stopped, chat.generating) == (1, 1)
    client.delete(path(job_id)).raise_for_status()
    until(lambda: chat.stopped == 2, 10)


def test_a_call_ends_it_too(shared: Site, client: httpx2.Client) -> None:
    shared.chat.fault = "silent"
    job_id = shared.transcribed()
    assert client.delete(path(job_id)).status_code == 409
    begun = client.post(path(job_id), json={})
    assert begun.status_code == 202
    assert begun.json()["llm_enhancement_status"] in {"pending", "processing"}
    until(lambda: shared.chat.generating == 1)
    assert client.delete(path(job_id)).status_code == 200
    until(lambda: shared.chat.stopped == 1, 10)
    view = until(lambda: ended(client, job_id))
    assert view["error"]["code"] == "cancelled"
    shared.chat.fault = None
    client.post(path(job_id))
    assert until(lambda: ended(client, job_id, "completed"))["enhanced_text"] == " ".join(CLEAN)


def ended(http: httpx2.Client, job_id: str, *statuses: str) -> dict[str, Any] | None:
    view: dict[str, Any] = http.get(path(job_id, "enhancement")).json()
    return view if view["llm_enhancement_status"] in (statuses or ("completed", "failed")) else None


def test_changes_are_taken_back_and_accepted_one_by_one(shared: Site, client: httpx2.Client) -> None:
    """None of them gives the original to the letter, in every format."""
    job_id = shared.transcribed()
    assert client.patch(path(job_id, "enhancement"), json={"revert": "all"}).status_code == 409
    assert client.get(f"/api/v1/transcriptions/{job_id}", params={"enhanced": True}).status_code == 409
    client.post(path(job_id), json={"again": True})  # other tests had the same text cleaned up: it is known
    view = until(lambda: ended(client, job_id))
    assert view["text_with_accepted"] == view["enhanced_text"] == " ".join(CLEAN)
    assert [(kept["segment"], kept["reason"]) for kept in view["kept"]] == [(2, "numbers")]
    assert view["usage"]["completion_tokens"] > 0
    assert (view["model"], view["language"]) == ("mistral:7b-instruct", "en")
    first = view["changes"][0]
    assert (first["segment"], first["before"], first["accepted"]) == (0, "well", True)

    view = client.patch(path(job_id, "enhancement"), json={"revert": [first["id"]]}).json()
    assert view["text_with_accepted"] == " ".join(CLEAN).replace("Well", "well", 1)
    assert view["enhanced_text"] == " ".join(CLEAN)
    assert [change["accepted"] for change in view["changes"]][:2] == [False, True]
    srt = client.get(f"/api/v1/transcriptions/{job_id}", params={"enhanced": True, "format": "srt"}).text
    assert "well i dont know." in srt
    assert "She has left." in srt
    full = client.get(f"/api/v1/transcriptions/{job_id}", params={"enhanced": True}).json()
    assert full["text"] == view["text_with_accepted"]

    view = client.patch(path(job_id, "enhancement"), json={"revert": "all"}).json()
    assert view["text_with_accepted"] == " ".join(SAID)
    view = client.patch(path(job_id, "enhancement"), json={"accept": [first["id"]]}).json()
    assert view["text_with_accepted"] == " ".join(SAID).replace("well", "Well", 1)
    assert client.patch(path(job_id, "enhancement"), json={"revert": [99]}).status_code == 404
    wrong = {"revert": [first["id"]], "accept": "all"}
    assert client.patch(path(job_id, "enhancement"), json=wrong).status_code == 400


def test_other_kinds_are_beside_the_clean_text(shared: Site, client: httpx2.Client) -> None:
    shared.chat.say = lambda _messages: '{"title": "A talk"}'
    job_id = shared.transcribed()
    told = frames(client.post(path(job_id, "enhance-stream"), json={"kind": "title"}))
    assert told == [
        {
            "done": True,
            "llm_enhancement_status": "completed",
            "enhanced_text": "",
            "document": {"title": "A talk"},
        }
    ]
    view = client.get(path(job_id, "enhancement"), params={"kind": "title"}).json()
    assert (view["document"], view["enhanced_text"]) == ({"title": "A talk"}, None)
    assert client.get(f"/api/v1/transcriptions/{job_id}").json()["enhanced_text"] is None

    shared.chat.say = lambda messages: re.sub(r"(?m)^(\[\d+\] ).*$", r"\1Bonjour.", messages[-1]["content"])
    client.post(path(job_id, "enhance-stream"), json={"kind": "translation", "target_language": "French"})
    translated: dict[str, Any] = {"enhanced": True, "kind": "translation", "target_language": "fr"}
    vtt = client.get(f"/api/v1/transcriptions/{job_id}", params={**translated, "format": "vtt"}).text
    assert vtt.count("Bonjour.") == 3  # a number must stay
    assert "00:00:03.000 --> 00:00:04.000" in vtt
    clean: dict[str, Any] = {"kind": "clean", "target_language": "de"}
    for wish in ({"kind": "poem"}, {"kind": "translation", "target_language": "Klingonese"}, clean):
        assert client.post(path(job_id), json=wish).status_code == 400


def test_a_silent_endpoint_holds_nobody_else_up(tmp_path: Path) -> None:
    """Each question about it waits for seconds; the threads for everything else stay free."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}/v1"
        settings = Settings(home=str(tmp_path), llm_base_url=address)
        with House.open(settings, ServerSettings(min_free_disk_mb=0)) as house:
            schema.upgrade(house.db)
            with (
                scenes.serving(house) as url,
                httpx2.Client(base_url=url, timeout=60, trust_env=False) as client,
                ThreadPoolExecutor(15) as pool,
            ):
                asked = [pool.submit(client.get, "/api/v1/llm") for _ in range(15)]
                held = [mute.accept()[0] for _ in range(2)]
                assert client.get("/api/v1/jobs").status_code == 200
                assert not any(one.done() for one in asked)
                for each in (mute, *held):
                    each.close()


def test_whether_the_model_is_there(shared: Site, client: httpx2.Client) -> None:
    state = client.get("/api/v1/llm").json()
    assert (state["ready"], state["answers"], state["has_model"]) == (True, True, True)
    shared.chat.models = ("another",)
    state = client.get("/api/v1/llm").json()
    assert (state["ready"], state["has_model"], state["models"]) == (False, False, ["another"])
    assert state["advice"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.slow_on("postgresql")
def test_metrics_tell_what_it_cost(working: Site, http: httpx2.Client) -> None:
    site = working

    def told() -> dict[str, float]:
        rows = [row.rpartition(" ") for row in http.get("/metrics").text.splitlines() if row[0] != "#"]
        return {re.sub(r',?worker="[^"]*"', "", name).replace("{}", ""): float(value) for name, _, value in rows}

    site.over(site.begun(site.transcribed(["these words are new", "it costs 20 dollars"])))
    site.chat.fault = "forbidden"
    site.over(site.begun(site.transcribed(["something else"])))
    failed = 'stenogram_enhancements_total{outcome="failed"}'
    figures = until(lambda: now if (now := told()).get(failed) else None, 10)

    assert figures[failed] == 1
    assert figures['stenogram_enhancements_total{outcome="completed"}'] == 1
    assert figures["stenogram_enhancement_lines_total"] == 2
    assert figures["stenogram_enhancement_lines_kept_total"] == 1
    assert figures['stenogram_enhancement_tokens_total{kind="completion"}'] == 10
    assert figures['stenogram_enhancement_tokens_total{kind="prompt"}'] > 9
    assert figures["stenogram_enhancement_tokens_per_second"] > 0
    assert figures["stenogram_enhancement_first_token_seconds"] >= 0
    assert figures['stenogram_jobs{state="queued"}'] == 0


def test_what_is_another_s_is_not_there(site: Site) -> None:
    """Every route answers for another's transcript as for one that never was; who may only read starts nothing."""
    house = site.house
    secrets = {
        owner: accounts.create(house.db, Wish(owner, scopes=(scope,)))[0]
        for owner, scope in (("anna", "transcribe"), ("bert", "transcribe"), ("eye", "read"))
    }
    mine = site.transcribed(owner="anna")
    enhancing.submit(house, Caller("anna", admin=False), mine, EnhanceOptions())
    routes: list[tuple[str, str, Any]] = [
        ("POST", path(mine), {}),
        ("DELETE", path(mine), None),
        ("GET", path(mine, "enhancement"), None),
        ("PATCH", path(mine, "enhancement"), {"revert": "all"}),
        ("POST", path(mine, "enhance-stream"), {}),
        ("GET", path(mine, "enhance-stream"), None),
        ("GET", f"/api/v1/transcriptions/{mine}?enhanced=true", None),
    ]
    with scenes.serving(house) as url, httpx2.Client(base_url=url, timeout=30, trust_env=False) as http:
        for method, where, body in routes:
            for secret, status in ((secrets["bert"], 404), ("", 401)):
                answer = http.request(method, where, json=body, headers={"x-api-key": secret})
                assert answer.status_code == status, (method, where, answer.text)
            absent = http.request(
                method, where.replace(mine, "absent"), json=body, headers={"x-api-key": secrets["bert"]}
            )
            assert absent.status_code == 404
            if method != "GET":
                answer = http.request(method, where, json=body, headers={"x-api-key": secrets["eye"]})
                assert answer.status_code == 403
        own = http.get(path(mine, "enhancement"), headers={"x-api-key": secrets["anna"]})
        assert own.json()["llm_enhancement_status"] == "pending"
    assert len(children(house, mine)) == 1


def test_a_recording_comes_out_clean_with_the_service_as_it_is_started(
    tmp_path: Path, beckett: Path, chat: ChatServer
) -> None:
    """The built-in model is a small one: its text is cleaned up without being asked for, unless the job says no."""
    with (
        serving(
            tmp_path / "home", "--shutdown-grace-s", "1", STENOGRAM_LLM_WORKERS="1", LLM_BASE_URL=chat.url
        ) as server,
        server.client() as http,
    ):
        file = {"file": ("talk.wav", beckett.read_bytes())}
        [job] = http.post("/api/v1/jobs", files=file).json()["jobs"]
        assert job["llm_enhancement_status"] == "pending"
        view = until(lambda: ended_quietly(http, job["id"]))
        assert view["llm_enhancement_status"] == "completed", view
        assert view["enhanced_text"]
        for form in ({"enable_llm_enhancement": "false"}, {"enhance": "never"}):
            [off] = http.post("/api/v1/jobs", files=file, data=form).json()["jobs"]
            assert (off["state"], off["llm_enhancement_status"]) == ("succeeded", "skipped")
        [twin] = http.post("/api/v1/jobs", files=file).json()["jobs"]
        assert twin["cached"]
        assert until(lambda: ended_quietly(http, twin["id"]))["enhanced_text"] == view["enhanced_text"]
        assert len(chat.requests) == 1  # what was answered is known
        for form in ({"enable_llm_enhancement": "perhaps"}, {"enhance": "sometimes"}):
            answer = http.post("/api/v1/jobs", files=file, data=form)
            assert answer.json()["error"]["param"] == next(iter(form))
        with suppress(httpx2.HTTPError):
            assert http.get("/health").json()["status"] == "ready"


def ended_quietly(http: httpx2.Client, job_id: str) -> dict[str, Any] | None:
    """Also while there is no transcript yet."""
    answer = http.get(path(job_id, "enhancement"))
    answer.raise_for_status()
    return ended(http, job_id)
