"""Signing in, accounts, keys, models and shared transcripts in a real browser, over the real server."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from stenogram.accounts import keys
from stenogram.accounts.keys import Wish
from stenogram.accounts.set_up import SetUp
from stenogram.app import shares
from stenogram.app.enabled import HOST
from stenogram.app.house import House
from stenogram.job import Caller
from stenogram.store import downloads
from stenogram.store.downloads import Download
from tests import scenes
from tests.browser import shots, violations

pytestmark = pytest.mark.slow
EMAIL, PASSWORD, BETTER = "ann@example.org", "correct horse battery", "staple in the moonlight"


@dataclass(frozen=True, slots=True)
class Site:
    """A server whose first user is Ann."""

    url: str
    set_up: SetUp


@pytest.fixture
def site(house: House) -> Iterator[Site]:
    """A server that has printed its token; nobody has an account yet."""
    token = SetUp.begin()
    with scenes.serving(house, set_up=token) as url:
        yield Site(url, token)


@pytest.fixture
def url(site: Site) -> str:
    """The address, for the page."""
    return site.url


@pytest.fixture
def ann(page: Page, site: Site) -> Page:
    """The page, with Ann signed in."""
    begin(page, site)
    return page


def begin(page: Page, site: Site) -> None:
    """Make the first user, and sign in by that."""
    given = {"token": site.set_up.token, "email": EMAIL, "name": "Ann Bell", "password": PASSWORD}
    assert page.request.post(f"{site.url}/api/v1/setup", data=given).ok


def enter(page: Page, email: str, password: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.keyboard.press("Enter")


def sign_out(page: Page, name: str = "Ann Bell") -> None:
    page.get_by_role("button", name=name).click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def heading(page: Page, name: str) -> Locator:
    return page.get_by_role("heading", name=name, level=1)


def test_the_first_account_is_made_with_the_printed_token(page: Page, site: Site) -> None:
    """The token comes with the address and leaves it at once; a wrong one is told beside its field."""
    page.goto(f"{site.url}/app/set-up#token=wrong")
    expect(heading(page, "Create the first account")).to_be_visible()
    assert page.url.endswith("/app/set-up")
    page.get_by_label("Your name").fill("Ann Bell")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill("aaaaaaaaa")
    expect(page.get_by_text("This one will not do")).to_be_visible()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    expect(page.get_by_text("Strong")).to_be_visible()
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_label("Set-up token")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Set-up token")).to_be_focused()

    page.get_by_label("Set-up token").fill(site.set_up.token or "")
    page.get_by_role("button", name="Create account").click()

    expect(page).to_have_url(f"{site.url}/app")
    expect(page.get_by_role("button", name="Ann Bell")).to_be_visible()
    page.goto(f"{site.url}/app/set-up")
    expect(heading(page, "Set-up is done")).to_be_visible()


def test_signing_in_goes_on_where_one_wanted_to_be(ann: Page, site: Site) -> None:
    """A wrong password is told and forgotten; the right one leads on; signed out, nothing is shown."""
    ann.goto(f"{site.url}/app/settings")
    expect(heading(ann, "Settings")).to_be_visible()
    sign_out(ann)
    ann.goto(f"{site.url}/app/settings?a=b")
    enter(ann, EMAIL, "wrong")
    expect(ann.get_by_role("alert")).to_contain_text("does not match")
    enter(ann, EMAIL, PASSWORD)

    expect(heading(ann, "Settings")).to_be_visible()
    assert ann.url == f"{site.url}/app/settings?a=b"


@pytest.mark.parametrize("wanted", ["//evil.example/app", "https://evil.example/app", "/docs", "/app/../docs", "app"])
def test_signing_in_leads_nowhere_but_to_the_page(ann: Page, site: Site, wanted: str) -> None:
    """Whatever a link brings along as the place to go on to."""
    ann.goto(f"{site.url}/app/sign-in?next={quote(wanted)}")
    ann.wait_for_url(f"{site.url}/app")


def test_a_sign_in_that_is_slowed_counts_down(ann: Page, site: Site) -> None:
    """The button says how long, cannot be pressed meanwhile, and then can."""
    ann.context.clear_cookies()
    ann.route("**/api/v1/session", lambda route: route.fulfill(
        status=429, headers={"retry-after": "2"}, json={"error": {"message": "slow", "code": "sign_in_slowed"}},
    ) if route.request.method == "POST" else route.continue_())  # fmt: skip
    ann.goto(f"{site.url}/app/sign-in")
    enter(ann, EMAIL, PASSWORD)

    expect(ann.get_by_role("button", name=re.compile("Again in [12] second"))).to_be_disabled()
    expect(ann.get_by_role("alert")).to_contain_text("Too many attempts")
    expect(ann.get_by_role("button", name="Sign in", exact=True)).to_be_enabled()


def test_a_password_is_shown_on_demand_and_caps_lock_told(ann: Page, site: Site) -> None:
    """And both fields are named so that a password manager fills them in."""
    ann.context.clear_cookies()
    ann.goto(f"{site.url}/app/sign-in")
    field = ann.get_by_label("Password", exact=True)
    assert ann.get_by_label("E-mail address").get_attribute("autocomplete") == "username"
    assert field.get_attribute("autocomplete") == "current-password"
    ann.get_by_role("button", name="Show password").click()
    expect(field).to_have_attribute("type", "text")
    field.evaluate("node => node.dispatchEvent(new KeyboardEvent('keydown', {key: 'A', modifierCapsLock: true}))")
    expect(ann.get_by_text("Caps Lock is on.")).to_be_visible()


def test_where_there_are_keys_only_a_key_signs_in(page: Page, house: House, site: Site) -> None:
    """It may make no other keys; what it may not do is not offered."""
    secret, _ = keys.create(house.db, Wish("robot", scopes=("read",)))
    time.sleep(0.1)
    page.goto(f"{site.url}/app/keys")
    page.get_by_label("API key").fill("stn_no_key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("does not match")
    page.get_by_label("API key").fill(secret)
    page.keyboard.press("Enter")

    expect(page.locator(".row-card")).to_contain_text("robot")
    expect(page.get_by_role("button", name="New key")).to_have_count(0)
    page.goto(f"{site.url}/app/models")
    expect(page.get_by_role("button", name="Get ")).to_have_count(0)


def test_somebody_is_invited_chooses_a_password_and_is_stopped(ann: Page, browser: Browser, site: Site) -> None:
    """The one-time password is shown once; the invited sees no users; deactivated, they are out at the next step."""
    ann.goto(f"{site.url}/app/users")
    ann.get_by_role("button", name="Invite").click()
    dialog = ann.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Boris")
    dialog.get_by_label("E-mail address").fill("boris@example.org")
    dialog.get_by_role("button", name="Invite").click()
    expect(ann.get_by_role("heading", name="Boris can sign in")).to_be_visible()
    given = ann.get_by_role("textbox", name="One-time password").inner_text()
    ann.get_by_role("dialog").get_by_role("button", name="Done").click()
    expect(ann.locator(".row-card")).to_have_count(2)

    boris = browser.new_page()
    boris.goto(f"{site.url}/app/settings")
    enter(boris, "boris@example.org", given)
    expect(boris.get_by_role("heading", name="Choose your own password")).to_be_visible()
    boris.goto(f"{site.url}/app/settings")  # there is no way around it
    boris.get_by_label("Password you were given").fill(given)
    boris.get_by_label("New password").fill(BETTER)
    boris.keyboard.press("Enter")
    expect(heading(boris, "Settings")).to_be_visible()
    boris.get_by_role("button", name="Boris").click()
    expect(boris.get_by_role("menuitem", name="API keys")).to_be_visible()
    expect(boris.get_by_role("menuitem", name="Users")).to_have_count(0)
    boris.goto(f"{site.url}/app/users")
    expect(boris.get_by_role("alert")).to_contain_text("may not see this page")

    ann.get_by_role("button", name="More for Boris").click()
    ann.get_by_role("menuitem", name="Deactivate").click()
    ann.get_by_role("dialog").get_by_role("button", name="Deactivate").click()
    expect(ann.locator(".row-card", has_text="Boris")).to_contain_text("deactivated")
    expect(ann.locator(".log li").first).to_contain_text("Account deactivated: Boris")
    boris.goto(f"{site.url}/app/settings")
    expect(boris.get_by_role("heading", name="Sign in")).to_be_visible()
    boris.close()


def test_roles_change_and_the_last_admin_stays(ann: Page, site: Site) -> None:
    """The refusal says what to do; the log can be read by person."""
    ann.goto(f"{site.url}/app/users")
    ann.get_by_role("button", name="More for Ann Bell").click()
    ann.get_by_role("menuitem", name="Make user").click()
    expect(ann.get_by_role("alert")).to_contain_text("last administrator")
    ann.get_by_role("button", name="More for Ann Bell").click()
    ann.get_by_role("menuitem", name="Change name").click()
    ann.get_by_role("dialog").get_by_label("Name").fill("Anna")
    ann.keyboard.press("Enter")
    expect(ann.locator(".row-card strong")).to_have_text("Anna")
    ann.get_by_label("Person").select_option("Anna")
    expect(ann.locator(".log li").filter(has_text="Account changed")).to_have_count(1)


def test_a_changed_password_ends_the_other_sessions(ann: Page, browser: Browser, site: Site) -> None:
    """A wrong current one is told beside its field. The list shows who is left."""
    other = browser.new_context(user_agent="Mozilla/5.0 (iPhone; like Mac OS X) Safari/604.1")
    assert other.request.post(f"{site.url}/api/v1/session", data={"email": EMAIL, "password": PASSWORD}).ok
    ann.goto(f"{site.url}/app/settings")
    rows = ann.locator("#sessions .row-card")
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text("Safari on iPhone")
    ann.get_by_label("Current password").fill("wrong")
    ann.get_by_label("New password").fill(BETTER)
    ann.get_by_role("button", name="Change password").click()
    expect(ann.get_by_label("Current password")).to_have_attribute("aria-invalid", "true")
    ann.get_by_label("Current password").fill(PASSWORD)
    ann.get_by_role("button", name="Change password").click()

    expect(ann.get_by_text("Your password was changed")).to_be_visible()
    expect(rows).to_have_count(1)
    assert other.request.get(f"{site.url}/api/v1/session").json()["scopes"] == []
    other.close()
    sign_out(ann)
    enter(ann, EMAIL, BETTER)
    expect(ann.get_by_role("button", name="Ann Bell")).to_be_visible()


def test_a_key_is_made_shown_once_used_and_revoked(ann: Page, browser: Browser, site: Site) -> None:
    """The example has the right address; a revoked key opens nothing."""
    ann.goto(f"{site.url}/app/keys")
    expect(ann.get_by_role("heading", name="No keys yet")).to_be_visible()
    ann.get_by_role("button", name="New key").click()
    dialog = ann.get_by_role("dialog")
    dialog.get_by_label("Name").fill("laptop")
    dialog.get_by_label("Expires").select_option("30")
    dialog.get_by_role("button", name="Create key").click()
    secret = ann.get_by_role("textbox", name="API key").inner_text()
    assert secret.startswith("stn_")
    expect(ann.get_by_role("textbox", name="curl")).to_contain_text(f"{site.url}/v1/audio/transcriptions")
    ann.get_by_role("button", name="I have kept it").click()
    expect(ann.locator("dialog")).to_have_count(0)
    assert secret not in ann.content()

    program = browser.new_context(extra_http_headers={"authorization": f"Bearer {secret}"})
    assert program.request.get(f"{site.url}/api/v1/jobs").ok
    ann.reload()
    expect(ann.locator(".row-card")).to_contain_text("used")
    ann.get_by_role("button", name="Revoke laptop").click()
    ann.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(ann.get_by_text("1 that opens nothing any more")).to_be_visible()
    assert program.request.get(f"{site.url}/api/v1/jobs").status == 401
    program.close()


def test_the_language_is_the_browsers_then_the_users(ann: Page, browser: Browser, site: Site) -> None:
    """It goes with the account to another browser."""
    ann.goto(f"{site.url}/app/settings")
    ann.locator("#appearance").get_by_label("Language").select_option("Русский")
    expect(heading(ann, "Настройки")).to_be_visible()
    expect(ann.get_by_role("heading", name="Где вы вошли")).to_be_visible()

    elsewhere = browser.new_page(locale="en-GB")
    elsewhere.goto(f"{site.url}/app/settings")
    enter(elsewhere, EMAIL, PASSWORD)
    expect(heading(elsewhere, "Настройки")).to_be_visible()
    elsewhere.close()


def test_an_open_server_says_how_accounts_are_turned_on(page: Page, site: Site) -> None:
    """Without a login; with the form's link while there is a token."""
    page.goto(f"{site.url}/app/settings")
    expect(page.get_by_role("textbox", name="Command that makes the first administrator")).to_contain_text(
        "stenogram users create --admin"
    )
    page.get_by_role("link", name="Set up accounts").click()
    expect(heading(page, "Create the first account")).to_be_visible()


