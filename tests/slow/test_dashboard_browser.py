"""The dashboard in a real browser, over the real server and its database."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect

from stenogram.accounts import keys, users
from stenogram.accounts.keys import Wish
from stenogram.accounts.passwords import Passwords
from stenogram.accounts.users import Wish as UserWish
from stenogram.app.house import House
from stenogram.store import claims, events, results, whisper_models, workers
from stenogram.types import Segment, SpeakerTurn, Transcript
from tests import scenes
from tests.browser import shots
from tests.service import supervise

pytestmark = pytest.mark.slow
SCENES = {"idle": scenes.idle, "busy": scenes.busy, "fetching": scenes.fetching, "broken": scenes.broken}


def open_live(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator("#link-text")).to_have_text("live")


def counter(page: Page, name: str) -> str:
    return f'[data-counter="{name}"] dd'


@pytest.mark.parametrize("name", SCENES)
def test_every_moment_fits_every_screen(name: str, browser: Browser, house: House, url: str, tmp_path: Path) -> None:
    """Dark and light, from 360 to 1600 pixels: nothing reaches beyond the screen. The pictures are for eyes."""
    SCENES[name](house)
    for scheme in ("dark", "light"):
        for label, width in (("phone", 360), ("tablet", 820), ("desktop", 1600)):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            open_live(page, url)
            expect(page.locator("#devices li.server")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == width
            page.screenshot(path=shots(tmp_path) / f"{name}-{label}-{scheme}.png", full_page=True)
            page.close()


def test_it_shows_gpus_queue_and_workers_and_no_details(page: Page, house: House, url: str) -> None:
    """What R7 lists is on the page, with names and values for those who hear it; what it forbids is nowhere."""
    running = scenes.busy(house)
    open_live(page, url)

    expect(page.locator(counter(page, "queued"))).to_have_text("30")
    expect(page.locator(counter(page, "running"))).to_have_text("4")
    expect(page.locator("#health-word")).to_have_text("Ready")
    gpu = page.locator("#devices .gpu").nth(1)
    expect(gpu.get_by_role("heading")).to_have_text("GPU 1")
    expect(gpu.get_by_role("meter", name="Utilisation")).to_have_attribute("aria-valuenow", "88")
    expect(gpu.get_by_role("meter", name="VRAM")).to_have_attribute("aria-valuetext", "74.6 GiB of 79.6 GiB · 94 %")
    expect(gpu.locator("code")).to_have_text(running[1])
    expect(gpu.locator(".model-name")).to_have_text("large-v3")
    assert page.locator("#processing li").all_text_contents() == running
    expect(page.locator("#queued li")).to_have_count(30)
    expect(page.locator("#workers > li")).to_have_count(4)
    expect(page.locator("#gone-summary")).to_have_text("1 ended within the hour")
    told = page.content() + json.dumps(page.request.get(f"{url}/dashboard/state").json())
    assert [secret for secret in scenes.SECRETS if secret in told] == []


def test_the_socket_changes_the_page_without_polling(page: Page, house: House, url: str) -> None:
    """A job put in appears; nothing was asked for by HTTP."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/dashboard/state" in request.url else None)
    open_live(page, url)
    expect(page.locator(counter(page, "queued"))).to_have_text("0")

    with house.db.write() as tx:
        job_id = scenes.put_job(tx)

    expect(page.locator("#queued li")).to_have_text(job_id)
    expect(page.locator(counter(page, "queued"))).to_have_text("1")
    assert asked == []


def test_without_a_socket_it_polls_and_comes_back(page: Page, house: House, url: str) -> None:
    """It says so, shows what changes all the same, and goes back to the socket when that can be had."""
    blocked = [True]

    def handle(socket: WebSocketRoute) -> None:
        if blocked[0]:
            socket.close(code=1011)
        else:
            socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/dashboard"), handle)
    page.goto(url)
    expect(page.locator("#link-text")).to_have_text("polling")
    with house.db.write() as tx:
        scenes.put_job(tx)
    expect(page.locator(counter(page, "queued"))).to_have_text("1")

    blocked[0] = False

    expect(page.locator("#link-text")).to_have_text("live")


