"""Signing in and what follows from it, against the whole server: cookies, CSRF, users, set-up, and keys beside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import argon2
import httpx2
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from stenogram import config
from stenogram.accounts import audit, keys, users
from stenogram.accounts.passwords import Passwords
from stenogram.accounts.set_up import SetUp
from stenogram.accounts.throttle import FREE_ON_ACCOUNT
from stenogram.accounts.users import Change, Wish
from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.bundled import asset
from stenogram.config import ServerSettings, Settings
from stenogram.job import Caller
from stenogram.server import auth, follow
from stenogram.server.asgi import build
from stenogram.server.state import State
from stenogram.store import schema
from stenogram.store.database import Database
from stenogram.store.users import Role, User
from tests.integration.conftest import serving
from tests.service import keep

PASSWORD = "correct horse"  # noqa: S105 - of a test
TOKEN = "printed-at-start"  # noqa: S105 - of a test
CHEAP = Passwords(1, 8, 1)


@dataclass
class Site:
    """A server in this process."""

    http: TestClient
    house: House

    @property
    def db(self) -> Database:
        return self.house.db

    @property
    def state(self) -> State:
        state: State = self.http.app.state.stenogram  # type: ignore[attr-defined]
        return state

    def user(self, name: str, role: Role = "user") -> User:
        made = users.create(self.db, CHEAP, Wish(f"{name}@example.org", PASSWORD, name, role), None)
        self.state.forget_callers()
        return made

    def key(self, owner: str, *scopes: str) -> str:
        secret = keys.create(self.db, keys.Wish("desk", owner, scopes or ("transcribe",)))[0]
        self.state.forget_callers()
        return secret

    def browser(self, base: str = "http://localhost:8000") -> Browser:
        return Browser(self, TestClient(self.http.app, base_url=base, raise_server_exceptions=False))

    def signed_in(self, name: str) -> Browser:
        browser = self.browser()
        assert browser.sign_in(name).status_code == 200
        return browser

    def job(self, owner: str | None) -> str:
        caller = Caller(owner, admin=False)
        [job] = jobs.submit(self.house, caller, jobs.Order("v1"), [keep(self.house, asset("assets/beckett.wav"))])
        return jobs.cancel(self.house, caller, job.id).id


@dataclass
class Browser:
    """A browser with its own cookies, whose page sends the token along."""

    site: Site
    http: TestClient
    csrf: str = ""

    def sign_in(self, name: str, password: str = PASSWORD) -> httpx2.Response:
        return self.told(self.http.post("/api/v1/session", json={"email": f"{name}@example.org", "password": password}))

    def told(self, answer: httpx2.Response) -> httpx2.Response:
        if answer.status_code == 200:
            self.csrf = answer.json()["csrf"]
        return answer

    def ask(self, method: str, path: str, json: Any = None) -> httpx2.Response:
        return self.http.request(method, path, json=json, headers={"x-csrf-token": self.csrf})

    def session(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get("/api/v1/session").json()
        return found

    @property
    def cookie(self) -> str:
        return self.http.cookies["stenogram_session"]


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    server = config.read(ServerSettings, getattr(request, "param", {}))
    with House.open(config.read(Settings), server) as house:
        schema.upgrade(house.db)
        app = build(house, SetUp(TOKEN))
        with TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False) as http:
            state: State = app.state.stenogram
            state.sign_in = replace(state.sign_in, passwords=CHEAP)
            yield Site(http, house)


def code(answer: httpx2.Response) -> str:
    found: str = answer.json()["error"]["code"]
    return found


# --- who may enter ---------------------------------------------------------------------------------------------------


def test_without_key_or_user_everybody_is_let_in_and_told_how_to_begin(site: Site) -> None:
    assert site.browser().session() == {
        "mode": "open",
        "setup": True,
        "user": None,
        "key": None,
        "owner": None,
        "scopes": ["*"],
        "csrf": None,
        "expires_at": None,
        "version": "0.1.0",
    }
    assert site.http.post("/api/v1/jobs/absent/cancel").status_code == 404


def test_with_keys_only_who_has_none_is_told_that(site: Site) -> None:
    secret = site.key("anna", "read")
    told = site.browser().session()
    by_key = site.http.get("/api/v1/session", headers={"authorization": f"Bearer {secret}"}).json()

    assert (told["mode"], told["setup"], told["scopes"], told["key"]) == ("keys", True, [], None)
    assert (by_key["owner"], by_key["scopes"], by_key["csrf"]) == ("anna", ["read"], None)
    assert by_key["key"]["name"] == "desk"
    assert site.http.get("/queue").status_code == 401


def test_with_users_nobody_else_enters_and_set_up_is_over(site: Site) -> None:
    ann = site.user("ann", "admin")
    told = site.browser().session()
    assert (told["mode"], told["setup"], told["scopes"], told["user"]) == ("accounts", False, [], None)
    assert site.http.get("/queue").status_code == 401
    browser = site.browser()
    told = browser.sign_in("ann").json()

    assert told == browser.session()
    assert told["user"] == {
        "id": ann.id,
        "email": "ann@example.org",
        "name": "ann",
        "role": "admin",
        "settings": {},
        "must_change": False,
    }
    assert (told["owner"], told["scopes"]) == (ann.id, ["models", "read", "transcribe", "users"])
    assert told["expires_at"] == pytest.approx(time.time() + 15 * 86_400, abs=60)
    assert browser.http.get("/queue").status_code == 200


def test_clients_with_keys_go_on_beside_users_as_before(site: Site) -> None:
    """No cookie, no CSRF token; what they own is theirs."""
    secret = site.key("anna")
    job_id = site.job("anna")
    site.user("ann", "admin")
    header = {"authorization": f"Bearer {secret}"}

    assert site.http.get("/api/v1/jobs", headers=header).json()["jobs"][0]["id"] == job_id
    assert site.http.delete(f"/api/v1/jobs/{job_id}", headers=header).status_code == 204
    assert site.http.patch("/api/v1/me", json={"name": "x"}, headers=header).status_code == 409
    assert site.http.get("/api/v1/users", headers=header).status_code == 403


def test_a_key_goes_before_the_cookie_and_a_bad_one_is_refused_all_the_same(site: Site) -> None:
    site.user("ann", "admin")
    secret, browser = site.key("desk", "read"), site.signed_in("ann")

    by_both = browser.http.get("/api/v1/session", headers={"x-api-key": secret}).json()
    assert (by_both["owner"], by_both["user"]) == ("desk", None)
    assert browser.http.get("/queue", headers={"x-api-key": "stn_wrong"}).status_code == 401
    assert browser.http.get("/queue", headers={"authorization": "Basic eA=="}).status_code == 200  # a proxy's own


# --- the cookie ------------------------------------------------------------------------------------------------------


def flags(answer: httpx2.Response) -> set[str]:
    _, *found = answer.headers["set-cookie"].lower().split("; ")
    return {flag.partition("=")[0] if flag.startswith(("max-age", "expires")) else flag for flag in found}


PLAIN = {"httponly", "samesite=lax", "path=/", "max-age"}


@pytest.mark.parametrize(
    ("site", "base", "secure"),
    [
        ({}, "http://localhost:8000", False),
        ({}, "https://localhost", True),
        ({"secure_cookies": "on"}, "http://localhost:8000", True),
        ({"secure_cookies": "off"}, "https://localhost", False),
    ],
    indirect=["site"],
)
def test_the_cookie_is_for_this_site_and_no_script_and_under_tls_for_tls_alone(
    site: Site, base: str, secure: bool
) -> None:
    site.user("ann", "admin")
    browser = site.browser(base)
    entered = browser.sign_in("ann")
    left = browser.ask("DELETE", "/api/v1/session")

    assert flags(entered) == (PLAIN | {"secure"} if secure else PLAIN)
    assert flags(left) - {"expires"} == flags(entered)
    assert entered.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("trusted", "secure", "address"), [("testclient", True, "192.0.2.7"), ("10.0.0.1", False, "testclient")]
)
def test_only_a_trusted_proxy_is_believed_who_asks_and_how(
    site: Site, trusted: str, secure: bool, address: str
) -> None:
    site.user("ann", "admin")
    behind = ProxyHeadersMiddleware(site.http.app, trusted_hosts=trusted)  # type: ignore[arg-type]
    proxy = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
    http = TestClient(behind, base_url="http://localhost:8000", headers=proxy)  # type: ignore[arg-type]
    answer = http.post("/api/v1/session", json={"email": "ann@example.org", "password": PASSWORD})
    [entry] = [entry for entry in audit.listing(site.db) if entry.action == "sign_in"]

    assert ("secure" in flags(answer)) is secure
    assert entry.address == address


def test_signing_in_again_ends_the_session_that_the_browser_had(site: Site) -> None:
    site.user("ann", "admin")
    browser = site.signed_in("ann")
    old = browser.cookie
    browser.sign_in("ann")

    assert browser.cookie != old
    assert site.http.get("/queue", headers={"cookie": f"stenogram_session={old}"}).status_code == 401
    assert len(browser.http.get("/api/v1/sessions").json()["sessions"]) == 1


# --- CSRF ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, "", "x", "another's", "ключ"])
def test_every_change_by_the_cookie_needs_the_token_of_that_session(site: Site, given: str | None) -> None:
    """Whatever the method and path; a read needs none."""
    site.user("ann", "admin")
    browser, other = site.signed_in("ann"), site.signed_in("ann")
    wrong = {"another's": other.csrf}.get(given or "", given)
    headers = {} if wrong is None else {b"x-csrf-token": wrong.encode()}
    walked = 0
    for method, path in changes(site):
        answer = browser.http.request(method, path, headers=headers, json={})
        if answer.status_code == 400:  # the body is looked at first, and nothing was done
            assert code(answer) == "option_error"
            continue
        assert (answer.status_code, code(answer)) == (403, "csrf_failed"), (method, path)
        walked += 1

    assert walked > 15
    assert browser.http.get("/queue").status_code == 200
    assert browser.session()["user"] is not None


def changes(site: Site) -> list[tuple[str, str]]:
    """Every method and path that changes something for who is signed in."""
    public = {("POST", "/api/v1/session"), ("POST", "/api/v1/setup")}
    spec = site.http.get("/openapi.json").json()["paths"]
    found = [(method.upper(), path) for path, methods in spec.items() for method in methods if method != "get"]
    return [(method, path.replace("{", "").replace("}", "")) for method, path in found if (method, path) not in public]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_with_the_right_token_a_change_goes_through(site: Site, method: str) -> None:
    site.user("ann", "admin")
    browser = site.signed_in("ann")
    path = {
        "POST": "/api/v1/jobs/absent/cancel",
        "PUT": "/api/v1/users",
        "PATCH": "/api/v1/me",
        "DELETE": "/api/v1/jobs/absent",
    }[method]

    assert browser.ask(method, path, {}).status_code == {"PATCH": 200, "PUT": 405}.get(method, 404)


def test_a_page_of_another_origin_does_nothing_with_the_right_token_either(site: Site) -> None:
    site.user("ann", "admin")
    browser = site.signed_in("ann")
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = browser.http.patch("/api/v1/me", json={}, headers={**headers, "x-csrf-token": browser.csrf})
        assert code(answer) == "cross_origin"
        entering = browser.http.post("/api/v1/session", json={"key": "x"}, headers=headers)
        assert code(entering) == "cross_origin"


# --- signing in ------------------------------------------------------------------------------------------------------


def test_unknown_user_wrong_password_and_stopped_user_are_answered_alike(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The body, the status, the headers; and the same hash was computed each time."""
    site.user("ann", "admin")
    gone = site.user("gone")
    users.change(site.db, CHEAP, gone.id, Change(is_active=False), None)
    verify, done = argon2.PasswordHasher.verify, list[str]()

    def counted(self: argon2.PasswordHasher, kept: str, password: bytes) -> Any:
        done.append(str(argon2.extract_parameters(kept)))
        return verify(self, kept, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    asked = [("ann", "wrong horse"), ("nobody", PASSWORD), ("gone", PASSWORD), ("gone", "wrong horse"), ("no one", "")]
    answers = [site.browser().sign_in(name, password) for name, password in asked]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert code(answers[0]) == "sign_in_failed"
    assert len({tuple(sorted(answer.headers.keys())) for answer in answers}) == 1
    assert not any("set-cookie" in answer.headers for answer in answers)
    assert len(done) == 5
    assert len(set(done)) == 1


def test_failures_are_written_down_without_what_was_typed(site: Site) -> None:
    """It may be a password in the wrong field."""
    ann = site.user("ann", "admin")
    site.browser().sign_in("ann", "hunter2hunter2")
    site.http.post("/api/v1/session", json={"email": "hunter3hunter3", "password": "x"})
    site.http.post("/api/v1/session", json={"key": "hunter4hunter4"})
    found = [entry for entry in audit.listing(site.db) if entry.action == "sign_in_failed"]

    assert [entry.subject for entry in found] == ["", "", ann.id]
    assert "hunter" not in str(audit.listing(site.db))


def test_who_fails_again_and_again_must_wait_known_or_not(site: Site) -> None:
    """Also with the right password, and it is told for how long."""
    site.user("ann", "admin")
    slowed = []
    for name in ("ann", "nobody"):
        for _ in range(FREE_ON_ACCOUNT):
            assert site.browser().sign_in(name, "wrong horse").status_code == 401
        slowed.append(site.browser().sign_in(name))

    assert {answer.status_code for answer in slowed} == {429}
    assert {code(answer) for answer in slowed} == {"sign_in_slowed"}
    assert {answer.headers["retry-after"] for answer in slowed} == {"1"}
    assert slowed[0].text == slowed[1].text


def test_many_at_once_have_no_more_attempts_than_one_after_the_other(site: Site) -> None:
    site.user("ann", "admin")
    statuses: list[int] = []
    wrong = {"email": "ann@example.org", "password": "wrong horse"}
    threads = [
        threading.Thread(target=lambda: statuses.append(site.http.post("/api/v1/session", json=wrong).status_code))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses.count(401) == FREE_ON_ACCOUNT
    assert statuses.count(429) == 12 - FREE_ON_ACCOUNT


@pytest.mark.parametrize(
    "body",
    [{}, {"email": "ann@example.org"}, {"password": "x"}, {"email": "a@b", "password": "x", "key": "y"}, {"email": 1}],
)
def test_half_of_what_is_needed_is_a_wrong_request(site: Site, body: dict[str, Any]) -> None:
    assert site.http.post("/api/v1/session", json=body).status_code == 400


def test_a_hash_of_old_parameters_is_renewed_at_the_next_sign_in(site: Site) -> None:
    ann = site.user("ann", "admin")
    newer = Passwords(2, 8, 1)
    site.state.sign_in = replace(site.state.sign_in, passwords=newer)
    assert newer.is_outdated(ann.password)
    site.signed_in("ann")

    assert not newer.is_outdated(users.find(site.db, ann.id).password)
    site.signed_in("ann")


def test_a_sign_in_that_a_change_overtakes_does_not_outlive_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the hash was computed the user was stopped, which ended all sessions."""
    site.user("ann", "admin")
    bob = site.user("bob")
    check = Passwords.check

    def slow(self: Passwords, stored: str | None, password: str) -> bool:
        found = check(self, stored, password)
        users.change(site.db, CHEAP, bob.id, Change(is_active=False), None)
        return found

    monkeypatch.setattr(Passwords, "check", slow)

    assert site.browser().sign_in("bob").status_code == 401


# --- what a session may, and how it ends -----------------------------------------------------------------------------


def test_each_user_sees_their_own_recordings_and_an_admin_no_others(site: Site) -> None:
    ann, bob = site.user("ann", "admin"), site.user("bob")
    mine, theirs, nobodys = site.job(ann.id), site.job(bob.id), site.job(None)
    admin = site.signed_in("ann")

    assert [job["id"] for job in admin.http.get("/api/v1/jobs").json()["jobs"]] == [mine]
    for other in (theirs, nobodys, "absent"):
        assert admin.http.get(f"/api/v1/jobs/{other}").status_code == 404
        assert admin.ask("DELETE", f"/api/v1/jobs/{other}").status_code == 404
    assert site.signed_in("bob").http.get(f"/api/v1/jobs/{theirs}").status_code == 200


def test_signing_out_ends_the_session_for_good(site: Site) -> None:
    site.user("ann", "admin")
    browser = site.signed_in("ann")
    cookie = browser.cookie
    assert browser.ask("DELETE", "/api/v1/session").status_code == 204
    assert "stenogram_session" not in browser.http.cookies

    assert site.http.get("/queue", headers={"cookie": f"stenogram_session={cookie}"}).status_code == 401
    assert browser.ask("DELETE", "/api/v1/session").status_code == 204  # again does no harm


def test_a_session_that_is_over_is_nobody(site: Site) -> None:
    site.user("ann", "admin")
    browser = site.signed_in("ann")
    site.state.sessions.clock = lambda: time.time() + 15 * 86_400 + 60
    site.state.sessions.forget()

    assert browser.http.get("/queue").status_code == 401
    assert browser.session()["scopes"] == []


def test_one_s_sessions_are_listed_and_ended_one_by_one_or_all_but_the_current_one(site: Site) -> None:
    site.user("ann", "admin")
    site.user("bob")
    here, there, elsewhere, bob = (site.signed_in(name) for name in ("ann", "ann", "ann", "bob"))
    listed = {s["id"]: s for s in here.http.get("/api/v1/sessions").json()["sessions"]}
    [current] = [s["id"] for s in listed.values() if s["current"]]
    [of_there] = [s["id"] for s in there.http.get("/api/v1/sessions").json()["sessions"] if s["current"]]
    assert len(listed) == 3
    assert {(s["address"], s["agent"]) for s in listed.values()} == {("testclient", "testclient")}

    assert bob.ask("DELETE", f"/api/v1/sessions/{current}").status_code == 404
    assert here.ask("DELETE", f"/api/v1/sessions/{of_there}").status_code == 204
    assert [b.http.get("/queue").status_code for b in (here, there, elsewhere)] == [200, 401, 200]
    assert here.ask("DELETE", "/api/v1/sessions").status_code == 204
    assert [b.http.get("/queue").status_code for b in (here, elsewhere, bob)] == [200, 401, 200]


def test_a_new_password_ends_the_other_sessions(site: Site) -> None:
    site.user("ann", "admin")
    here, there = site.signed_in("ann"), site.signed_in("ann")
    wrong = here.ask("POST", "/api/v1/me/password", {"current": "wrong horse", "new": "another horse"})
    weak = here.ask("POST", "/api/v1/me/password", {"current": PASSWORD, "new": "short"})
    same = here.ask("POST", "/api/v1/me/password", {"current": PASSWORD, "new": PASSWORD})
    assert [(a.status_code, code(a)) for a in (wrong, weak, same)] == [
        (400, "wrong_password"),
        (400, "weak_password"),
        (400, "weak_password"),
    ]
    assert there.http.get("/queue").status_code == 200
    changed = here.ask("POST", "/api/v1/me/password", {"current": PASSWORD, "new": "another horse"})

    assert changed.status_code == 204
    assert [b.http.get("/queue").status_code for b in (here, there)] == [200, 401]
    assert site.browser().sign_in("ann").status_code == 401
    assert site.browser().sign_in("ann", "another horse").status_code == 200


def test_who_has_a_session_cannot_guess_the_password_without_end(site: Site) -> None:
    site.user("ann", "admin")
    browser = site.signed_in("ann")
    body = {"current": "wrong horse", "new": "another horse"}
    answers = [browser.ask("POST", "/api/v1/me/password", body).status_code for _ in range(FREE_ON_ACCOUNT + 1)]

    assert answers == [400] * FREE_ON_ACCOUNT + [429]


def test_what_the_page_remembers_comes_back(site: Site) -> None:
    site.user("ann", "admin")
    browser = site.signed_in("ann")
    changed = browser.ask("PATCH", "/api/v1/me", {"name": "Anna", "settings": {"theme": "dark"}})

    assert changed.json() == browser.session()["user"]
    assert (changed.json()["name"], changed.json()["settings"]) == ("Anna", {"theme": "dark"})
    assert browser.ask("PATCH", "/api/v1/me", {"settings": {"x": "y" * 20_000}}).status_code == 400
    for odd in ("NaN", r'"\ud800"', "[" * 900 + "]" * 900):  # kept once, they would fail every answer
        sent = {"x-csrf-token": browser.csrf, "content-type": "application/json"}
        answer = browser.http.request("PATCH", "/api/v1/me", content=f'{{"settings": {{"x": {odd}}}}}', headers=sent)
        assert answer.status_code == 400
        assert browser.http.get("/api/v1/session").status_code == 200


def test_without_accounts_the_page_is_told_to_remember_for_itself(site: Site) -> None:
    answer = site.http.patch("/api/v1/me", json={"settings": {"theme": "dark"}})

    assert (answer.status_code, code(answer)) == (409, "no_accounts")
    assert code(site.http.get("/api/v1/sessions")) == "no_accounts"


@pytest.mark.parametrize("site", [{"requests_per_minute": 3}], indirect=True)
def test_limits_hold_for_each_user_wherever_they_are_signed_in(site: Site) -> None:
    site.user("ann", "admin")
    site.user("bob")
    here, there, bob = site.signed_in("ann"), site.signed_in("ann"), site.signed_in("bob")
    statuses = [browser.http.get("/queue").status_code for browser in (here, there, here, there, bob)]

    assert statuses == [200, 200, 200, 429, 200]


# --- the socket ------------------------------------------------------------------------------------------------------


def test_the_socket_of_the_dashboard_takes_the_cookie(site: Site) -> None:
    site.user("ann", "admin")
    browser = site.signed_in("ann")
    headers = {"host": "localhost:8000", "cookie": f"stenogram_session={browser.cookie}"}
    with site.http.websocket_connect("/ws/dashboard", headers=headers) as ws:
        assert ws.receive_json()["auth"] is True


def test_the_socket_opens_to_no_page_of_another_origin_and_to_no_ended_session(site: Site) -> None:
    site.user("ann", "admin")
    browser = site.signed_in("ann")
    headers = {"host": "localhost:8000", "cookie": f"stenogram_session={browser.cookie}"}
    evil = {**headers, "origin": "https://evil.example"}
    with pytest.raises(WebSocketDisconnect), site.http.websocket_connect("/ws/dashboard", headers=evil):
        pass
    browser.ask("DELETE", "/api/v1/session")
    with (
        site.http.websocket_connect("/ws/dashboard", headers=headers) as ws,
        pytest.raises(WebSocketDisconnect) as closed,
    ):
        ws.receive_json()

    assert closed.value.code == 4401


# --- keys that sign in -----------------------------------------------------------------------------------------------


def test_a_key_signs_in_with_its_rights_and_its_session_ends_with_it(site: Site) -> None:
    secret = site.key("anna", "read")
    job_id = site.job("anna")
    browser = site.browser()
    told = browser.told(browser.http.post("/api/v1/session", json={"key": secret})).json()
    assert (told["mode"], told["owner"], told["scopes"], told["user"]) == ("keys", "anna", ["read"], None)
    assert told["key"]["name"] == "desk"
    assert browser.http.get(f"/api/v1/jobs/{job_id}").status_code == 200
    assert browser.ask("DELETE", f"/api/v1/jobs/{job_id}").status_code == 403
    assert len(browser.http.get("/api/v1/sessions").json()["sessions"]) == 1
    keys.revoke(site.db, secret)
    site.state.forget_callers()

    assert browser.http.get(f"/api/v1/jobs/{job_id}").status_code == 401
    assert browser.session()["scopes"] == []


def test_a_wrong_key_does_not_sign_in(site: Site) -> None:
    site.key("anna")
    answer = site.http.post("/api/v1/session", json={"key": "stn_abcdefgh_" + "x" * 43})

    assert (answer.status_code, code(answer)) == (401, "sign_in_failed")
    assert answer.text == site.browser().sign_in("nobody").text


# --- users -----------------------------------------------------------------------------------------------------------


def test_an_admin_makes_users_and_the_password_is_told_once(site: Site) -> None:
    site.user("ann", "admin")
    admin = site.signed_in("ann")
    made = admin.ask("POST", "/api/v1/users", {"email": "bob@example.org", "name": "Bob"})
    password = made.json()["password"]
    bob = site.browser()

    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert bob.sign_in("bob", password).json()["user"]["must_change"] is True
    assert password not in admin.http.get("/api/v1/users").text
    assert bob.ask("POST", "/api/v1/me/password", {"current": password, "new": "my own horse"}).status_code == 204
    assert bob.session()["user"]["must_change"] is False


def test_users_are_listed_with_what_an_admin_needs_and_nothing_secret(site: Site) -> None:
    ann = site.user("ann", "admin")
    site.job(ann.id)
    [listed] = site.signed_in("ann").http.get("/api/v1/users").json()["users"]

    assert listed.keys() == {
        *("id", "email", "name", "role", "is_active", "must_change", "created_at", "seen_at", "recordings")
    }
    assert (listed["id"], listed["recordings"]) == (ann.id, 1)


def test_users_are_for_who_has_the_scope(site: Site) -> None:
    site.user("ann", "admin")
    bob = site.user("bob")
    browser = site.signed_in("bob")
    for method, path, body in (
        ("GET", "/api/v1/users", None),
        ("POST", "/api/v1/users", {"email": "eve@example.org", "role": "admin"}),
        ("PATCH", f"/api/v1/users/{bob.id}", {"role": "admin"}),
    ):
        assert browser.ask(method, path, body).status_code == 403
        for scope, status in (("models", 403), ("users", 200), ("admin", 200)):
            if method == "GET":
                header = {"x-api-key": site.key("desk", scope)}
                assert site.http.get(path, headers=header).status_code == status


def test_a_user_who_is_stopped_is_out_at_once_with_their_keys_and_may_come_again(site: Site) -> None:
    site.user("ann", "admin")
    bob = site.user("bob")
    admin, browser = site.signed_in("ann"), site.signed_in("bob")
    secret, job_id = site.key(bob.id), site.job(bob.id)
    header = {"authorization": f"Bearer {secret}"}
    assert site.http.get("/queue", headers=header).status_code == 200
    answer = admin.ask("PATCH", f"/api/v1/users/{bob.id}", {"is_active": False})
    assert (answer.status_code, answer.json()["is_active"]) == (200, False)

    assert browser.http.get("/queue").status_code == 401
    assert site.http.get("/queue", headers=header).status_code == 401
    assert site.browser().sign_in("bob").status_code == 401
    admin.ask("PATCH", f"/api/v1/users/{bob.id}", {"is_active": True})
    assert browser.http.get("/queue").status_code == 401  # that session is over
    assert site.http.get(f"/api/v1/jobs/{job_id}", headers=header).status_code == 200
    assert site.signed_in("bob").http.get(f"/api/v1/jobs/{job_id}").status_code == 200


def test_a_change_of_role_is_felt_at_once(site: Site) -> None:
    site.user("ann", "admin")
    bob = site.user("bob")
    admin, browser = site.signed_in("ann"), site.signed_in("bob")
    admin.ask("PATCH", f"/api/v1/users/{bob.id}", {"role": "admin"})
    assert browser.http.get("/api/v1/users").status_code == 200
    admin.ask("PATCH", f"/api/v1/users/{bob.id}", {"role": "user"})

    assert browser.http.get("/api/v1/users").status_code == 403


@pytest.mark.parametrize("change", [{"role": "user"}, {"is_active": False}])
def test_the_last_admin_stays(site: Site, change: dict[str, Any]) -> None:
    ann = site.user("ann", "admin")
    admin = site.signed_in("ann")
    answer = admin.ask("PATCH", f"/api/v1/users/{ann.id}", change)

    assert (answer.status_code, code(answer)) == (409, "last_admin")
    assert admin.http.get("/api/v1/users").status_code == 200


def test_a_password_that_an_admin_sets_or_has_made_signs_its_user_out(site: Site) -> None:
    site.user("ann", "admin")
    bob = site.user("bob")
    admin = site.signed_in("ann")
    for given, told in (("another horse", None), (None, "made")):
        browser = site.browser()
        assert browser.sign_in("bob", "another horse" if given is None else PASSWORD).status_code == 200
        answer = admin.ask("PATCH", f"/api/v1/users/{bob.id}", {"password": given})
        assert browser.http.get("/queue").status_code == 401
        assert (answer.json()["password"] is None) is (told is None)
        opened = site.browser().sign_in("bob", given or answer.json()["password"])
        assert opened.json()["user"]["must_change"] is True
    assert admin.ask("PATCH", f"/api/v1/users/{bob.id}", {"name": "B"}).json()["password"] is None


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"email": "ann@example.org"}, 409, "email_taken"),
        ({"email": "nobody"}, 400, "option_error"),
        ({"email": "bob@example.org", "password": "short"}, 400, "weak_password"),
        ({"email": "bob@example.org", "role": "king"}, 400, "option_error"),
        ({}, 400, "option_error"),
    ],
)
def test_a_user_who_cannot_be_is_refused(site: Site, body: dict[str, Any], status: int, expected: str) -> None:
    site.user("ann", "admin")
    answer = site.signed_in("ann").ask("POST", "/api/v1/users", body)

    assert (answer.status_code, code(answer)) == (status, expected)


def test_nobody_makes_users_without_accounts_but_by_set_up(site: Site) -> None:
    """Where everybody may everything, the first user would lock the others out; it takes who started the server."""
    answer = site.http.post("/api/v1/users", json={"email": "eve@example.org", "role": "admin"})

    assert (answer.status_code, code(answer)) == (409, "no_accounts")


# --- set-up ----------------------------------------------------------------------------------------------------------


def test_the_printed_token_makes_the_first_admin_once_who_gets_what_there_was(site: Site) -> None:
    job_id = site.job(None)
    wish = {"token": TOKEN, "email": "Ann@example.org", "name": "Ann", "password": PASSWORD}
    wrong = site.http.post("/api/v1/setup", json={**wish, "token": "x"})
    weak = site.http.post("/api/v1/setup", json={**wish, "password": "short"})
    assert [(a.status_code, code(a)) for a in (wrong, weak)] == [(403, "set_up_refused"), (400, "weak_password")]
    assert site.browser().session()["mode"] == "open"
    browser = site.browser()
    told = browser.told(browser.http.post("/api/v1/setup", json=wish)).json()

    assert (told["mode"], told["setup"], told["user"]["role"]) == ("accounts", False, "admin")
    assert [job["id"] for job in browser.http.get("/api/v1/jobs").json()["jobs"]] == [job_id]
    assert site.http.get("/queue").status_code == 401
    again = site.http.post("/api/v1/setup", json={**wish, "email": "eve@example.org"})
    assert (again.status_code, code(again)) == (403, "set_up_refused")


def test_a_token_is_worth_nothing_when_a_user_was_made_elsewhere(site: Site) -> None:
    """On the command line, while the server ran."""
    users.create(site.db, CHEAP, Wish("ann@example.org", PASSWORD, role="admin"), None)
    wish = {"token": TOKEN, "email": "eve@example.org", "password": PASSWORD}

    assert code(site.http.post("/api/v1/setup", json=wish)) == "set_up_refused"
    assert len(users.listing(site.db)) == 1


def test_without_a_printed_token_there_is_no_set_up(tmp_path: Path) -> None:
    with House.open(config.read(Settings), config.read(ServerSettings)) as house:
        schema.upgrade(house.db)
        with TestClient(build(house), base_url="http://localhost:8000") as http:
            assert http.get("/api/v1/session").json()["setup"] is False
            answer = http.post("/api/v1/setup", json={"token": "", "email": "a@b.de", "password": PASSWORD})
    assert answer.status_code == 403


# --- as an operator starts it ----------------------------------------------------------------------------------------


def test_a_server_prints_where_accounts_begin_and_then_lets_others_in_behind_tls(tmp_path: Path) -> None:
    """First without accounts, then with them on an open address behind a proxy."""
    with serving(tmp_path, "--worker-devices", "none", ready=False) as server, server.client() as http:
        deadline = time.monotonic() + 20
        while not any("#token=" in line for line in server.log):
            assert time.monotonic() < deadline, server.log
            time.sleep(0.02)
        [line] = [line for line in server.log if "#token=" in line]
        token = line.partition("#token=")[2].split()[0]
        wish = {"token": token, "email": "ann@example.org", "password": PASSWORD}
        assert http.get("/queue").status_code == 200
        assert http.post("/api/v1/setup", json=wish).status_code == 200
        assert f"{server.url}/app/set-up" in line
    flags_ = ("--worker-devices", "none", "--host", "0.0.0.0", "--trusted-proxies", "127.0.0.0/8")  # noqa: S104 - the point
    with serving(tmp_path, *flags_, ready=False) as server, server.client() as http:
        assert http.get("/queue").status_code == 401
        body = {"email": "ann@example.org", "password": PASSWORD}
        proxy = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
        answer = http.post("/api/v1/session", json=body, headers=proxy)
        plain = http.post("/api/v1/session", json=body)
        cookie = {"cookie": plain.headers["set-cookie"].split(";")[0]}
        found = http.get("/api/v1/sessions", headers=cookie).json()["sessions"]
        assert not any("#token=" in line for line in server.log)

    assert "secure" in flags(answer)
    assert "secure" not in flags(plain)
    assert {listed["address"] for listed in found if not listed["current"]} >= {"192.0.2.7"}


# --- streams that go on ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["signed out", "deactivated", "revoked"])
def test_who_may_not_enter_any_more_follows_nothing_any_more(
    site: Site, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A job may run for hours."""
    monkeypatch.setattr(auth, "CHECK_S", 0.0)
    monkeypatch.setattr(follow, "_LOOK_AGAIN_S", 0.05)
    site.user("boss", "admin")
    ann, browser = site.user("ann"), site.browser()
    browser.sign_in("ann")
    key = site.key("ann@example.org")
    path = site.house.settings.data_dir / "a.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"sound")
    [job] = jobs.submit(site.house, Caller(ann.id, admin=False), jobs.Order("v1"), [keep(site.house, path)])

    headers = {"x-api-key": key} if how == "revoked" else {}
    other = site.browser()
    other.sign_in("ann")
    with ThreadPoolExecutor(1) as pool:
        stream = pool.submit(browser.http.get, f"/api/v1/jobs/{job.id}/events", headers=headers)
        time.sleep(0.3)
        assert not stream.done()
        if how == "signed out":
            assert other.ask("DELETE", "/api/v1/sessions").status_code == 204
        elif how == "deactivated":
            users.change(site.db, CHEAP, ann.id, Change(is_active=False), None)
            site.state.forget_callers()
        else:
            keys.revoke(site.db, key)
            site.state.forget_callers()
        assert stream.result(20.0).status_code == 200

    assert jobs.find_any(site.house, job.id).state == "queued"
