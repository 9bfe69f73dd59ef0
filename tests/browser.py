"""What tests in a real browser share: Chromium, a page that must not complain, a served house, and axe.

Chromium is taken from STENOGRAM_CHROMIUM, or found on the PATH. With STENOGRAM_SHOTS the pictures are kept there.
``conftest.py`` beside the tests gives them the fixtures.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.store import schema
from tests import scenes

expect.set_options(timeout=15_000)
WATCH_FAULTS = """
window.faults = [];
document.addEventListener("securitypolicyviolation", (event) => window.faults.push(`CSP: ${event.violatedDirective}`));
"""
QUIET = """() => new Promise((done) => {
    const watch = new MutationObserver(() => {
        clearTimeout(timer);
        timer = setTimeout(done, 300);
    });
    let timer = setTimeout(done, 300);
    setTimeout(done, 5000);
    watch.observe(document.body, {subtree: true, childList: true, attributes: true});
})"""
"""Until nothing in the page has changed for a moment: what is half drawn is not to be judged."""
_EXPECTED = re.compile(
    r"WebSocket connection to|status of 503|ERR_CONNECTION|net::ERR_(FAILED|INTERNET_DISCONNECTED)|"
    r"status of 4\d\d .*\(/(api|v1|dashboard)/"
)
"""What browsers say by themselves of a server that is gone or refuses: the page tells of it, and tests look at that."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("STENOGRAM_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium: `apt-get install chromium`, or name one in STENOGRAM_CHROMIUM")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1600, "height": 900}, accept_downloads=True)
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, url: str) -> Iterator[Page]:
    """A page that must not complain: no error in its console, none thrown, no violation of the policy.

    It is closed before the server that it follows is.
    """
    opened = context.new_page()
    faults: list[str] = []
    opened.add_init_script(WATCH_FAULTS)
    opened.on("console", lambda message: faults.append(fault_of(message)) if is_fault(message) else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    yield opened
    faults += opened.evaluate("window.faults ?? []")
    opened.close()
    unexpected = [fault for fault in faults if not _EXPECTED.search(fault)]
    assert not unexpected, unexpected


def is_fault(message: ConsoleMessage) -> bool:
    return message.type in ("error", "warning")


def fault_of(message: ConsoleMessage) -> str:
    return f"{message.text} ({urlsplit(message.location['url']).path})"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House.open(Settings(home=str(tmp_path)), ServerSettings(worker_devices="none")) as opened:
        schema.upgrade(opened.db)
        yield opened


@pytest.fixture
def url(house: House) -> Iterator[str]:
    with scenes.serving(house) as address:
        yield address


def shots(tmp_path: Path) -> Path:
    """Where pictures go."""
    return Path(os.environ.get("STENOGRAM_SHOTS") or tmp_path)


def violations(page: Page, within: str | None = None) -> list[dict[str, Any]]:
    """What axe-core finds wrong with the page as it stands (WCAG A and AA, and good practice); `within` a selector."""
    page.evaluate(QUIET)
    found = Axe().run(page, context=within).response["violations"]
    return [
        {"rule": each["id"], "help": each["help"], "nodes": [node["html"][:200] for node in each["nodes"]]}
        for each in found
    ]