def test_models_are_fetched_and_given_up_with_progress(page: Page, house: House, site: Site) -> None:
    """As far as the server tells; what failed says why, and can be tried again; found by name and by language."""
    total = 1_617_884_929
    with house.db.write() as tx:
        downloads.put(tx, Download("whisper-large-v3-turbo", HOST, "downloading", total // 2, total))
        downloads.put(tx, Download("whisper-small", HOST, "failed", error="the hub answered 503, five times"))
    page.goto(f"{site.url}/app/models")
    expect(page.get_by_role("progressbar", name="Fetching whisper-large-v3-turbo")).to_have_attribute(
        "aria-valuenow", "50"
    )
    expect(page.locator(".model", has_text="five times")).to_contain_text("whisper-small")
    with house.db.write() as tx:
        downloads.put(tx, Download("whisper-large-v3-turbo", HOST, "absent"))
    expect(page.get_by_role("button", name="Get whisper-large-v3-turbo")).to_be_attached()
    page.get_by_label("Find a model").fill("whisper-tiny")
    expect(page.get_by_role("button", name="Get whisper-tiny", exact=True)).to_be_visible()
    page.get_by_role("button", name="More for moonshine-tiny-en").click()
    page.get_by_role("menuitem", name="Check files").click()
    expect(page.get_by_text("All files are as they should be.")).to_be_visible()


def test_a_shared_transcript_is_read_heard_and_taken_back(ann: Page, house: House, site: Site, beckett: Path) -> None:
    """Without signing in: names, times, a word that plays, files; once taken back the link says so."""
    link, token = scenes.share(house, beckett)
    ann.context.clear_cookies()
    ann.goto(f"{site.url}/app/shared/{token}")
    expect(heading(ann, "talk.wav")).to_be_visible()
    expect(ann.locator(".said-who")).to_have_text(["Ann", "Ben"])
    ann.get_by_text("failed.", exact=True).click()
    expect(ann.locator("[data-at].now")).to_have_text(re.compile("failed|No"))
    ann.get_by_role("button", name="Pause").click()
    expect(ann.get_by_role("button", name="Play", exact=True)).to_be_visible()
    ann.get_by_role("button", name="Download").click()
    with ann.expect_download() as download:
        ann.get_by_role("menuitem", name="Subtitles (SRT)").click()
    assert "-->" in Path(str(download.value.path())).read_text("utf-8")

    shares.revoke(house, Caller("ann", admin=False), link)
    ann.reload()
    expect(heading(ann, "This link is no longer good")).to_be_visible()


def test_a_share_without_the_recording_has_no_player(page: Page, house: House, site: Site, beckett: Path) -> None:
    """The text and its times are there."""
    _, token = scenes.share(house, beckett, media=False)
    page.goto(f"{site.url}/app/shared/{token}")
    expect(page.locator(".said-text").first).to_have_text("Ever tried. Ever failed.")
    expect(page.get_by_role("button", name="Play")).to_have_count(0)


VIEWS: dict[str, Callable[[Page], object]] = {
    "settings": lambda page: page.locator(".llm .badge").wait_for(),
    "keys": lambda page: page.get_by_role("button", name=re.compile("New key|Новый ключ")).click(),
    "users": lambda page: page.get_by_role("button", name=re.compile("Invite|Пригласить")).click(),
    "models": lambda page: page.locator(".model").first.wait_for(),
}


@pytest.mark.parametrize("language", ["en", "ru"])
def test_each_view_is_accessible_and_fits_each_screen(
    browser: Browser, house: House, site: Site, beckett: Path, tmp_path: Path, language: str
) -> None:
    """Nothing that axe finds, nothing beyond the screen; light and dark, phone to wide; also with its dialog open."""
    _, token = scenes.share(house, beckett)
    for scheme, width in (("light", 1440), ("dark", 390)):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="light" if scheme == "light" else "dark",
            locale=language, reduced_motion="reduce",
        )  # fmt: skip
        page = context.new_page()

        def look(name: str, page: Page = page, marks: str = f"{width}-{scheme}-{language}") -> None:
            expect(page.locator("h1").first).to_be_visible()
            assert violations(page) == [], name
            assert page.evaluate("document.documentElement.scrollWidth") == page.evaluate("innerWidth"), name
            page.screenshot(path=shots(tmp_path) / f"{name}-{marks}.png")

        for name in ("sign-in", f"shared/{token}", "shared/gone"):
            if scheme == "light" and name == "sign-in":
                page.goto(f"{site.url}/app/set-up")
                look("set-up")
                begin(page, site)
                context.clear_cookies()
            page.goto(f"{site.url}/app/{name}")
            look(name.partition("/")[0] if name != "shared/gone" else "gone")
        given = {"email": EMAIL, "password": PASSWORD}
        assert page.request.post(f"{site.url}/api/v1/session", data=given).ok
        for name, act in VIEWS.items():
            page.goto(f"{site.url}/app/{name}")
            look(name)
            act(page)
            look(f"{name}-more")
        context.close()
