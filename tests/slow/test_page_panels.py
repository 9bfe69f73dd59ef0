"""What lies beside a transcript in a real browser: speakers, clean-up, find and replace, export, versions, share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import docx
import pytest
from playwright.sync_api import Locator, Page, expect

from stenogram.app.house import House
from stenogram.bundled import asset
from stenogram.config import ServerSettings, Settings
from stenogram.enhancement import Message
from stenogram.store import schema
from stenogram.testing.chat_server import ChatServer
from tests.browser import shots, violations
from tests.service import REAL, supervise, until
from tests.talks import done, spoken, talk

pytestmark = pytest.mark.slow

SAID = (
    ("well i dont know what we should do", "SPEAKER_00"),
    ("it costs 20 dollars and we met at noon", "SPEAKER_01"),
    ("she has left for Berlin already", "SPEAKER_00"),
    ("then we met again in the evening", "SPEAKER_02"),
)


def corrected(messages: Sequence[Message]) -> str:
    """Each line with a capital and a full stop, and 30 for 20, which no guard lets pass."""
    rows = re.findall(r"^\[(\d+)\] (?:\S+: )?(.*)$", messages[-1]["content"], re.MULTILINE)
    return "\n".join(f"[{number}] {text[0].upper()}{text[1:].replace('20', '30')}." for number, text in rows)


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer(say=corrected) as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, chat: ChatServer) -> Iterator[House]:
    settings = Settings(home=str(tmp_path), llm_base_url=chat.url, llm_model="mistral:7b-instruct")
    with House.open(settings, ServerSettings(worker_devices="none")) as opened:
        schema.upgrade(opened.db)
        yield opened


@pytest.fixture
def job(house: House) -> str:
    said = [spoken(number, 4.0 * number + 0.5, text, speaker) for number, (text, speaker) in enumerate(SAID)]
    return done(house, talk(said, 44.0), asset("assets/two_cities.wav"), "meeting.wav")


@pytest.fixture
def text(page: Page, house: House, job: str, url: str) -> Page:
    """The transcript, opened."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{url}/app/t/{job}")
    expect(page.locator(".lines")).to_contain_text("Berlin")
    return page


def panel(page: Page, name: str) -> Locator:
    page.locator(".panel-buttons").get_by_role("button", name=name, exact=True).click()
    place = page.get_by_role("complementary")
    expect(place).to_be_visible()
    return place


def saved(page: Page) -> None:
    expect(page.locator(".save-state, .state")).to_contain_text(re.compile("Saved|Сохранено"))


def test_a_speaker_gets_a_name_is_made_one_with_another_and_parted_again(text: Page, tmp_path: Path) -> None:
    place = panel(text, "Speakers")
    field = place.get_by_label("Name of SPEAKER_00")
    field.fill("Анна Берг")
    field.press("Enter")
    expect(text.locator(".lines")).to_contain_text("Анна Берг")

    place.get_by_role("button", name="More about SPEAKER_02").click()
    text.get_by_role("menuitem", name="The same as SPEAKER_01").click()
    expect(place.locator("li.speaker")).to_have_count(2)
    expect(text.locator(".lines")).not_to_contain_text("SPEAKER_02")

    place.get_by_role("button", name="More about SPEAKER_01").click()
    text.get_by_role("menuitem", name="Take the name back").click()
    expect(place.locator("li.speaker")).to_have_count(3)
    assert violations(text) == []
    text.screenshot(path=shots(tmp_path) / "panel-speakers.png")


def test_clean_text_arrives_beside_the_original_and_each_change_is_taken_or_left(
    text: Page, house: House, url: str, job: str, tmp_path: Path
) -> None:
    """Skipped is explained, "Enhance now" begins it; what the guard kept is told; what is accepted goes in and out."""
    place = panel(text, "Clean-up")
    expect(place).to_contain_text("No language model has gone over this text")
    supervisor = supervise(house, REAL, workers=0, chat_workers=1)
    supervisor.start()
    try:
        place.get_by_role("button", name="Enhance now").click()
        expect(place.locator(".difference").first).to_be_visible(timeout=60_000)
    finally:
        supervisor.stop(5)
    expect(place).to_contain_text("the model changed a number")
    changes = place.get_by_role("switch")
    expect(changes).to_have_count(6)
    expect(place.locator(".tally")).to_have_text("6 of 6 changes accepted.")
    changes.first.click()
    expect(changes.first).to_have_attribute("aria-checked", "false")
    expect(place.locator(".tally")).to_have_text("5 of 6 changes accepted.")
    text.screenshot(path=shots(tmp_path) / "panel-cleanup.png")
    assert violations(text) == []

    told = text.request.get(f"{url}/api/v1/transcriptions/{job}?format=txt&enhanced=true").text()
    assert "well i dont know what we should do." in told.lower().replace("\n", " ")
    place.get_by_role("button", name="Revert all").click()
    expect(place.locator(".tally")).to_have_text("0 of 6 changes accepted.")
    place.get_by_role("button", name="Accept all").click()
    expect(place.locator(".tally")).to_have_text("6 of 6 changes accepted.")

    place.get_by_role("button", name="Put into the transcript").click()
    expect(text.locator(".lines")).to_contain_text("She has left for Berlin already.")
    saved(text)
    text.get_by_role("button", name="Undo", exact=True).last.click()
    expect(text.locator(".lines")).not_to_contain_text("already.")