def test_a_server_that_is_gone_is_told_and_found_again(page: Page, house: House) -> None:
    """Health is then not known; when the server is back, the page goes on by itself."""
    scenes.idle(house)
    with scenes.serving(house) as url:
        open_live(page, url)
        expect(page.locator("#health-word")).to_have_text("Ready")
    expect(page.locator("#link-text")).to_contain_text("offline, last seen")
    expect(page.locator("#health-word")).to_have_text("Unknown")
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    with scenes.serving(house, port=int(url.rpartition(":")[2])):
        expect(page.locator("#link-text")).to_have_text("live", timeout=30_000)
        expect(page.locator("#health-word")).to_have_text("Ready")


def test_a_download_is_shown_as_it_goes(page: Page, house: House, url: str) -> None:
    """The bar, its numbers, and the reason of one that failed; what is not here cannot be chosen."""
    scenes.fetching(house)
    open_live(page, url)

    expect(page.locator("#health-word")).to_have_text("Starting")
    expect(page.locator("#health-reason")).to_have_text("Being fetched: large-v3-turbo")
    bar = page.get_by_role("progressbar", name="Download")
    expect(bar).to_have_attribute("aria-valuenow", "42")
    expect(bar).to_have_attribute("aria-valuetext", "648 MiB of 1.5 GiB · 42 %")
    expect(page.locator("#models .fault:visible")).to_have_text("the hub answered 503, five times")
    assert page.locator("#model option").all_text_contents() == ["automatic", "moonshine-tiny-en"]


def test_names_are_text_and_nothing_else(page: Page, house: House, url: str) -> None:
    """A model named like a tag is shown by its name."""
    name = "<img src=x onerror=window.faults.push('ran')>"
    with house.db.write() as tx:
        whisper_models.switch(tx, name, enabled=True)
        scenes.add_worker(tx, "w<b>0</b>", "cpu")
    open_live(page, url)

    expect(page.locator("#models strong").last).to_have_text(name)
    expect(page.locator("#models img")).to_have_count(0)


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_a_recording_is_sent_followed_and_taken_away(
    page: Page, house: House, url: str, beckett: Path, tmp_path: Path, way: str
) -> None:
    """Chosen or dropped anywhere: its text arrives on the page, and the files are those of the API."""
    supervisor = supervise(house)
    supervisor.start()
    try:
        open_live(page, url)
        expect(page.locator("#health-word")).to_have_text("Ready", timeout=60_000)
        send(page, beckett, dropped=way == "dropped")

        entry = page.locator("#jobs > li")
        expect(entry.locator(".badge")).to_have_text("done", timeout=60_000)
        text = entry.locator(".transcript").inner_text()
        assert len(text.split()) > 10
        with page.expect_download() as download:
            entry.get_by_role("link", name="Download beckett.wav as srt").click()
        assert download.value.suggested_filename == "beckett.srt"
        assert "-->" in Path(str(download.value.path())).read_text("utf-8")
        page.screenshot(path=shots(tmp_path) / f"sent-{way}.png")
        entry.get_by_role("button", name="Remove").click()
        expect(entry).to_have_count(0)
    finally:
        supervisor.stop(1.0)


def send(page: Page, path: Path, *, dropped: bool) -> None:
    if not dropped:
        page.locator("#files").set_input_files(path)
        return
    transfer = page.evaluate_handle(
        """async (bytes) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "beckett.wav", {type: "audio/wav"}));
            return transfer;
        }""",
        list(path.read_bytes()),
    )
    page.dispatch_event("main", "dragover", {"dataTransfer": transfer})
    page.dispatch_event("main", "drop", {"dataTransfer": transfer})


