"""The whole way through the page, in both languages: a real server with its workers, two people, the real model.

One signs in, sends a recording, watches its text arrive, repairs it, has it cleaned up and takes it away as a file; the
other, signed in beside, sees nothing of it. And once more with the keyboard alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import docx
import pytest
from playwright.sync_api import Browser, Page, expect

from stenogram.accounts import users
from stenogram.accounts.passwords import Passwords
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.enhancement import Message
from stenogram.server.routes.live import WEB
from stenogram.store import schema
from stenogram.testing.chat_server import ChatServer
from tests.browser import shots, violations
from tests.service import supervise

pytestmark = pytest.mark.slow
PASSWORD = "correct horse battery"  # noqa: S105 - of nobody

Say = Callable[..., str]
FOCUS = """([selector, words]) => {
    const node = document.activeElement;
    const outlined = (each) => each && getComputedStyle(each).outlineStyle !== "none";
    const seen = node === document.body || [node, node.parentElement, node.labels?.[0]].some(outlined);
    return [node.matches(selector) && node.textContent.includes(words), seen];
}"""
"""Whether the focus is on that, and whether it is seen: around the element, its label, or what it is in."""


def catalogue(language: str) -> Say:
    """The words of the page, by their keys."""
    tree = json.loads((WEB / "locales" / f"{language}.json").read_text(encoding="utf-8"))

    def say(key: str) -> str:
        found: Any = tree
        for part in key.split("."):
            found = found[part]
        return str(found)

    return say


def corrected(messages: Sequence[Message]) -> str:
    """Each line with a capital wherever a sentence begins."""
    rows = re.findall(r"^\[(\d+)\] (?:[A-Z_\d]+: )?(.*)$", messages[-1]["content"], re.MULTILINE)
    return "\n".join(
        f"[{number}] {re.sub(r'(^|[.] )([a-z])', lambda m: m[1] + m[2].upper(), text)}" for number, text in rows
    )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with ChatServer(say=corrected) as chat:
        settings = Settings(home=str(tmp_path / "home"), llm_base_url=chat.url)
        with House.open(settings, ServerSettings(worker_devices="none")) as opened:
            schema.upgrade(opened.db)
            for name, role in (("ann", "admin"), ("boris", "user")):
                wish = users.Wish(f"{name}@example.org", PASSWORD, name.capitalize(), role)  # type: ignore[arg-type]
                users.create(opened.db, Passwords(), wish, None)
            supervisor = supervise(opened, chat_workers=1)
            supervisor.start()
            yield opened
            supervisor.stop(5)


def enter(page: Page, url: str, name: str, say: Say) -> None:
    """Sign in."""
    page.goto(f"{url}/app")
    page.get_by_role("textbox").first.fill(f"{name}@example.org")
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=say("nav.library"), exact=True)).to_be_visible()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_from_a_recording_to_a_word_document(
    browser: Browser, house: House, url: str, two_cities: Path, tmp_path: Path, language: str
) -> None:
    """Upload, live text, an edit by hand, clean-up with changes taken and left, export; and nobody else sees it."""
    say = catalogue(language)
    with browser.new_context(
        locale=language, viewport={"width": 1440, "height": 900}, accept_downloads=True
    ) as context:
        context.set_default_timeout(30_000)
        page = context.new_page()
        enter(page, url, "ann", say)
        page.locator("#files").set_input_files(two_cities)
        page.locator(".live-said").first.wait_for()
        page.get_by_role("link", name=say("transcribe.open")).click(timeout=90_000)
        expect(page.locator(".lines")).to_contain_text("best of times")
        job_id = page.url.rpartition("/t/")[2].partition("#")[0]
        document = f"{url}/api/v1/transcriptions/{job_id}/document"
        found = page.request.get(document).json()["segments"]

        line = page.locator(".line .words").nth(1)
        before = line.inner_text()
        line.click()
        page.keyboard.press("Control+Home")
        page.keyboard.type("Dickens: ")
        page.keyboard.press("Control+s")
        expect(page.locator(".save-state")).to_have_attribute("data-state", "saved")
        edited = page.request.get(document).json()["segments"]
        assert edited[1]["text"] == f"Dickens: {before}"
        assert edited[1]["words"][1:] == found[1]["words"], "the other words keep their times"
        page.keyboard.press("Escape")

        page.locator(".panel-buttons").get_by_role("button", name=say("panels.cleanup.title")).click()
        beside = page.get_by_role("complementary")
        changes = beside.get_by_role("switch")
        again = beside.get_by_role("button", name=say("panels.cleanup.again"))
        again.click(timeout=60_000)  # what was made before is of the text before the edit
        expect(changes.nth(1)).to_be_visible(timeout=60_000)
        number = changes.count()
        changes.first.click()
        expect(changes.first).to_have_attribute("aria-checked", "false")
        beside.get_by_role("button", name=say("panels.cleanup.put_in")).click()
        expect(page.locator(".save-state")).to_have_attribute("data-state", "saved")
        expect(changes).not_to_have_count(number)

        take_away(page, say, [segment["text"] for segment in page.request.get(document).json()["segments"]])
        page.screenshot(path=shots(tmp_path) / f"journey-{language}.png")
        assert violations(page) == []

        page.get_by_role("link", name=say("nav.library"), exact=True).first.click()
        page.get_by_role("searchbox").fill("Dickens")
        expect(page.locator("mark").first).to_have_text("Dickens")
        page.locator("a:has(mark)").first.click()
        expect(page).to_have_url(re.compile(rf"/app/t/{job_id}#t="))
        refused(browser, url, job_id, say)


def take_away(page: Page, say: Say, told: Sequence[str]) -> None:
    """The transcript as a Word document, with all that is told and the edit by hand."""
    page.locator(".panel-buttons").get_by_role("button", name=say("panels.export.title")).click()
    beside = page.get_by_role("complementary")
    beside.get_by_label(say("panels.export.format"), exact=True).select_option("docx")
    with page.expect_download() as download:
        beside.get_by_role("button", name=say("panels.export.download")).click()
    written = "\n".join(paragraph.text for paragraph in docx.Document(str(download.value.path())).paragraphs)
    assert "Dickens:" in written
    assert all(text in written for text in told)


def refused(browser: Browser, url: str, job_id: str, say: Say) -> None:
    """Boris has an empty library, and is told that there is no such thing, by the page and by every address."""
    with browser.new_context(locale="en") as context:
        page = context.new_page()
        enter(page, url, "boris", catalogue("en"))
        page.goto(f"{url}/app/t/{job_id}")
        expect(page.get_by_role("alert")).to_be_visible()
        for path in (
            f"jobs/{job_id}",
            f"jobs/{job_id}/media",
            f"jobs/{job_id}/peaks",
            f"transcriptions/{job_id}/document",
        ):
            assert page.request.get(f"{url}/api/v1/{path}").status == 404
        page.goto(f"{url}/app/library?q=Dickens")
        expect(page.locator(".view-library")).to_be_visible()
        expect(page.locator("mark")).to_have_count(0)
        assert page.request.get(f"{url}/api/v1/library").json()["items"] == []


def test_the_keyboard_is_enough(browser: Browser, house: House, url: str, beckett: Path, tmp_path: Path) -> None:
    """From signing in to a file taken away, without a pointer: what has the focus is always seen."""
    with browser.new_context(locale="en", viewport={"width": 1440, "height": 900}, accept_downloads=True) as context:
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on("filechooser", lambda chooser: chooser.set_files(beckett))
        page.goto(f"{url}/app")
        page.locator("input[type=password]").wait_for()
        tab_to(page, "input[autocomplete~=username], input[type=email]")
        page.keyboard.type("ann@example.org")
        tab_to(page, "input[type=password]")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Your first transcript starts here")).to_be_visible()

        tab_to(page, "button", "Choose files")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Open transcript").wait_for(timeout=90_000)
        tab_to(page, "a[href^='/app/t/']")
        page.keyboard.press("Enter")
        page.locator(".line .words").first.wait_for()
        page.keyboard.press("e")
        page.keyboard.press("Control+Home")
        page.keyboard.type("Beckett: ")
        page.keyboard.press("Escape")
        expect(page.locator(".line .words").first).to_contain_text("Beckett: ")

        tab_to(page, ".panel-buttons button", "Export")
        page.keyboard.press("Enter")
        tab_to(page, "#export-format")
        page.keyboard.type("Plain")
        tab_to(page, "aside button.primary")
        with page.expect_download() as download:
            page.keyboard.press("Enter")
        assert download.value.path().read_text(encoding="utf-8").startswith("Beckett: ")
        page.screenshot(path=shots(tmp_path) / "keyboard.png")
        page.keyboard.press("Escape")
        expect(page.get_by_role("complementary")).to_have_count(0)


def tab_to(page: Page, selector: str, words: str = "", most: int = 80) -> None:
    """Press Tab until that has the focus, which must be seen wherever it goes."""
    for _ in range(most):
        page.keyboard.press("Tab")
        there, seen = page.evaluate(FOCUS, [selector, words])
        assert seen, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        if there:
            return
    pytest.fail(f"Tab does not lead to {selector} {words}")
