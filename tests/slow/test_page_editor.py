"""The transcript in a real browser, over the real server: hearing, writing, saving, and three hours of it.

With STENOGRAM_SHOTS the pictures are kept there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from stenogram.app.house import House
from stenogram.store import claims, events, jobs, results
from stenogram.store.tables import jobs as job_table
from stenogram.types import Transcript
from tests.browser import shots, violations
from tests.service import keep
from tests.talks import done, long_talk, spoken, talk

pytestmark = pytest.mark.slow
A, B = "SPEAKER_00", "SPEAKER_01"
TALK = talk(
    (
        spoken(0, 1.0, "It was the best of times.", A),
        spoken(1, 5.0, "It was the worst of times, I believe.", A, doubt=0.2),
        spoken(2, 10.0, "Who told you that?", B),
        spoken(3, 14.0, "A man in the street.", A),
    ),
    duration=44.0,
)
WORD_BOX = """([row, word]) => {
    const node = document.querySelectorAll(".line .words")[row].firstChild;
    const range = document.createRange();
    const at = node.data.indexOf(word);
    range.setStart(node, at);
    range.setEnd(node, at + word.length);
    const box = range.getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];
}"""


@pytest.fixture
def job(house: House, two_cities: Path) -> str:
    """A short talk of two people that is done."""
    return done(house, TALK, two_cities)


@pytest.fixture
def opened(page: Page, url: str, job: str) -> Page:
    """The page with the short talk."""
    return open_job(page, url, job)


def open_job(page: Page, url: str, job: str, moment: str = "") -> Page:
    page.goto(f"{url}/app/t/{job}{moment}")
    expect(page.locator(".line").first).to_be_visible()
    return page


def words(page: Page, row: int) -> Locator:
    return page.locator(".line .words").nth(row)


def texts(page: Page) -> list[str]:
    return page.locator(".line .words").all_text_contents()


def click_word(page: Page, row: int, word: str) -> None:
    x, y = page.evaluate(WORD_BOX, [row, word])
    page.mouse.click(x, y)


def saved(page: Page, url: str, job: str, version: int) -> list[dict[str, Any]]:
    """The segments that the server has once all is saved."""
    expect(page.locator(".save-state")).to_have_attribute("data-state", "saved")
    document = page.request.get(f"{url}/api/v1/transcriptions/{job}/document").json()
    assert document["version"] >= version
    found: list[dict[str, Any]] = document["segments"]
    return found


def media_time(page: Page) -> float:
    return float(page.evaluate("document.querySelector('video').currentTime"))


def test_a_click_on_a_word_plays_it_and_the_address_tells_the_moment(opened: Page) -> None:
    """The caret goes there, too; Alt with K pauses while the caret stays in the text."""
    click_word(opened, 1, "worst")
    opened.wait_for_function(
        "() => !document.querySelector('video').paused && document.querySelector('video').currentTime > 6.3"
    )
    assert 6.2 <= media_time(opened) < 12
    expect(opened).to_have_url(re.compile(r"#t=6\.2$"))
    expect(words(opened, 1)).to_be_focused()
    opened.keyboard.press("Alt+k")
    opened.wait_for_function("() => document.querySelector('video').paused")
    expect(words(opened, 1)).to_be_focused()
    assert texts(opened)[1] == TALK.segments[1].text


def test_a_link_to_a_moment_opens_there(page: Page, url: str, job: str) -> None:
    open_job(page, url, job, "#t=10.9")
    page.wait_for_function("() => Math.abs(document.querySelector('video').currentTime - 10.9) < 0.01")
    expect(page.locator(".line").nth(2)).to_have_class(re.compile(r"\bnow\b"))


def test_words_keep_their_times_over_an_edit(opened: Page, url: str, job: str) -> None:
    """Of the words that stay; the changed one lies where the old one lay, and says that its time was fitted."""
    before = saved(opened, url, job, 0)[1]["words"]
    click_word(opened, 1, "worst")
    opened.keyboard.press("Home")
    for _ in range(len("It was the ")):
        opened.keyboard.press("ArrowRight")
    opened.keyboard.type("very ")

    expect(words(opened, 1)).to_have_text(re.compile(r"very"))
    segment = saved(opened, url, job, 1)[1]
    assert "very" in segment["text"]
    kept = [word for word in segment["words"] if word[0] != "very"]
    assert kept == before
    [new] = [word for word in segment["words"] if word[0] == "very"]
    assert new[4] == 1
    opened.reload()
    expect(words(opened, 1)).to_have_text(segment["text"])


def test_split_and_join_are_undone_and_done_again(opened: Page, url: str, job: str) -> None:
    """Down to the times of the words as the server has them."""
    before = saved(opened, url, job, 0)
    click_word(opened, 0, "best")
    opened.keyboard.press("Home")
    for _ in range(len("It was the ")):
        opened.keyboard.press("ArrowRight")
    opened.keyboard.press("Enter")
    assert texts(opened)[:2] == ["It was the", "best of times."]
    expect(words(opened, 1)).to_be_focused()
    after = saved(opened, url, job, 1)
    assert [word for each in after[:2] for word in each["words"]] == before[0]["words"]
    assert after[0]["speaker"] == after[1]["speaker"] == A

    opened.keyboard.press("Control+z")
    assert texts(opened) == [each.text for each in TALK.segments]
    assert times(saved(opened, url, job, 2)) == times(before)
    opened.keyboard.press("Control+Shift+z")
    assert texts(opened)[:2] == ["It was the", "best of times."]
    words(opened, 1).click()
    opened.keyboard.press("Home")
    opened.keyboard.press("Backspace")
    assert texts(opened)[0] == TALK.segments[0].text
    assert times(saved(opened, url, job, 2)) == times(before)
    opened.keyboard.press("End")
    opened.keyboard.press("Delete")
    assert len(texts(opened)) == 3


def times(segments: list[dict[str, Any]]) -> list[Any]:
    return [(each["text"], each["start"], each["end"], each["speaker"], each["words"]) for each in segments]


def test_a_speaker_is_changed_for_one_segment_and_for_a_marked_passage(opened: Page, url: str, job: str) -> None:
    words(opened, 3).click()
    opened.keyboard.press("Alt+s")
    opened.get_by_role("menuitem", name="New speaker").click()
    opened.get_by_role("textbox", name="Name").fill("Ann")
    opened.get_by_role("button", name="Add").click()
    expect(opened.get_by_role("button", name="Speaker: Ann. Change")).to_be_visible()
    assert [each["speaker"] for each in saved(opened, url, job, 1)] == [A, A, B, "Ann"]

    opened.keyboard.press("Escape")
    opened.evaluate(
        """() => {
            const rows = document.querySelectorAll(".line .words");
            getSelection().setBaseAndExtent(rows[0].firstChild, 11, rows[1].firstChild, 6);
        }"""
    )
    opened.keyboard.press("s")
    opened.get_by_role("menuitemradio", name=B).click()
    expect(opened.locator(".line")).to_have_count(6)
    found = saved(opened, url, job, 2)
    assert [(each["text"], each["speaker"]) for each in found[:4]] == [
        ("It was the", A),
        ("best of times.", B),
        ("It was", B),
        ("the worst of times, I believe.", A),
    ]
    opened.keyboard.press("Control+z")
    assert texts(opened)[:2] == [each.text for each in TALK.segments[:2]]


def test_a_segment_emptied_is_deleted_and_comes_back(opened: Page, url: str, job: str) -> None:
    """Not before the caret leaves it."""
    words(opened, 2).click()
    opened.keyboard.press("Control+a")
    opened.keyboard.press("Delete")
    assert len(texts(opened)) == 4
    opened.keyboard.press("Escape")
    assert len(saved(opened, url, job, 1)) == 3
    opened.keyboard.press("Control+z")
    expect(opened.locator(".line")).to_have_count(4)
    assert saved(opened, url, job, 2)[2]["text"] == TALK.segments[2].text


def test_a_second_tab_learns_of_what_the_first_one_saves(
    opened: Page, context: BrowserContext, url: str, job: str
) -> None:
    other = open_job(context.new_page(), url, job)
    words(opened, 0).click()
    opened.keyboard.press("End")
    opened.keyboard.type(" Truly.")
    expect(words(other, 0)).to_have_text(re.compile(r"Truly\.$"))
    words(other, 3).click()
    other.keyboard.press("End")
    other.keyboard.type(" Indeed.")
    expect(words(opened, 3)).to_have_text(re.compile(r"Indeed\.$"))
    found = saved(other, url, job, 2)
    assert found[0]["text"].endswith("Truly.")
    assert found[3]["text"].endswith("Indeed.")
    other.close()


@pytest.mark.parametrize("choice", ["mine", "theirs"])
def test_two_who_edit_the_same_passage_are_asked(
    opened: Page, browser: Browser, url: str, job: str, choice: str
) -> None:
    """What does not clash is brought together without a question; nothing is lost without an answer."""
    other = browser.new_context()
    elsewhere = open_job(other.new_page(), url, job)
    words(elsewhere, 1).click()
    elsewhere.keyboard.press("End")
    elsewhere.keyboard.type(" Theirs.")
    saved(elsewhere, url, job, 1)
    words(elsewhere, 2).click()
    elsewhere.keyboard.press("End")
    elsewhere.keyboard.type(" Too.")
    saved(elsewhere, url, job, 2)

    words(opened, 0).click()
    opened.keyboard.press("End")
    opened.keyboard.type(" Clean.")
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("End")
    opened.keyboard.type(" Mine.")
    question = opened.get_by_role("dialog")
    expect(question).to_contain_text("Theirs.")
    expect(question).to_contain_text("Mine.")
    opened.keyboard.press("Escape")
    expect(opened.locator(".save-state")).to_have_attribute("data-state", "conflict")
    opened.get_by_role("button", name="Decide").click()
    if choice == "mine":
        question.get_by_role("radio", name="My version").check()
        question.get_by_role("button", name="Save what is chosen").click()
    else:
        question.get_by_role("button", name="Save what is chosen").click()
    found = saved(opened, url, job, 3)
    assert found[0]["text"].endswith("Clean.")
    assert found[1]["text"].endswith("Mine." if choice == "mine" else "Theirs.")
    assert found[2]["text"].endswith("Too.")
    expect(words(opened, 2)).to_have_text(found[2]["text"])
    other.close()


def test_what_is_written_while_the_server_is_gone_is_saved_when_it_is_back(
    opened: Page, context: BrowserContext, url: str, job: str
) -> None:
    context.set_offline(True)
    words(opened, 0).click()
    opened.keyboard.press("End")
    opened.keyboard.type(" Offline.")
    expect(opened.locator(".save-state")).to_have_attribute("data-state", "offline")
    opened.keyboard.type(" Still.")
    context.set_offline(False)
    assert saved(opened, url, job, 1)[0]["text"].endswith("Offline. Still.")
    assert opened.evaluate("Object.keys(localStorage).filter((name) => name.includes('unsaved'))") == []


def test_what_a_closed_tab_had_not_saved_comes_back(page: Page, context: BrowserContext, url: str, job: str) -> None:
    """Also where it was a split: that has no id on the server yet."""
    first = context.new_page()
    first.route(re.compile("/document$"), refuse_to_save)
    open_job(first, url, job)
    click_word(first, 2, "told")
    first.keyboard.press("Home")
    for _ in range(len("Who ")):
        first.keyboard.press("ArrowRight")
    first.keyboard.press("Enter")
    first.keyboard.type("She ")
    expect(first.locator(".save-state")).to_have_attribute("data-state", "offline")
    first.close()
    open_job(page, url, job)
    expect(page.locator(".line")).to_have_count(5)
    found = saved(page, url, job, 1)
    assert [each["text"] for each in found[2:4]] == ["Who", "She told you that?"]


def refuse_to_save(route: Route) -> None:
    """As where the line is lost in the middle of it."""
    if route.request.method == "PATCH":
        route.abort()
    else:
        route.continue_()


def test_three_hours_are_in_the_page_only_as_far_as_they_are_seen(
    page: Page, house: House, url: str, two_cities: Path
) -> None:
    """30,000 words; what is written far below stays where it is while the reader looks elsewhere."""
    transcript = long_talk()
    assert sum(len(each.words) for each in transcript.segments) == 30_000
    job = done(house, transcript, two_cities)
    open_job(page, url, job)
    nodes = "document.querySelectorAll('*').length"
    assert page.evaluate(nodes) < 1000
    expect(words(page, 0)).to_have_text(transcript.segments[0].text)

    middle = transcript.segments[len(transcript.segments) // 2]
    open_job(page, url, job, f"#t={middle.start + 0.1:.1f}")
    page.reload()
    row = page.locator(f'.line[data-index="{len(transcript.segments) // 2}"]')
    expect(row.locator(".words")).to_be_in_viewport()
    row.locator(".words").click()
    page.keyboard.press("End")
    page.keyboard.type(" Far")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.locator(f'.line[data-index="{len(transcript.segments) - 1}"]')).to_be_in_viewport()
    page.keyboard.type(" below.")
    assert page.evaluate(nodes) < 1000
    found = saved(page, url, job, 1)
    assert found[len(transcript.segments) // 2]["text"] == f"{middle.text} Far below."
    page.evaluate("scrollTo(0, 0)")
    expect(page.locator('.line[data-index="0"]')).to_be_in_viewport()


def test_an_edit_moves_nothing_that_is_above_it(page: Page, house: House, url: str, two_cities: Path) -> None:
    """Nor does another line that comes to be while somebody types."""
    transcript = long_talk(4000)
    job = done(house, transcript, two_cities)
    open_job(page, url, job, f"#t={transcript.segments[5].start + 0.1:.1f}")
    expect(page.locator(".line.now")).to_be_in_viewport()
    number = int(page.locator(".line.now").get_attribute("data-index") or 0)
    row = page.locator(f'.line[data-index="{number - 1}"]')
    page.locator(f'.line[data-index="{number}"] .words').click()
    page.keyboard.press("Alt+k")
    top = row.bounding_box()
    page.keyboard.press("End")
    page.keyboard.type(" and so on" * 12)
    after = row.bounding_box()
    assert top is not None
    assert after is not None
    assert abs(top["y"] - after["y"]) < 1


def test_it_can_be_used_by_keyboard_alone(opened: Page, url: str, job: str) -> None:
    """Space plays, Enter writes, Escape leaves, and `?` lists every key."""
    opened.locator("main").focus()
    opened.keyboard.press("Space")
    opened.wait_for_function("() => !document.querySelector('video').paused")
    opened.keyboard.press("k")
    opened.wait_for_function("() => document.querySelector('video').paused")
    at = media_time(opened)
    opened.keyboard.press("ArrowRight")
    assert media_time(opened) == pytest.approx(at + 5, abs=0.1)
    opened.keyboard.press("n")
    expect(words(opened, 1)).to_be_focused()
    opened.keyboard.press("Escape")
    opened.keyboard.press("Enter")
    expect(opened.locator(".line.typing")).to_have_count(1)
    opened.keyboard.press("Control+Home")
    opened.keyboard.type("Well: ")
    opened.keyboard.press("Escape")
    opened.keyboard.press("?")
    listed = opened.get_by_role("dialog").locator("dd")
    expect(listed).to_have_count(
        opened.evaluate("import('/web/app/transcript/keys.js').then(({ KEYS }) => KEYS.length)")
    )
    opened.keyboard.press("Escape")
    opened.keyboard.press("Control+z")
    assert texts(opened) == [each.text for each in TALK.segments]

    slider = opened.get_by_role("slider", name="Position in the recording")
    slider.focus()
    opened.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", "0")
    opened.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "0:05 of 0:44")


def test_the_text_arrives_while_the_job_runs(page: Page, house: House, url: str, two_cities: Path) -> None:
    """Its place in the queue, its stages and segments; then it can be edited, without a reload."""
    media = keep(house, two_cities)
    with house.db.write() as tx:
        job, _ = jobs.put(tx, jobs.NewJob("v1", media, "moonshine-tiny-en", {}))
    page.goto(f"{url}/app/t/{job.id}")
    expect(page.locator(".standing")).to_have_text(re.compile("Number 1 in the queue"))
    with house.db.write() as tx:
        tx.connection.execute(job_table.update().where(job_table.c.id == job.id).values(state="running", attempt=1))
        events.add(
            tx, job.id, 1, [("state", {"state": "running"}), ("stage", {"stage": "transcribe", "progress": 0.5})]
        )
        segment = TALK.segments[0]
        told = {"id": 0, "start": segment.start, "end": segment.end, "text": segment.text}
        events.add(tx, job.id, 1, [("segment", told)])
    expect(page.locator(".line .words")).to_have_text([TALK.segments[0].text])
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "0.5")
    with house.db.write() as tx:
        tx.connection.execute(job_table.update().where(job_table.c.id == job.id).values(state="queued"))
        claims.answer(tx, job.id, TALK, results.pack(TALK))
    expect(page.locator(".save-state")).to_have_attribute("data-state", "saved")
    expect(page.locator(".line")).to_have_count(4)


def test_what_has_no_text_says_why(page: Page, house: House, url: str, two_cities: Path) -> None:
    """Failed, without speech, and where the recording was deleted since."""
    media = keep(house, two_cities)
    with house.db.write() as tx:
        failed, _ = jobs.put(tx, jobs.NewJob("v1", media, "moonshine-tiny-en", {}))
        values = {"state": "failed", "error": "The file has no sound.", "error_code": "no_sound"}
        tx.connection.execute(job_table.update().where(job_table.c.id == failed.id).values(**values))
    page.goto(f"{url}/app/t/{failed.id}")
    expect(page.get_by_text("The file has no sound.")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.goto(f"{url}/app/t/{done(house, Transcript((), 10.0), two_cities)}")
    expect(page.get_by_role("heading", name="No speech was found")).to_be_visible()
    gone = done(house, TALK, two_cities)
    with house.db.write() as tx:
        tx.connection.execute(job_table.update().where(job_table.c.id == gone).values(media_url=None))
    open_job(page, url, gone)
    expect(page.get_by_text("can still be read")).to_be_visible()
    expect(page.get_by_role("button", name="Play", exact=False)).to_have_count(
        4
    )  # those of the times, for the keyboard


@pytest.mark.parametrize("language", ["en", "ru"])
def test_it_fits_every_screen_and_everybody(
    browser: Browser, house: House, url: str, two_cities: Path, tmp_path: Path, language: str
) -> None:
    """From a phone to a wide screen, dark and light: nothing beyond the edge, and nothing that axe finds."""
    many = []
    for place in range(12):
        said = TALK.segments[place % 4]
        many.append(spoken(place, 1.0 + 3.5 * place, said.text, said.speaker, said.words[-1].probability or 0.0))
    job = done(house, talk(many, duration=44.0), two_cities, "tale-of-two-cities.wav")
    for scheme in ("light", "dark"):
        for width in (1440, 1024, 390):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, locale=language)
            open_job(page, url, job, "#t=6")
            expect(page.locator(".line.now")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert violations(page) == []
            page.screenshot(path=shots(tmp_path) / f"transcript-{language}-{scheme}-{width}.png")
            words(page, 2).click()
            page.keyboard.press("Alt+/")
            expect(page.get_by_role("dialog")).to_be_visible()
            assert violations(page) == []
            page.close()
