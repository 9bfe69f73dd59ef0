"""Transcribe and Library in a real browser, over the real server and its database; the real model where it matters."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from stenogram.app.house import House
from stenogram.store import claims, events, jobs, results
from stenogram.store.tables import jobs as job_table
from stenogram.types import Segment, SpeakerTurn, Transcript
from tests import scenes
from tests.browser import shots, violations
from tests.service import supervise

pytestmark = pytest.mark.slow
_LINES = ("We decided to raise the budget.", "Ёлка стояла в углу.", "Nobody asked about the archive 🎄 and its budget.")


@pytest.fixture
def working(house: House) -> Iterator[None]:
    """A worker with the real default model."""
    supervisor = supervise(house)
    supervisor.start()
    yield
    supervisor.stop(1.0)


def keep(house: House, filename: str, state: str = "succeeded", age_s: float = 0.0, **values: object) -> str:
    """A recording in the library, as if it had been transcribed so long ago; gives the job's id."""
    receiver = house.media.receive(filename)
    receiver.write(b"sound")
    media = receiver.close()
    with house.db.write() as tx:
        job, _ = jobs.put(tx, jobs.NewJob("v1", media, "auto", {}))
        if state == "succeeded":
            segments = tuple(Segment(i, 4.0 * i, 4.0 * i + 3, line, speaker="Ann") for i, line in enumerate(_LINES))
            found = Transcript(segments, 12.0, language="en", model="moonshine-tiny-en", turns=(SpeakerTurn(0, 11, "Ann"),))
            claims.answer(tx, job.id, found, results.pack(found))
        else:
            values = {"state": state, **values}
        at = time.time() - age_s
        change = job_table.update().where(job_table.c.id == job.id).values(created_at=at, **values)
        tx.connection.execute(change)
    return job.id


def finish(house: House, job_id: str, transcript: Transcript) -> None:
    """As if a worker had come to the end of it."""
    with house.db.write() as tx:
        scenes.set_state(tx, job_id, "queued")
        claims.answer(tx, job_id, transcript, results.pack(transcript))


def work(page: Page, name: str) -> Locator:
    """The card of a recording."""
    return page.locator(".work").filter(has=page.locator(".work-name", has_text=name))


def send(page: Page, *paths: Path) -> None:
    page.locator("#files").set_input_files(list(paths))


def job_ids(page: Page, url: str) -> list[str]:
    return [job["id"] for job in page.request.get(f"{url}/api/v1/jobs").json()["jobs"]]


def asks_before_leaving(page: Page) -> bool:
    return bool(page.evaluate("!dispatchEvent(new Event('beforeunload', {cancelable: true}))"))


# --- Transcribe ---


@pytest.mark.usefixtures("working")
def test_from_a_file_to_its_text_and_the_link(page: Page, url: str, two_cities: Path, tmp_path: Path) -> None:
    """Sent, transcribed by the real model, its text on the page; the same once more is known at once, and said so."""
    page.goto(f"{url}/app")
    expect(page.get_by_role("heading", name="Your first transcript starts here")).to_be_visible()
    send(page, two_cities)

    card = work(page, "two_cities.wav")
    expect(card.locator(".badge")).to_have_text("Done", timeout=60_000)
    expect(card.locator(".live-text")).to_contain_text("it was the worst of times")
    expect(card.locator(".said time").first).to_have_text(re.compile(r"^0:0\d$"))
    [job_id] = job_ids(page, url)
    expect(card.get_by_role("link", name="Open transcript")).to_have_attribute("href", f"/app/t/{job_id}")
    page.screenshot(path=shots(tmp_path) / "transcribe-done.png")
    send(page, two_cities)
    expect(page.locator(".work")).to_have_count(2)
    expect(page.locator(".work-known:visible")).to_contain_text("Known from before")


