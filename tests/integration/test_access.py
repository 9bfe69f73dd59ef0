"""Who may do what on the whole server, route by route: without keys, with them, and with those of another owner."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import openai
import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from stenogram import config
from stenogram.accounts import keys as accounts
from stenogram.accounts.keys import Wish
from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.bundled import asset
from stenogram.config import ServerSettings, Settings
from stenogram.errors import NotAllowed
from stenogram.job import Caller
from stenogram.server.asgi import build
from stenogram.server.auth import SUBPROTOCOL
from stenogram.server.run import check_bind
from stenogram.store import schema
from tests.service import keep

PAGES = ("/", "/docs", "/app", "/app/absent")
PUBLIC = {(method, path) for method in ("GET", "HEAD") for path in PAGES} | {
    ("GET", "/health"),
    ("GET", "/openapi.json"),
    *((method, "/api/v1/session") for method in ("GET", "POST", "DELETE")),
    ("POST", "/api/v1/setup"),
}
WRONG = "stn_abcdefgh_" + "x" * 43


@dataclass
class Site:
    """A server in this process, and the keys of its people."""

    http: TestClient
    house: House

    def key(self, name: str, *scopes: str, per_minute: int | None = None) -> str:
        wish = Wish(name, scopes=scopes or ("transcribe",), requests_per_minute=per_minute)
        return accounts.create(self.house.db, wish)[0]

    def socket(self, *offered: str, **headers: str) -> WebSocketTestSession:
        return self.http.websocket_connect(
            "/ws/dashboard", subprotocols=offered or None, headers={"host": "localhost:8000", **headers}
        )

    def ask(self, method: str, path: str, key: str | None = None, **headers: str) -> int:
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        status: int = self.http.request(method, path, headers=headers).status_code
        return status

    def job(self, owner: str | None) -> str:
        """A finished job of someone's."""
        caller = Caller(owner, admin=False)
        order = jobs.Order("v1", callback_url="http://127.0.0.1:9/")
        [job] = jobs.submit(self.house, caller, order, [keep(self.house, asset("assets/beckett.wav"))])
        return jobs.cancel(self.house, caller, job.id).id


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    changes = {"callback_allow": "127.0.0.1", **getattr(request, "param", {})}
    settings, server = config.read(Settings), config.read(ServerSettings, changes)
    with House.open(settings, server) as house:
        schema.upgrade(house.db)
        app = build(house)
        with TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False) as http:
            yield Site(http, house)