def test_an_upload_tells_how_far_it_is_and_can_be_cancelled(page: Page, url: str, tmp_path: Path) -> None:
    """Of a large file over a slow line; the server keeps nothing of it."""
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(12 * 2**20))
    open_live(page, url)
    devtools = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2 * 2**20}
    devtools.send("Network.emulateNetworkConditions", slow)
    page.locator("#files").set_input_files(large)

    entry = page.locator("#jobs > li")
    expect(entry.get_by_role("progressbar", name="Upload")).to_have_attribute(
        "aria-valuenow", re.compile(r"^[1-9]\d?$")
    )
    expect(entry.locator(".facts")).to_have_text(re.compile(r"MiB of 12 MiB sent"))
    entry.get_by_role("button", name="Cancel large.wav").click()
    expect(entry.locator(".badge")).to_have_text("cancelled")
    assert page.request.get(f"{url}/api/v1/jobs").json()["jobs"] == []


def test_what_the_server_refuses_is_told_in_its_words(page: Page, url: str, tmp_path: Path) -> None:
    """An empty file."""
    empty = tmp_path / "empty.wav"
    empty.write_bytes(b"")
    open_live(page, url)
    page.locator("#files").set_input_files(empty)

    entry = page.locator("#jobs > li")
    expect(entry.locator(".badge")).to_have_text("failed")
    expect(entry.get_by_role("alert")).to_contain_text("empty")


def test_who_speaks_is_asked_for_and_shown_when_it_is_known(page: Page, house: House, url: str, beckett: Path) -> None:
    """The text that came meanwhile, without speakers, gives way to what each of them said."""
    open_live(page, url)
    expect(page.get_by_label("Speakers", exact=True)).to_be_disabled()
    page.get_by_label("Tell who speaks").check()
    page.get_by_label("Speakers", exact=True).fill("2")
    page.locator("#files").set_input_files(beckett)
    entry = page.locator("#jobs > li")
    expect(entry.locator(".badge")).to_have_text("waiting")
    [job] = page.request.get(f"{url}/api/v1/jobs").json()["jobs"]
    assert (job["options"]["diarize"]["diarize"], job["options"]["diarize"]["num_speakers"]) == (True, 2)

    with house.db.write() as tx:
        events.add(tx, job["id"], 1, [("segment", {"id": 0, "start": 0, "end": 3, "text": "Ever tried. Ever failed."})])
    expect(entry.locator(".transcript p")).to_have_text("0:00Ever tried. Ever failed.")
    spoken = (Segment(0, 0, 1, "Ever tried.", speaker="SPEAKER_00"), Segment(1, 1, 3, "Ever failed.", speaker="Ann"))
    transcript = Transcript(spoken, 3.0, turns=(SpeakerTurn(0, 3, "Ann"),), diarizer="built-in")
    with house.db.write() as tx:
        claims.answer(tx, job["id"], transcript, results.pack(transcript))

    expect(entry.locator(".badge")).to_have_text("done")
    said = entry.locator(".transcript p.said")
    expect(said).to_have_text(["0:00SPEAKER_00: Ever tried.", "0:01Ann: Ever failed."])


def test_a_job_that_waits_can_be_cancelled(page: Page, url: str, beckett: Path) -> None:
    """It says its place in the queue; cancelled, it leaves it."""
    open_live(page, url)
    page.locator("#files").set_input_files(beckett)
    entry = page.locator("#jobs > li")
    expect(entry.locator(".badge")).to_have_text("waiting")
    expect(entry.locator(".facts")).to_have_text("number 1 in the queue")
    expect(page.locator("#queued li")).to_have_count(1)
    entry.get_by_role("button", name="Cancel beckett.wav").click()

    expect(entry.locator(".badge")).to_have_text("cancelled")
    expect(page.locator("#queued li")).to_have_count(0)


def test_many_recordings_leave_the_connection_free(page: Page, url: str, beckett: Path) -> None:
    """Browsers open six connections to a server: following ten jobs must not take them all."""
    open_live(page, url)
    for _ in range(10):
        page.locator("#files").set_input_files(beckett)
    expect(page.locator("#jobs > li")).to_have_count(10)
    expect(page.locator("#queued li")).to_have_count(10)

    assert page.evaluate("fetch('/health').then((response) => response.status)") == 200


