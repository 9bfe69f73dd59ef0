"""The transcript page under three hours of speech (30,000 words): when it is there, how typing and scrolling feel.

Chromium is taken from STENOGRAM_CHROMIUM, or found on the PATH. Of every time the median and the worst are told, and
how much of it was work: the rest is waiting, on a busy machine for others.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence

from playwright.sync_api import Page, sync_playwright

from stenogram.app.house import House
from stenogram.bundled import asset
from stenogram.config import ServerSettings, Settings
from stenogram.store import schema
from tests import scenes
from tests.talks import done, long_talk

ROUNDS = 5
KEYS, WORD_KEYS = 60, 6

FRAMES = """async (distance) => {
    const frames = [];
    let last = performance.now();
    const end = last + 3000;
    while (last < end) {
        scrollBy(0, distance);
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        frames.push(now - last);
        last = now;
    }
    return frames;
}"""
WATCH_KEYS = """() => {
    window.delays = [];
    addEventListener("keydown", (event) => {
        requestAnimationFrame(() => setTimeout(() => window.delays.push(performance.now() - event.timeStamp)));
    }, true);
}"""
TEXT_VISIBLE = """() => document.querySelector(".line .words")?.textContent && performance.now()"""


def main() -> None:
    """Serve a long transcript and measure."""
    path = os.environ.get("STENOGRAM_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("No Chromium: `apt-get install chromium`, or name one in STENOGRAM_CHROMIUM.")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with (
        tempfile.TemporaryDirectory() as home,
        House.open(Settings(home=home), ServerSettings(worker_devices="none")) as house,
        sync_playwright() as playwright,
    ):
        schema.upgrade(house.db)
        transcript = long_talk()
        job = done(house, transcript, asset("assets/two_cities.wav"))
        print(f"{sum(len(each.words) for each in transcript.segments)} words, {len(transcript.segments)} segments")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])
        with scenes.serving(house) as url:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            spent = clock(page)
            told("text visible after navigation, ms", [opened(page, f"{url}/app/t/{job}") for _ in range(ROUNDS)])
            print(f"  of it work of the page's main thread, ms: {spent() / ROUNDS:.0f}")
            print("nodes in the page:", page.evaluate("document.querySelectorAll('*').length"))
            told("a key until the next frame is drawn, ms", typed(page))
            print(f"  of it work, ms: {spent() / KEYS:.1f}")
            for distance in (60, 600, 6000):
                spent()
                frames = page.evaluate(FRAMES, distance)
                told(f"a frame while scrolling {distance} pixels each, ms", frames)
                print(f"  of it work, ms: {spent() / len(frames):.1f}")
            print("nodes after scrolling:", page.evaluate("document.querySelectorAll('*').length"))
        browser.close()


def opened(page: Page, address: str) -> float:
    """Milliseconds from navigation to the first line of text."""
    page.goto("about:blank")  # so that nothing of the page before is left
    page.goto(address, wait_until="commit")
    return float(page.wait_for_function(TEXT_VISIBLE, polling="raf").json_value())


def clock(page: Page) -> Callable[[], float]:
    """Gives the milliseconds that the page's main thread has worked since it was asked last."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    last = 0.0

    def spent() -> float:
        nonlocal last
        metrics = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
        before, last = last, 1000 * float(metrics["TaskDuration"])
        return last - before

    return spent


def typed(page: Page) -> list[float]:
    """Milliseconds from each key to the frame after it, in the middle of the text."""
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    page.locator(".line .words").nth(20).click()
    page.evaluate(WATCH_KEYS)
    for number in range(KEYS):
        page.keyboard.press("a" if number % WORD_KEYS else " ")
    page.wait_for_function("(count) => window.delays.length >= count", arg=KEYS)
    found: list[float] = page.evaluate("window.delays")
    return found


def told(name: str, values: Sequence[float]) -> None:
    """Print median and worst."""
    print(f"{name}: median {statistics.median(values):.1f}, worst {max(values):.1f} ({len(values)})")


if __name__ == "__main__":
    main()