def test_a_reload_loses_nothing(page: Page, house: House, url: str, beckett: Path) -> None:
    """It waits, with its place; after a reload its text goes on arriving, and the end is told."""
    page.goto(f"{url}/app")
    send(page, beckett)
    expect(work(page, "beckett.wav").locator(".work-facts")).to_contain_text("next in the queue")
    [job_id] = job_ids(page, url)
    first = {"id": 0, "start": 0, "end": 3, "text": "Ever tried.", "speaker": None}
    with house.db.write() as tx:
        events.add(tx, job_id, 1, [("segment", first)])
    expect(work(page, "beckett.wav").locator(".said")).to_have_text("0:00Ever tried.")

    page.reload()

    card = work(page, "beckett.wav")
    expect(card.locator(".said")).to_have_text("0:00Ever tried.")
    with house.db.write() as tx:
        scenes.set_state(tx, job_id, "running")
        told = {"state": "running"}
        progress = {"stage": "transcribe", "progress": 0.42, "duration": 10.0}
        events.add(tx, job_id, 1, [("state", told), ("stage", progress), ("segment", {**first, "id": 1, "start": 5})])
    bar = card.get_by_role("progressbar", name="Transcription")
    expect(bar).to_have_attribute("aria-valuetext", "Transcribing · 42 %")
    expect(card.locator(".said")).to_have_count(2)
    spoken = (Segment(0, 0, 3, "Ever tried.", speaker="Ann"),)
    transcript = Transcript(spoken, 10.0, turns=(SpeakerTurn(0, 3, "Ann"),), diarizer="built-in")
    finish(house, job_id, transcript)
    expect(card.locator(".badge")).to_have_text("Done")
    expect(card.locator(".said")).to_have_count(1)
    expect(card.locator(".said")).to_have_text("0:00Ann: Ever tried.")
    page.reload()
    expect(work(page, "beckett.wav").get_by_role("link", name="Open transcript")).to_be_visible()


def test_uploads_tell_how_far_they_are_and_can_be_cancelled(page: Page, url: str, tmp_path: Path) -> None:
    """One after the other, with a line for all; leaving is asked about only while one runs."""
    large, second = tmp_path / "large.wav", tmp_path / "second.wav"
    for path in (large, second):
        path.write_bytes(bytes(12 * 2**20))
    page.goto(f"{url}/app")
    assert not asks_before_leaving(page)
    devtools = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2**20}
    devtools.send("Network.emulateNetworkConditions", slow)
    send(page, large, second)

    card = work(page, "large.wav")
    bar = card.get_by_role("progressbar", name="Upload")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
    expect(card.locator(".work-facts")).to_have_text(re.compile(r"MiB of 12 MiB · .+/s · .+ left"))
    expect(work(page, "second.wav").locator(".badge")).to_have_text("Waiting")
    expect(page.get_by_role("progressbar", name="Sending")).to_have_attribute("aria-valuetext", "0 of 2 files")
    assert asks_before_leaving(page)
    page.screenshot(path=shots(tmp_path) / "transcribe-sending.png")
    page.get_by_role("button", name="Cancel all").click()
    for name in ("large.wav", "second.wav"):
        expect(work(page, name).locator(".badge")).to_have_text("Cancelled")
    assert not asks_before_leaving(page)
    assert job_ids(page, url) == []
    card.get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0)