def templates(http: TestClient) -> set[tuple[str, str]]:
    """Every method and path there is, documented or not, with ``{names}`` for what is filled in."""
    app = http.app
    spec = http.get("/openapi.json").json()["paths"]
    found = {(method.upper(), path) for path, methods in spec.items() for method in methods}
    found |= {
        (method, route.path.replace(":path}", "}"))
        for route in app.routes  # type: ignore[attr-defined]
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert len(found) > 25
    return found


def routes(http: TestClient, **filled: str) -> list[tuple[str, str]]:
    """Every method and path there is."""
    return sorted(
        (method, re.sub(r"{(\w+)}", lambda part: filled.get(part[1], "absent"), path))
        for method, path in templates(http)
    )


def test_without_keys_everybody_may_do_everything_with_any_header(site: Site) -> None:
    """OpenAI's clients always send a key."""
    for key in (None, "any", WRONG):
        assert site.ask("GET", "/queue", key) == 200
        assert site.ask("GET", "/api/v1/jobs", key) == 200
    assert site.ask("GET", "/queue", authorization="Basic eA==") == 200
    assert site.http.get("/dashboard/state").json()["auth"] is False


def test_with_keys_every_route_but_the_public_ones_needs_one(site: Site) -> None:
    site.key("anna")
    for method, path in routes(site.http):
        for given in (None, WRONG):
            status = site.ask(method, path, given)
            public = (method, path) in PUBLIC or path.startswith("/api/v1/shared/")  # whose token is the key
            assert (status == 401) is not public, (method, path, status)
    assert site.ask("GET", "/web/index.html") == 200


def test_the_refusal_is_the_same_whatever_is_wrong(site: Site) -> None:
    site.key("anna")
    revoked = site.key("gone")
    accounts.revoke(site.house.db, revoked)
    wrong: tuple[dict[str, str], ...] = (
        {},
        {"authorization": f"Bearer {WRONG}"},
        {"authorization": f"Bearer {revoked}"},
        {"authorization": "Bearer "},
        {"authorization": "Basic eA=="},
        {"x-api-key": ""},
    )
    answers = [site.http.get(path, headers=headers) for path in ("/queue", "/v1/models") for headers in wrong]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert {answer.headers["x-should-retry"] for answer in answers} == {"false"}
    assert answers[0].json()["error"].keys() == {"message", "type", "param", "code"}
    assert answers[0].json()["error"]["code"] == "invalid_api_key"


def test_a_key_comes_in_any_of_the_usual_headers_but_not_in_the_address(site: Site) -> None:
    """Proxies and browsers write addresses down."""
    key = site.key("anna")
    for name, value in (
        ("Authorization", f"Bearer {key}"),
        ("Authorization", f"bearer  {key} "),
        ("X-API-Key", key),
        ("api-key", key),
    ):
        assert site.http.get("/queue", headers={name: value}).status_code == 200
    assert site.ask("GET", f"/queue?api_key={key}&key={key}&token={key}&access_token={key}") == 401


def test_a_key_does_what_its_scopes_say_and_gets_403_for_the_rest(site: Site) -> None:
    for scope, allowed in {
        "read": {"read"},
        "transcribe": {"read", "transcribe"},
        "models": {"models"},
        "admin": {"read", "transcribe", "models"},
        "*": {"read", "transcribe", "models"},
    }.items():
        key = site.key("anna", scope)
        asked = {
            "read": site.ask("GET", "/queue", key),
            "transcribe": site.ask("POST", "/api/v1/jobs/absent/cancel", key),
            "models": site.ask("POST", "/api/v1/models/absent/enable", key),
        }
        assert {name for name, status in asked.items() if status != 403} == allowed
        assert {status for name, status in asked.items() if name in allowed} <= {200, 404}


def test_another_owner_s_job_is_not_there(site: Site) -> None:
    """Where owners are only names, too, and there are no users (with them: ``test_ownership``)."""
    anna, bert, boss = site.key("anna"), site.key("bert"), site.key("boss", "admin")
    job_id = site.job("anna")
    for path in (f"/api/v1/jobs/{job_id}", f"/api/v1/jobs/{job_id}/callback", f"/status?job_id={job_id}"):
        assert [site.ask("GET", path, key) for key in (anna, bert, boss)] == [200, 404, 200], path
    assert site.ask("DELETE", f"/api/v1/jobs/{job_id}", bert) == 404
    assert site.ask("DELETE", f"/api/v1/jobs/{job_id}", anna) == 204


def test_lists_hold_the_caller_s_own_jobs_and_an_admin_s_hold_all(site: Site) -> None:
    anna, boss = site.key("anna"), site.key("boss", "admin")
    mine, theirs, nobodys = (site.job(owner) for owner in ("anna", "bert", None))
    listed = {
        key: {job["id"] for job in site.http.get("/api/v1/jobs", headers={"x-api-key": key}).json()["jobs"]}
        for key in (anna, boss)
    }

    assert listed[anna] == {mine}
    assert listed[boss] == {mine, theirs, nobodys}


def test_the_socket_of_the_dashboard_takes_the_key_as_a_subprotocol(site: Site) -> None:
    """Browsers cannot set headers there."""
    key = site.key("anna", "read")
    with site.socket(SUBPROTOCOL + key) as ws:
        assert ws.receive_json()["auth"] is True
    with site.socket(authorization=f"Bearer {key}") as ws:
        assert ws.receive_json()["auth"] is True


def test_the_socket_of_the_dashboard_opens_to_nobody_else_and_says_why(site: Site) -> None:
    """A refused handshake would tell a browser nothing."""
    key = site.key("anna", "models")
    codes = []
    for offered in ((), (SUBPROTOCOL + WRONG,), (SUBPROTOCOL,), (SUBPROTOCOL + key,)):
        with site.socket(*offered) as ws, pytest.raises(WebSocketDisconnect) as closed:
            ws.receive_json()
        codes.append(closed.value.code)

    assert codes[:3] == [4401] * 3
    assert codes[3] in (4401, 4403)


@pytest.mark.parametrize("site", [{"requests_per_minute": 2}], indirect=True)
def test_a_key_s_own_limit_goes_before_the_setting(site: Site) -> None:
    plain, more, free = site.key("anna"), site.key("bert", per_minute=3), site.key("c", per_minute=0)
    statuses = {key: [site.ask("GET", "/queue", key) for _ in range(4)] for key in (plain, more, free)}

    assert statuses[plain] == [200, 200, 429, 429]
    assert statuses[more] == [200, 200, 200, 429]
    assert statuses[free] == [200] * 4


@pytest.mark.parametrize("site", [{"requests_per_minute": 2}], indirect=True)
def test_a_limit_is_told_on_each_answer_and_where_it_is_over(site: Site) -> None:
    """Without keys it holds for each address."""
    answers = [site.http.get("/queue") for _ in range(3)]

    assert [answer.headers["x-ratelimit-limit-requests"] for answer in answers] == ["2", "2", "2"]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["1", "0", "0"]
    assert answers[2].status_code == 429
    assert int(answers[2].headers["retry-after"]) in range(25, 31)
    assert answers[2].json()["error"]["type"] == "rate_limit_error"
    assert site.ask("GET", "/health") == 200


@pytest.mark.parametrize("site", [{"max_concurrent": 1}], indirect=True)
def test_requests_at_once_are_counted_until_their_answers_have_ended(site: Site) -> None:
    """Also with streams, and one that has ended makes room."""
    job_id = site.job(None)
    with site.http.stream("GET", f"/api/v1/jobs/{job_id}/events") as stream:
        assert stream.status_code == 200
        stream.read()

    assert site.ask("GET", "/queue") == 200
    assert site.ask("GET", "/status") == 400
    assert site.ask("GET", "/queue") == 200


def test_a_bad_key_is_an_authentication_error_to_openai_s_client(site: Site) -> None:
    site.key("anna")

    async def ask() -> None:
        transport = httpx2.ASGITransport(app=site.http.app)
        async with (
            httpx2.AsyncClient(transport=transport) as http,
            openai.AsyncOpenAI(base_url="http://localhost/v1", api_key="sk-wrong", http_client=http) as client,
        ):
            await client.models.list()

    with pytest.raises(openai.AuthenticationError) as refused:
        asyncio.run(ask())
    assert refused.value.code == "invalid_api_key"


def test_a_request_that_fails_for_a_fault_carries_its_id(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(jobs, "find", broken)
    answer = site.http.get("/api/v1/jobs/x", headers={"x-request-id": "mine"})

    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "mine"
    assert answer.json()["error"]["code"] == "internal_error"


@pytest.mark.parametrize(
    ("host", "no_auth", "locked", "may"),
    [
        ("127.0.0.1", False, False, True),
        ("::1", False, False, True),
        ("0.0.0.0", False, False, False),  # noqa: S104 - what an operator may give
        ("", False, False, False),
        ("192.168.1.5", False, False, False),
        ("0.0.0.0", True, False, True),  # noqa: S104 - as above
        ("0.0.0.0", False, True, True),  # noqa: S104 - as above
    ],
)
def test_listening_for_others_needs_a_key_or_a_word(host: str, no_auth: bool, locked: bool, may: bool) -> None:
    server = ServerSettings(host=host, no_auth=no_auth)
    if may:
        check_bind(server, locked=locked)
        return
    with pytest.raises(NotAllowed, match=r"stenogram users create.*stenogram keys create.*--no-auth"):
        check_bind(server, locked=locked)


def test_a_server_that_may_not_listen_says_what_to_do_and_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stenogram.cli.main", "serve", "--host", "0.0.0.0", "--port", "0"]  # noqa: S104 - the point
    done = subprocess.run([*command, "--home", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode != 0
    assert "stenogram keys create" in done.stderr
    assert "--no-auth" in done.stderr
    assert "stenogram is at" not in done.stderr