def test_a_key_is_asked_for_and_kept_in_the_tab(page: Page, house: House, url: str, beckett: Path) -> None:
    """Without one nothing is shown; a bad one is told; a good one opens all, until it is forgotten."""
    secret, _ = keys.create(house.db, Wish("alice", scopes=("transcribe",)))
    with house.db.write() as tx:
        scenes.put_job(tx, "bob")
        own = scenes.put_job(tx, "alice")
    page.goto(url)
    expect(page.get_by_role("heading", name="This server needs an API key")).to_be_visible()
    expect(page.locator("#link-text")).to_have_text("key needed")
    expect(page.locator("#upload")).to_be_hidden()

    page.get_by_label("Key, as").fill("stn_no_key")
    page.keyboard.press("Enter")
    expect(page.locator("#key-fault")).to_have_text("The server does not accept this key.")
    page.get_by_label("Key, as").fill("no key / at all")
    page.keyboard.press("Enter")
    expect(page.locator("#key-fault")).to_contain_text("not a key")
    page.get_by_label("Key, as").fill(secret)
    page.keyboard.press("Enter")

    expect(page.locator("#link-text")).to_have_text("live")
    expect(page.locator("#key-panel")).to_be_hidden()
    assert page.locator("#queued li").all_text_contents() == [own, "1 more, of others"]
    page.locator("#files").set_input_files(beckett)
    expect(page.locator("#jobs .badge")).to_have_text("waiting")
    assert page.evaluate("[Object.values(localStorage), document.cookie]") == [[], ""]
    page.reload()
    expect(page.locator("#link-text")).to_have_text("live")
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.get_by_role("button", name="Forget key").click()
    expect(page.locator("#link-text")).to_have_text("key needed")
    assert page.evaluate("Object.values(sessionStorage)") == []


def test_dark_and_light_can_be_switched_and_are_remembered(page: Page, url: str) -> None:
    """As the system says at first, then as the reader said."""
    background: Callable[[], str] = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
    page.emulate_media(color_scheme="light")
    open_live(page, url)
    light = background()
    page.get_by_role("button", name="Switch between dark and light").click()
    dark = background()
    assert dark != light
    page.reload()
    assert background() == dark


def test_it_loads_nothing_from_elsewhere(page: Page, url: str) -> None:
    """Every request goes to the server itself, and is answered."""
    foreign: list[str] = []
    answers: list[tuple[int, str]] = []

    def look(route: Route) -> None:
        if not route.request.url.startswith((url, "data:")):
            foreign.append(route.request.url)
        route.continue_()

    page.route("**/*", look)
    page.on("response", lambda response: answers.append((response.status, response.url)))
    open_live(page, url)

    assert foreign == []
    assert [answer for answer in answers if answer[0] >= 400] == []


def test_the_page_of_the_api_shows_every_path_and_needs_no_network(page: Page, url: str, tmp_path: Path) -> None:
    """Drawn from /openapi.json, under the same policy as everything else."""
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith(url) else problems.append(request.url))
    spec = page.request.get(f"{url}/openapi.json").json()
    page.goto(f"{url}/docs")
    expect(page.locator(".operation")).to_have_count(sum(len(methods) for methods in spec["paths"].values()))
    page.get_by_placeholder("Find a path").fill("/transcribe")
    expect(page.locator(".operation:visible")).to_have_count(1)
    page.locator(".operation:visible > summary").click()
    expect(page.locator(".operation:visible pre")).to_contain_text("-F file=@talk.mp4")
    expect(page.locator(".operation:visible")).to_contain_text("callback_url needed")
    page.screenshot(path=shots(tmp_path) / "docs.png", full_page=True)

    assert problems == []