def test_the_work_goes_on_while_another_view_is_looked_at(page: Page, url: str, beckett: Path) -> None:
    """An upload is this tab's, not the view's."""
    page.goto(f"{url}/app")
    devtools = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2**18}
    devtools.send("Network.emulateNetworkConditions", slow)
    send(page, beckett)
    expect(work(page, "beckett.wav").locator(".badge")).to_have_text("Sending")
    page.get_by_role("link", name="Library").click()
    expect(page.get_by_role("heading", name="Library", exact=True)).to_be_visible()
    page.get_by_role("link", name="Transcribe", exact=True).click()
    expect(work(page, "beckett.wav").locator(".badge")).to_have_text("Waiting", timeout=30_000)
    expect(page.locator(".work")).to_have_count(1)


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_a_broken_upload_is_sent_again_and_nothing_is_done_twice(page: Page, url: str, beckett: Path, lost: str) -> None:
    """Whether the server never had it, or only its answer was lost."""

    def break_off(route: Route) -> None:
        if lost == "answer":
            route.fetch()
        route.abort("connectionreset")

    page.goto(f"{url}/app")
    page.route("**/api/v1/jobs", break_off, times=1)
    send(page, beckett)
    card = work(page, "beckett.wav")
    expect(card.locator(".badge")).to_have_text("Broken off")
    expect(card.get_by_role("alert")).to_contain_text("Send it again")

    card.get_by_role("button", name="Send again").click()

    expect(card.locator(".badge")).to_have_text("Waiting")
    expect(page.locator(".work")).to_have_count(1)
    assert len(job_ids(page, url)) == 1


def test_a_server_that_is_gone_is_told_and_the_rest_goes_on(browser: Browser, house: House, beckett: Path) -> None:
    """Until it is back the upload waits to be sent again; what is refused says what to do."""
    page = browser.new_page()  # what browsers say of a server that goes is no fault of the page
    with scenes.serving(house) as url:
        page.goto(f"{url}/app")
        expect(page.get_by_role("button", name="Choose files")).to_be_visible()
    send(page, beckett)
    expect(work(page, "beckett.wav").locator(".badge")).to_have_text("Broken off")
    with scenes.serving(house, port=int(url.rpartition(":")[2])):
        work(page, "beckett.wav").get_by_role("button", name="Send again").click()
        expect(work(page, "beckett.wav").locator(".badge")).to_have_text("Waiting")
        page.locator("#files").set_input_files({"name": "empty.wav", "mimeType": "audio/wav", "buffer": b""})
        expect(work(page, "empty.wav").locator(".badge")).to_have_text("Not taken")
        expect(work(page, "empty.wav").get_by_role("alert")).to_contain_text("The file is empty")
        page.close()


def test_folders_are_walked_and_what_is_no_recording_is_named(page: Page, url: str, beckett: Path, tmp_path: Path) -> None:
    """Dropped as from a file manager, nested."""
    deep = tmp_path / "calls" / "2026" / "may"
    deep.mkdir(parents=True)
    shutil.copy(beckett, deep / "deep.wav")
    (tmp_path / "calls" / "notes.txt").write_text("no sound")
    (tmp_path / "calls" / ".hidden").write_text("x")
    page.goto(f"{url}/app")
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(tmp_path / "calls"), str(beckett)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 500, "y": 300, "data": data})

    expect(work(page, "deep.wav").locator(".badge")).to_have_text("Waiting")
    expect(work(page, "beckett.wav").locator(".badge")).to_have_text("Waiting")
    expect(page.locator(".note")).to_have_text(re.compile("neither audio nor video: calls/notes.txt$"))
    assert len(job_ids(page, url)) == 2


def test_the_options_are_remembered_and_asked_for(page: Page, url: str, beckett: Path) -> None:
    """They are there after a reload, and go with each recording."""
    page.goto(f"{url}/app")
    page.get_by_label("Model").select_option("moonshine-tiny-en")
    expect(page.locator("#option-model-facts")).to_contain_text("English · ")
    page.locator("#option-language").select_option("en")
    page.get_by_role("radio", name="Fast").check()
    page.get_by_label("Tell who speaks").check()
    page.get_by_label("How many").fill("2")
    page.get_by_label("How many").press("Tab")
    page.get_by_role("radio", name="Never").check()
    page.reload()
    expect(page.get_by_label("Model")).to_have_value("moonshine-tiny-en")
    expect(page.get_by_label("How many")).to_have_value("2")
    send(page, beckett)
    expect(work(page, "beckett.wav").locator(".badge")).to_have_text("Waiting")

    [job] = page.request.get(f"{url}/api/v1/jobs").json()["jobs"]

    assert (job["model"], job["language"]) == ("moonshine-tiny-en", "en")
    assert (job["options"]["profile"], job["options"]["enhance"]) == ("fast", "never")
    assert job["options"]["diarize"]["num_speakers"] == 2


