"""Takes the pictures of docs/images: every screen of the page, over a real server with real transcripts.

``make screenshots`` takes those of the docs; ``python -m tools.screenshots FOLDER --everything`` every screen at 1440,
1024 and 390 pixels, light and dark, in both languages. Both need Chromium, as the browser tests do.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from playwright.sync_api import Browser, Page, expect, sync_playwright

from stenogram.accounts import users
from stenogram.accounts.passwords import Passwords
from stenogram.app.house import House
from stenogram.bundled import asset
from stenogram.config import ServerSettings, Settings
from stenogram.enhancement import Message
from stenogram.store import schema
from stenogram.testing.chat_server import ChatServer
from tests import scenes
from tests.service import REAL, supervise

EMAIL, PASSWORD = "anna.berg@example.org", "correct horse battery"
RECORDINGS = {
    "two_cities.wav": ("A Tale of Two Cities, the first page", ["reading", "dickens"]),
    "beckett.wav": ("Beckett, an evening reading", ["reading"]),
    "endgame_nagg_nell.wav": ("Endgame: Nagg and Nell", ["theatre"]),
}
WIDTHS = (1440, 1024, 390)
HEIGHT = 900
DOCS = Path(__file__).parent.parent / "docs" / "images"


@dataclass(frozen=True, slots=True)
class Site:
    """A server with something in it."""

    url: str
    jobs: dict[str, str]
    """File name -> id."""


Screen = Callable[[Page, Site], None]


def corrected(messages: Sequence[Message]) -> str:
    """Each line with a capital and a full stop, as a small language model would have it."""
    rows = re.findall(r"^\[(\d+)\] (?:[^:\n]{1,40}: )?(.*)$", messages[-1]["content"], re.MULTILINE)
    return "\n".join(
        f"[{number}] {'. '.join(part[:1].upper() + part[1:] for part in text.split('. '))}" for number, text in rows
    )


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS)
    parser.add_argument("--everything", action="store_true", help="every width, scheme and language")
    given = parser.parse_args()
    chromium = os.environ.get("STENOGRAM_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("no Chromium: `apt-get install chromium`, or name one in STENOGRAM_CHROMIUM")
    given.folder.mkdir(parents=True, exist_ok=True)
    with site() as served, sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        if given.everything:
            for language in ("en", "ru"):
                for width in WIDTHS:
                    for scheme in ("light", "dark"):
                        take(browser, served, given.folder, SCREENS, (language, width, scheme))
        else:
            take(browser, served, given.folder, SCREENS, ("en", 1440, "light"), suffix="")
            take(browser, served, given.folder, {"transcript": transcript}, ("ru", 1440, "dark"), suffix="-dark")
            phone = {name: SCREENS[name] for name in ("library", "transcript")}
            take(browser, served, given.folder, phone, ("en", 390, "light"), suffix="-phone")
        browser.close()


def take(
    browser: Browser,
    served: Site,
    folder: Path,
    screens: dict[str, Screen],
    look: tuple[str, int, str],
    suffix: str | None = None,
) -> None:
    """The pictures of these screens in one language, width and scheme."""
    language, width, scheme = look
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        locale=language,
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    name = f"-{width}-{scheme}-{language}" if suffix is None else suffix
    sign_in(page, served)
    if "sign-in" in screens:
        page.screenshot(path=folder / f"sign-in{name}.png")
    page.get_by_role("textbox").nth(0).fill(EMAIL)
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(".view-transcribe")).to_be_visible()
    for screen, show in screens.items():
        if screen == "sign-in":
            continue
        show(page, served)
        page.wait_for_timeout(400)  # for fonts, the waveform and what fades in
        page.screenshot(path=folder / f"{screen}{name}.png")
        print(f"{screen}{name}.png")
    context.close()


# --- the screens -----------------------------------------------------------------------------------------------------


def sign_in(page: Page, served: Site) -> None:
    """Before anybody has signed in."""
    page.goto(f"{served.url}/app/sign-in")
    expect(page.locator("input[type=password]")).to_be_visible()


def opened(path: str, ready: str) -> Screen:
    """A screen that is there once something is seen."""

    def show(page: Page, served: Site) -> None:
        page.goto(served.url + path)
        expect(page.locator(ready).first).to_be_visible()

    return show


def transcript(page: Page, served: Site) -> None:
    """A transcript at a moment."""
    page.goto(f"{served.url}/app/t/{served.jobs['two_cities.wav']}#t=9.4")
    expect(page.locator(".lines li").nth(3)).to_be_visible()


def panel(number: int, ready: str) -> Screen:
    """A transcript with the panel of the button of that number."""

    def show(page: Page, served: Site) -> None:
        transcript(page, served)
        button = page.locator(".panel-buttons button").nth(number)
        if button.get_attribute("aria-pressed") != "true":
            button.click()
        expect(page.locator(f"aside {ready}").first).to_be_visible()

    return show


def found(page: Page, served: Site) -> None:
    """What a search finds."""
    page.goto(f"{served.url}/app/library?q=season")
    expect(page.locator("mark").first).to_be_visible()


def keys(page: Page, served: Site) -> None:
    """The list of keys."""
    transcript(page, served)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


SCREENS: dict[str, Screen] = {
    "sign-in": sign_in,
    "transcribe": opened("/app", ".view-transcribe input[type=file]"),
    "library": opened("/app/library", ".view-library li"),
    "search": found,
    "transcript": transcript,
    "speakers": panel(0, ".speaker"),
    "clean-up": panel(1, ".difference"),
    "export": panel(3, ".preview"),
    "share": panel(5, "#share-days"),
    "keyboard": keys,
    "models": opened("/app/models", ".view-models li"),
    "settings": opened("/app/settings", ".view-settings section"),
    "keys": opened("/app/keys", ".view-keys"),
    "users": opened("/app/users", ".view-users"),
    "dashboard": opened("/", "#devices li"),
}


# --- the server ------------------------------------------------------------------------------------------------------


@contextmanager
def site() -> Iterator[Site]:
    """A real server with real workers, an account, and three recordings that were transcribed and cleaned up."""
    with tempfile.TemporaryDirectory() as home, ChatServer(say=corrected) as chat:
        settings = Settings(home=home, llm_base_url=chat.url)
        with House.open(settings, ServerSettings(worker_devices="none", enhance="always")) as house:
            schema.upgrade(house.db)
            wish = users.Wish(EMAIL, PASSWORD, "Anna Berg", "admin")
            users.create(house.db, Passwords(), wish, None)
            users.create(house.db, Passwords(), users.Wish("boris@example.org", PASSWORD, "Борис Орлов"), None)
            workers = supervise(house, REAL, chat_workers=1)
            workers.start()
            try:
                with scenes.serving(house) as url:
                    yield Site(url, fill(url))
            finally:
                workers.stop(5)


def fill(url: str) -> dict[str, str]:
    """Have the recordings transcribed, named and tagged; gives their ids."""
    with httpx2.Client(base_url=url, timeout=60) as http:
        told = http.post("/api/v1/session", json={"email": EMAIL, "password": PASSWORD}).json()
        http.headers["x-csrf-token"] = told["csrf"]
        http.post("/api/v1/keys", json={"name": "Meeting room", "scopes": ["transcribe"]})
        jobs = {}
        for name, (title, tags) in RECORDINGS.items():
            files = {"file": (name, asset(f"assets/{name}").read_bytes())}
            [job] = http.post("/api/v1/jobs", files=files, data={"diarize": "true"}).json()["jobs"]
            http.patch(f"/api/v1/jobs/{job['id']}", json={"title": title, "tags": tags}).raise_for_status()
            jobs[name] = job["id"]
        for job_id in jobs.values():
            wait(http, f"/api/v1/jobs/{job_id}", "state", "succeeded")
            wait(http, f"/api/v1/transcriptions/{job_id}/enhancement", "llm_enhancement_status", "completed")
        names = http.get(f"/api/v1/transcriptions/{jobs['endgame_nagg_nell.wav']}/speakers").json()["speakers"]
        wish = dict(zip([label for each in names for label in each["labels"]], ("Nagg", "Nell"), strict=False))
        http.patch(f"/api/v1/transcriptions/{jobs['endgame_nagg_nell.wav']}/speakers", json=wish)
    return jobs


def wait(http: httpx2.Client, path: str, field: str, value: str) -> None:
    """Until what is told there is so."""
    end = time.monotonic() + 300
    while http.get(path).json()[field] != value:
        if time.monotonic() > end:
            sys.exit(f"{path}: {field} did not become {value}")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