def test_it_can_be_used_by_keyboard(page: Page, url: str) -> None:
    """The first key leads past the bar; the zone for files is reached and shows that it is."""
    open_live(page, url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "files"
    assert page.evaluate("getComputedStyle(document.querySelector('.drop label')).outlineStyle") == "solid"


def test_it_speaks_the_language_of_the_browser_and_changes_it_under_way(
    browser: Browser, house: House, url: str, beckett: Path
) -> None:
    """Also what it says of a recording that waits, and in its title; what was chosen is remembered."""
    scenes.busy(house)
    page = browser.new_page(locale="ru-RU", viewport={"width": 1440, "height": 900})
    page.goto(url)
    expect(page.locator("#link-text")).to_have_text("на связи")
    expect(page.get_by_role("heading", level=1)).to_have_text("Состояние")
    expect(page.get_by_placeholder("определить").first).to_be_visible()
    page.locator("#files").set_input_files(beckett)
    entry = page.locator("#jobs > li")
    expect(entry.locator(".facts")).to_have_text("1-е в очереди")  # noqa: RUF001
    assert page.title() == "В работе: 4, в очереди: 31 · Stenogram"  # noqa: RUF001

    page.get_by_role("button", name="Язык").click()
    page.get_by_role("menuitemradio", name="English").click()

    expect(entry.locator(".facts")).to_have_text("number 1 in the queue")
    expect(entry.get_by_role("button", name="Cancel beckett.wav")).to_be_visible()
    expect(page.get_by_role("meter", name="VRAM").first).to_be_visible()
    expect(page.locator("#gone-summary")).to_have_text("1 ended within the hour")
    assert page.title() == "4 processing, 31 queued · Stenogram"
    assert not re.search("[\u0400-\u04ff]", page.locator("body").inner_text())
    page.reload()
    expect(page.locator("#link-text")).to_have_text("live")
    page.close()


def test_workers_that_clean_text_up_are_among_the_workers(page: Page, house: House, url: str) -> None:
    """By what they do: they have no device of their own."""
    with house.db.write() as tx:
        scenes.add_worker(tx, "w0", "cpu")
        scenes.add_worker(tx, "w1", "chat")
        workers.tell(tx, "w1", "busy", job_id="0" * 32, model="mistral:7b-instruct", loaded=[])
    open_live(page, url)

    expect(page.locator("#workers-count")).to_have_text("2")
    chat = page.locator("#workers > li").filter(has_text="clean-up")
    expect(chat.locator(".badge")).to_have_text("busy")
    expect(chat.locator(".model-name")).to_have_text("mistral:7b-instruct")


def test_the_other_pages_are_a_click_away(page: Page, url: str) -> None:
    """The same links as on each of them; this one is marked."""
    open_live(page, url)

    links = page.get_by_role("navigation", name="Pages").get_by_role("link")
    assert [link.get_attribute("href") for link in links.all()] == ["/app", "/app/library", "/app/models", "/"]
    expect(page.locator("#places [aria-current=page]")).to_have_text("Dashboard")


def test_with_accounts_it_leads_to_the_sign_in_and_is_open_afterwards(page: Page, house: House, url: str) -> None:
    """By the cookie of the session, WebSocket and uploads too; a key will do as well."""
    passwords = Passwords(1, 8, 1)
    users.create(house.db, passwords, UserWish("ann@example.org", "correct horse", "Ann", "admin"), None)
    page.goto(url)
    expect(page.get_by_role("heading", name="Sign in to see what the server does")).to_be_visible()
    expect(page.locator("#places a")).to_have_count(0)
    expect(page.locator("#health-reason")).to_have_text("The server shows its state to those who have signed in.")
    expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "/app/sign-in?next=%2F")
    expect(page.get_by_label("Or an API key")).to_be_visible()
    expect(page.locator("#link-text")).to_have_text("signed out")

    signed_in = page.request.post(
        f"{url}/api/v1/session", data={"email": "ann@example.org", "password": "correct horse"}
    )

    assert signed_in.ok
    page.reload()
    expect(page.locator("#link-text")).to_have_text("live")
    expect(page.locator("#key-panel")).to_be_hidden()
    expect(page.get_by_role("button", name="Ann")).to_be_visible()
    page.locator("#files").set_input_files({"name": "a.wav", "mimeType": "audio/wav", "buffer": b"RIFF0000WAVE"})
    expect(page.locator("#jobs .badge")).to_have_text("waiting")