def test_a_job_can_be_cancelled_and_run_again(page: Page, house: House, url: str, beckett: Path) -> None:
    """While it waits; and what failed says what to do."""
    page.goto(f"{url}/app")
    send(page, beckett)
    card = work(page, "beckett.wav")
    expect(card.locator(".badge")).to_have_text("Waiting")
    card.get_by_role("button", name="Cancel").click()
    expect(card.locator(".badge")).to_have_text("Cancelled")
    card.get_by_role("button", name="Try again").click()
    expect(card.locator(".badge")).to_have_text("Waiting")
    [job_id] = job_ids(page, url)
    with house.db.write() as tx:
        change = {"state": "failed", "error": "no sound in it", "error_code": "no_audio", "finished_at": time.time()}
        tx.connection.execute(job_table.update().where(job_table.c.id == job_id).values(**change))
        events.add(tx, job_id, 1, [("state", {"state": "failed"})])
    expect(card.locator(".badge")).to_have_text("Failed")
    expect(card.get_by_role("alert")).to_have_text("There is no sound in this file. Choose one with a sound track.")


# --- the microphone ---


@contextmanager
def microphone(browser: Browser, sound: Path, url: str) -> Iterator[Page]:
    """A page whose microphone hears a file, over and over."""
    path = os.environ.get("STENOGRAM_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--no-sandbox"]
    started = browser.browser_type.launch(executable_path=path, args=[*flags, f"--use-file-for-fake-audio-capture={sound}"])
    page = started.new_page(permissions=["microphone"])
    page.set_default_timeout(15_000)
    page.goto(f"{url}/app")
    yield page
    started.close()


def recorded_s(page: Page) -> int:
    minutes, _, seconds = page.locator(".recorder-time").inner_text().partition(":")
    return 60 * int(minutes) + int(seconds)


@pytest.mark.usefixtures("working")
def test_what_the_microphone_hears_is_transcribed(browser: Browser, url: str, beckett: Path, tmp_path: Path) -> None:
    """Paused, time stands still; heard again before it is sent; nothing of it stays in the browser afterwards."""
    with microphone(browser, beckett, url) as page:
        page.get_by_role("button", name="Record").click()
        expect(page.get_by_role("status").filter(has_text="Recording")).to_be_visible()
        expect(page.get_by_role("meter", name="Input level")).not_to_have_attribute("aria-valuenow", "0")
        expect(page.locator(".recorder-time")).to_have_text("0:04", timeout=10_000)
        page.get_by_role("button", name="Pause").click()
        paused_at = recorded_s(page)
        page.screenshot(path=shots(tmp_path) / "transcribe-recording.png")
        page.wait_for_timeout(1500)
        assert recorded_s(page) == paused_at
        page.get_by_role("button", name="Go on").click()
        expect(page.locator(".recorder-time")).to_have_text("0:08", timeout=10_000)
        assert asks_before_leaving(page)
        page.get_by_role("button", name="Stop").click()
        page.screenshot(path=shots(tmp_path) / "transcribe-recorded.png")
        page.wait_for_function("document.querySelector('audio').readyState >= 1")
        page.get_by_label("Name").fill("A voice")
        page.get_by_role("button", name="Transcribe").click()

        card = work(page, "A voice.webm")
        expect(card.locator(".badge")).to_have_text("Done", timeout=60_000)
        expect(card.locator(".live-text")).to_contain_text(re.compile("tried|failed", re.IGNORECASE))
        page.reload()
        expect(work(page, "A voice.webm")).to_be_visible()
        expect(page.locator(".note.tape")).to_have_count(0)