def test_clean_text_is_seen_as_it_is_written_and_can_be_stopped(text: Page, house: House, chat: ChatServer) -> None:
    """Some of it stands beside the original while the model still writes; cancelled, the model stops writing."""
    chat.tokens_per_s = 4.0
    place = panel(text, "Clean-up")
    supervisor = supervise(house, REAL, workers=0, chat_workers=1)
    supervisor.start()
    try:
        place.get_by_role("button", name="Enhance now").click()
        expect(place.get_by_label("Text as it arrives")).to_contain_text("should do.", timeout=60_000)
        assert chat.generating == 1
        expect(place.get_by_label("Text as it arrives")).not_to_contain_text("evening")
        expect(text.locator(".lines")).to_contain_text("well i dont know")
        place.get_by_role("button", name="Cancel").click()
        expect(place.get_by_role("button", name="Try again")).to_be_visible()
        until(lambda: chat.stopped == 1, what="for the model to stop")
    finally:
        supervisor.stop(5)


def test_an_absent_language_model_is_told_with_what_to_do(text: Page, house: House, chat: ChatServer) -> None:
    chat.fail("no_model", times=50)
    place = panel(text, "Clean-up")
    supervisor = supervise(house, REAL, workers=0, chat_workers=1)
    supervisor.start()
    try:
        place.get_by_role("button", name="Enhance now").click()
        expect(place.get_by_role("button", name="Try again")).to_be_visible(timeout=60_000)
    finally:
        supervisor.stop(5)
    expect(place.locator(".standing")).to_contain_text("Name one that it has with --llm-model")


def test_what_is_found_is_replaced_everywhere_in_one_step(text: Page, url: str, job: str, tmp_path: Path) -> None:
    text.keyboard.press("Control+f")
    place = text.get_by_role("complementary")
    place.get_by_label("Find", exact=True).fill("we met")
    expect(place.locator(".tally")).to_have_text("2 hits")
    text.screenshot(path=shots(tmp_path) / "panel-find.png")
    text.keyboard.press("Enter")
    expect(place.locator(".hit").first).to_have_attribute("aria-current", "true")
    place.get_by_label("Replace by").fill("they parted")
    place.get_by_role("button", name="Replace all").click()
    expect(text.locator(".lines")).to_contain_text("then they parted again")
    saved(text)
    found = text.request.get(f"{url}/api/v1/transcriptions/{job}/document").json()["segments"]
    assert "they parted at noon" in found[1]["text"]
    kept = {word[0]: word[4] for word in found[1]["words"]}
    assert (kept["dollars"], kept["parted"]) == (0, 1), "kept words keep their times, new ones are fitted"

    text.get_by_role("button", name="Undo", exact=True).last.click()
    expect(text.locator(".lines")).to_contain_text("then we met again")
    assert violations(text) == []


def test_a_file_is_previewed_and_taken_away(text: Page, tmp_path: Path) -> None:
    place = panel(text, "Export")
    format_ = place.get_by_label("Format")
    format_.select_option("srt")
    expect(place.locator(".preview")).to_contain_text("00:00:00,500 -->")
    place.get_by_label("Characters in a line, at most").fill("20")
    expect(place.locator(".preview")).to_contain_text("well i dont know\n")
    with text.expect_download() as download:
        place.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "meeting.srt"
    assert max(map(len, download.value.path().read_text(encoding="utf-8").splitlines())) <= 30
    text.screenshot(path=shots(tmp_path) / "panel-export.png")
    assert violations(text) == []

    format_.select_option("docx")
    with text.expect_download() as download:
        place.get_by_role("button", name="Download").click()
    written = "\n".join(paragraph.text for paragraph in docx.Document(str(download.value.path())).paragraphs)
    assert "SPEAKER_01" in written
    assert "she has left for Berlin already" in written

    text.reload()
    expect(panel_open(text).get_by_label("Format")).to_have_value("docx")


def panel_open(page: Page) -> Locator:
    place = page.get_by_role("complementary")
    expect(place).to_be_visible()
    return place


def test_an_old_version_is_read_and_brought_back(text: Page, tmp_path: Path) -> None:
    text.keyboard.press("Control+f")
    place = panel_open(text)
    place.get_by_label("Find", exact=True).fill("Berlin")
    place.get_by_label("Replace by").fill("Potsdam")
    expect(place.locator(".tally")).to_have_text("1 hit")
    place.get_by_role("button", name="Replace all").click()
    saved(text)
    place = panel(text, "Versions")
    expect(place.locator(".version")).to_have_count(2)
    text.screenshot(path=shots(tmp_path) / "panel-versions.png")
    place.get_by_role("button", name="Read: As it was recognised").click()
    dialog = text.get_by_role("dialog")
    expect(dialog).to_contain_text("Berlin")
    dialog.get_by_role("button", name="Bring this version back").click()
    expect(text.locator(".lines")).to_contain_text("Berlin")
    expect(place.locator(".version")).to_have_count(3)
    assert violations(text) == []


def test_a_link_is_read_by_somebody_else_until_it_is_ended(text: Page, url: str, tmp_path: Path) -> None:
    place = panel(text, "Share")
    place.get_by_role("button", name="Make a link").click()
    address = place.get_by_label("Link").input_value()
    assert address.startswith(f"{url}/app/shared/")
    text.screenshot(path=shots(tmp_path) / "panel-share.png")
    assert violations(text) == []
    browser = text.context.browser
    assert browser is not None
    with browser.new_context() as other:
        guest = other.new_page()
        guest.goto(address)
        expect(guest.locator("main")).to_contain_text("she has left for Berlin already")
        place.get_by_role("button", name=re.compile("^End")).click()
        expect(place.locator(".shares li")).to_have_count(0)
        guest.reload()
        expect(guest.locator("main")).not_to_contain_text("Berlin")