@pytest.mark.usefixtures("working")
def test_a_recording_survives_a_crash(browser: Browser, url: str, beckett: Path) -> None:
    """Reloaded in the middle of it: what there was is offered again, sent, and then forgotten by the browser."""
    with microphone(browser, beckett, url) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Record").click()
        expect(page.locator(".recorder-time")).to_have_text("0:06", timeout=15_000)
        page.reload()
        note = page.locator(".note.tape")
        expect(note).to_contain_text("was not sent yet (0:0")
        page.reload()
        note.get_by_role("button", name="Transcribe").click()
        card = page.locator(".work")
        expect(card.locator(".badge")).to_have_text("Done", timeout=60_000)
        expect(card.locator(".said").first).to_be_visible()
        page.reload()
        expect(page.locator(".work")).to_be_visible()
        expect(note).to_have_count(0)


def test_without_a_microphone_it_says_what_to_do(page: Page, url: str) -> None:
    """Nothing is connected here."""
    page.goto(f"{url}/app")
    page.context.grant_permissions(["microphone"])
    page.get_by_role("button", name="Record").click()
    expect(page.locator(".note")).to_contain_text(re.compile("No microphone was found|cannot be opened|not allowed"))
    expect(page.get_by_role("button", name="Choose files")).to_be_visible()


# --- Library ---


def names(page: Page) -> list[str]:
    return page.locator(".item-name:visible").all_inner_texts()


def test_an_empty_library_and_an_empty_trash_help(page: Page, url: str) -> None:
    """The way to the first recording is there; what found nothing can be cleared."""
    page.goto(f"{url}/app/library")
    expect(page.get_by_role("heading", name="Your library is empty")).to_be_visible()
    page.get_by_label("Search in titles").fill("budget")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    page.locator(".empty").get_by_role("button", name="Clear filters").click()
    expect(page.get_by_role("heading", name="Your library is empty")).to_be_visible()
    page.get_by_role("link", name="Trash").click()
    expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
    page.get_by_role("link", name="Back to the library").click()
    page.get_by_role("link", name="Transcribe a recording").click()
    expect(page).to_have_url(f"{url}/app")


def test_a_word_is_found_marked_and_opened_at_its_moment(page: Page, house: House, url: str) -> None:
    """The search stands in the address: a reload, and going back, find it again."""
    job_id = keep(house, "board.m4a")
    keep(house, "other.m4a", state="cancelled")
    page.goto(f"{url}/app/library")
    expect(page.locator(".item")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("budg")

    expect(page.locator(".item")).to_have_count(1)
    expect(page.locator("mark")).to_have_count(2)
    assert page.locator("mark").all_inner_texts() == ["budget", "budget"]
    hit = page.get_by_role("link", name=re.compile("archive 🎄 and its budget"))
    expect(hit).to_have_attribute("href", re.compile(rf"^/app/t/{job_id}#t=8(\.0)?$"))
    assert page.url.endswith("/app/library?q=budg")
    page.reload()
    expect(page.get_by_label("Search in titles")).to_have_value("budg")
    expect(page.locator("mark")).to_have_count(2)
    page.get_by_label("Search in titles").fill("елка")
    expect(page.locator("mark")).to_have_count(1)
    expect(page.locator("mark")).to_have_text("Ёлка")
    page.get_by_role("link", name="Transcribe", exact=True).click()
    expect(page.get_by_role("heading", name="Transcribe", exact=True)).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Search in titles")).to_have_value("елка")
    expect(page.locator("mark")).to_have_text("Ёлка")


def test_filters_and_order_stand_in_the_address(page: Page, house: House, url: str) -> None:
    """State, tag, model, language, date: each narrows; going back widens again."""
    first = keep(house, "a.m4a", age_s=40 * 86_400)
    keep(house, "b.m4a")
    keep(house, "c.m4a", state="failed", error="x", error_code="no_audio")
    page.request.patch(f"{url}/api/v1/jobs/{first}", data={"tags": ["board"]})
    page.goto(f"{url}/app/library")
    expect(page.locator(".item")).to_have_count(3)
    assert names(page) == ["c.m4a", "b.m4a", "a.m4a"]
    expect(page.locator(".item .fault:visible")).to_have_text("There is no sound in this file. Choose one with a sound track.")
    page.get_by_label("Order").select_option("title")
    expect(page.locator(".item-name:visible").first).to_have_text("a.m4a")
    page.get_by_label("State").select_option("failed")
    expect(page.locator(".item")).to_have_count(1)
    page.go_back()
    expect(page.locator(".item")).to_have_count(3)
    page.get_by_label("Date").select_option("month")
    expect(page.locator(".item")).to_have_count(2)
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator(".item")).to_have_count(3)
    page.locator(".item").get_by_role("link", name="board", exact=True).click()
    expect(page.locator(".item")).to_have_count(1)
    expect(page.get_by_label("Tag", exact=True)).to_have_value("board")
    page.reload()
    assert names(page) == ["a.m4a"]
    page.goto(f"{url}/app/library?model=moonshine-tiny-en&language=en")
    expect(page.locator(".item")).to_have_count(2)


def test_names_and_tags_are_changed_in_place(page: Page, house: House, url: str) -> None:
    """By the menu and by keys; Escape leaves the name as it was."""
    job_id = keep(house, "board.m4a")
    keep(house, "other.m4a", age_s=60)
    page.goto(f"{url}/app/library")
    page.get_by_role("link", name="board.m4a").focus()
    page.keyboard.press("e")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Board, 3 May")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Board, 3 May")).to_be_focused()
    expect(page.locator(".item-about").first).to_contain_text("board.m4a")
    page.keyboard.press("e")
    page.keyboard.type("no")
    page.keyboard.press("Escape")
    assert names(page)[0] == "Board, 3 May"
    page.get_by_role("button", name="Actions for Board, 3 May").click()
    page.get_by_role("menuitem", name="Tags").click()
    page.get_by_label("Add a tag").fill("board, finance")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".item-tags").first).to_have_text("boardfinance")
    job = page.request.get(f"{url}/api/v1/jobs/{job_id}").json()
    assert (job["title"], sorted(job["tags"])) == ("Board, 3 May", ["board", "finance"])
    page.locator(".item-box").nth(0).click()
    page.locator(".item-box").nth(1).click(modifiers=["Shift"])
    page.locator(".selection").get_by_role("button", name="Tags").click()
    page.get_by_label("Add a tag").fill("may")
    page.get_by_label("finance").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".item-tags").nth(0)).to_have_text("boardmay")
    expect(page.locator(".item-tags").nth(1)).to_have_text("may")


def test_the_trash_gives_back(page: Page, house: House, url: str) -> None:
    """Undo at once, restore later, delete for good only when asked."""
    for index in range(4):
        keep(house, f"{index}.m4a", age_s=index * 60)
    page.goto(f"{url}/app/library")
    page.locator(".item-box").nth(0).click()
    page.locator(".item-box").nth(2).click(modifiers=["Shift"])
    expect(page.locator(".selection-count")).to_have_text("3 selected")
    page.get_by_role("button", name="Move to trash").click()
    expect(page.locator(".item")).to_have_count(1)
    expect(page.get_by_role("link", name="Trash (3)")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".item")).to_have_count(4)
    page.get_by_role("link", name="1.m4a").focus()
    page.keyboard.press("Delete")
    expect(page.locator(".item")).to_have_count(3)
    expect(page.get_by_role("link", name="2.m4a")).to_be_focused()
    page.get_by_role("link", name="Trash (1)").click()
    expect(page.locator(".item")).to_have_count(1)
    expect(page.get_by_role("link", name="1.m4a")).to_have_count(0)
    page.get_by_role("button", name="Actions for 1.m4a").click()
    page.get_by_role("menuitem", name="Restore").click()
    expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
    page.get_by_role("link", name="Back to the library").click()
    expect(page.locator(".item")).to_have_count(4)
    page.get_by_label("Select all that are shown").check()
    page.get_by_role("button", name="Move to trash").click()
    page.get_by_role("link", name="Trash (4)").click()
    page.locator(".item-box").first.check()
    page.get_by_role("button", name="Delete for good").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(page.locator(".item")).to_have_count(3)
    page.get_by_role("button", name="Empty the trash").click()
    page.get_by_role("dialog").get_by_role("button", name="Empty the trash").click()
    expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
    assert job_ids(page, url) == []


def test_it_is_worked_by_keys_alone(page: Page, house: House, url: str) -> None:
    """Moved, selected, opened; single keys can be switched off."""
    ids = [keep(house, f"{index}.m4a", age_s=index * 60) for index in range(3)]
    page.goto(f"{url}/app/library")
    expect(page.locator(".item")).to_have_count(3)
    for key, name in (("j", "0.m4a"), ("j", "1.m4a"), ("ArrowDown", "2.m4a"), ("j", "2.m4a"), ("k", "1.m4a")):
        page.keyboard.press(key)
        expect(page.get_by_role("link", name=name)).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator(".selection-count")).to_have_text("1 selected")
    page.keyboard.press("Escape")
    expect(page.locator(".selection-count")).to_be_hidden()
    page.keyboard.press("?")
    page.get_by_label("Shortcuts of a single key").uncheck()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="1.m4a").focus()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="1.m4a")).to_be_focused()
    page.route("**/app/views/transcript.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{url}/app/t/{ids[1]}")


def test_a_long_library_comes_in_pages_and_running_ones_are_followed(page: Page, house: House, url: str) -> None:
    """The button fetches more, and the focus goes to the first of them; what ends is shown without a reload."""
    for index in range(60):
        keep(house, f"{index}.m4a", state="cancelled", age_s=60.0 + index)
    going = keep(house, "now.m4a", state="running", stage="transcribe", progress=0.3)
    page.goto(f"{url}/app/library")
    expect(page.locator(".item")).to_have_count(50)
    bar = page.locator(".item").first.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuetext", "Transcribing · 30 %")
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".item")).to_have_count(61)
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    assert page.evaluate("document.activeElement.closest('.item')?.dataset.id") == page.locator(".item").nth(50).get_attribute("data-id")
    finish(house, going, Transcript((Segment(0, 0, 1, "Done."),), 1.0, model="moonshine-tiny-en"))
    expect(page.locator(".item .badge").first).to_have_text("Done")
    expect(page.locator(".item")).to_have_count(61)


# --- both ---


def test_every_screen_fits_and_has_no_barrier(browser: Browser, house: House, url: str, tmp_path: Path) -> None:
    """Both languages, light and dark, phone to wide: nothing reaches beyond, no key is left untranslated, axe is content."""
    scenes_of = {"library": "/app/library", "found": "/app/library?q=budget", "trash": "/app/library?trash=1", "transcribe": "/app"}
    tagged = ""
    for index, state in enumerate(("succeeded", "failed", "running", "queued", "cancelled")):
        more = {"error": "x", "error_code": "not_media"} if state == "failed" else {}
        job_id = keep(house, f"Quite a long name of a recording, number {index}.m4a", state, age_s=index * 9000, **more)
        tagged = job_id if state == "succeeded" else tagged
    for language, scheme, width in (("en", "light", 1440), ("ru", "dark", 1024), ("ru", "light", 390), ("en", "dark", 390)):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, locale=language)  # type: ignore[arg-type]
        page.request.patch(f"{url}/api/v1/jobs/{tagged}", data={"tags": ["board"]})
        for name, path in scenes_of.items():
            page.goto(url + path)
            expect(page.locator("h1")).to_be_visible()
            expect(page.locator(".work, .item, .empty").filter(visible=True).first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert not re.search(r"\b(transcribe|library|common)\.\w+", page.locator("body").inner_text())
            page.screenshot(path=shots(tmp_path) / f"{name}-{width}-{scheme}-{language}.png", full_page=True)
            assert violations(page) == [], f"{name} {language} {scheme} {width}"
        page.close()
