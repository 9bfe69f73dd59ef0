"""What stands before every route: the names that are answered, the origins that may change things, ids, headers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Mapping

import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from stenogram.app.log import REQUEST_ID
from stenogram.server.guard import ANSWER_HEADERS, MOST_BODY_BYTES, OWN_LIMIT, Guard, Names, is_loopback, names_of

EVIL = "https://evil.example"


def app_of(names: Names, origins: tuple[str, ...] = ()) -> Guard:
    """A small app behind the guard."""
    app = FastAPI()

    @app.api_route("/thing", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    async def thing(request: Request) -> dict[str, str | None]:
        request.scope["state"][ANSWER_HEADERS] = {"x-left": "3"}
        return {"id": REQUEST_ID.get()}

    @app.api_route("/health", methods=["GET", "POST"])
    async def health() -> str:
        return "ready"

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    @app.exception_handler(Exception)
    async def fault(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse({"id": REQUEST_ID.get()}, 500)

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(REQUEST_ID.get() or "")
        await websocket.close()

    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=list(origins), allow_methods=["*"])
    return Guard(app.build_middleware_stack(), names, origins)


def client(
    host: str = "127.0.0.1", allowed: str = "", origins: tuple[str, ...] = (), address: str = "localhost:8000"
) -> TestClient:
    guard = app_of(names_of(host, allowed), origins)
    return TestClient(guard, base_url=f"http://{address}", raise_server_exceptions=False)


LOOPBACK = ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "[::1]", "LOCALHOST.", "localhost.:80"]
FOREIGN = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "evil-localhost",
    "127.0.0.1.evil.example",
    "localhost@evil.example",
    "192.168.1.5",
    "127.0.0.2",
    "[::1",
    "",
    "*",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_this_machine_s_names_are_answered(host: str) -> None:
    assert client().get("/thing", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_a_name_that_is_not_ours_is_refused(host: str) -> None:
    """DNS rebinding: a page's own name suddenly means 127.0.0.1."""
    answer = client().get("/thing", headers={"host": host})

    assert answer.status_code == 421
    assert "STENOGRAM_ALLOWED_HOSTS" in answer.json()["error"]["message"]
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("listening", "allowed", "host", "answered"),
    [
        ("192.168.1.5", "", "192.168.1.5:8000", True),
        ("192.168.1.5", "", "192.168.1.6:8000", False),
        ("stt.example.org", "", "STT.example.org", True),
        ("127.0.0.1", "stt.example.org, other.example.org", "other.example.org", True),
        ("127.0.0.1", "stt.example.org:8000", "stt.example.org", True),
        ("127.0.0.1", "https://stt.example.org/", "stt.example.org", True),
        ("127.0.0.1", "stt.example.org", "a.stt.example.org", False),
        ("127.0.0.1", "*.example.org", "a.b.example.org", True),
        ("127.0.0.1", "*.example.org", "example.org", False),
        ("127.0.0.1", "*.example.org", "evilexample.org", False),
        ("127.0.0.1", "::1,fe80::2", "[fe80::2]:80", True),
        ("127.0.0.1", "*", "evil.example", True),
        ("127.0.0.1", " , ", "", False),
        ("0.0.0.0", "", "192.168.1.5:8000", True),  # noqa: S104 - what an operator may give
        ("::", "", "[fd00::7]:8000", True),
        ("", "", "10.0.0.1", True),
        ("0.0.0.0", "", "evil.example", False),  # noqa: S104 - as above
        ("0.0.0.0", "", "10.0.0.1.evil.example", False),  # noqa: S104 - as above
        ("0.0.0.0", "", f"{socket.gethostname()}:8000", True),  # noqa: S104 - as above
        ("0.0.0.0", "", f"{socket.gethostname()}.local", True),  # noqa: S104 - as above
        ("127.0.0.1", "", "some-machine.local", False),
    ],
)
def test_which_names_follow_from_the_settings(listening: str, allowed: str, host: str, answered: bool) -> None:
    """Where it listens on all addresses any number will do: it cannot be rebound, and a container knows not its own."""
    answer = client(listening, allowed).get("/thing", headers={"host": host})

    assert answer.status_code == (200 if answered else 421)


def test_health_answers_by_any_name_and_only_to_who_asks() -> None:
    strange = {"host": "10.1.2.3"}

    assert client().get("/health", headers=strange).status_code == 200
    assert client().post("/health", headers=strange).status_code == 421
    assert client().get("/health/x", headers=strange).status_code == 421


SAME = {"origin": "http://localhost:8000"}
REFUSED = [
    {"origin": EVIL},
    {"origin": EVIL, "sec-fetch-site": "cross-site"},
    {"origin": "http://localhost:3000"},
    {"origin": "http://localhost"},
    {"origin": "http://127.0.0.1:8000"},
    {"origin": "http://localhost:8000.evil.example"},
    {"origin": "http://localhost:8000@evil.example"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "http://["},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {**SAME, "sec-fetch-site": "cross-site"},
]
LET_IN: list[Mapping[str, str]] = [
    {},
    SAME,
    {"origin": "HTTP://LOCALHOST:8000"},
    {**SAME, "sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
]


@pytest.mark.parametrize("headers", REFUSED, ids=str)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_page_of_another_origin_changes_nothing(method: str, headers: dict[str, str]) -> None:
    """There is no login here: this is what keeps any page that the user has open from using the server."""
    answer = client().request(method, "/thing", headers=headers)

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "cross_origin"
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("headers", REFUSED, ids=str)
def test_a_cross_site_form_with_a_file_is_refused(headers: dict[str, str]) -> None:
    """Browsers send multipart forms across sites without asking first."""
    answer = client().post("/thing", files={"file": b"sound"}, data={"model": "base"}, headers=headers)

    assert answer.status_code == 403


@pytest.mark.parametrize("headers", LET_IN, ids=str)
def test_programs_and_our_own_pages_may_change_things(headers: dict[str, str]) -> None:
    assert client().post("/thing", headers=headers).status_code == 200
    assert client().post("/thing", files={"file": b"sound"}, headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["get", "head"])
def test_who_only_looks_is_not_asked_for_an_origin(method: str) -> None:
    """The browser keeps the answer from a foreign page: there is no CORS header."""
    answer = getattr(client(), method)("/thing", headers={"origin": EVIL})

    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("headers", REFUSED, ids=str)
def test_a_websocket_of_another_origin_is_refused(headers: dict[str, str]) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        client().websocket_connect("/ws", headers={"host": "localhost:8000", **headers}),
    ):
        pytest.fail("was let in")


def test_a_websocket_by_a_foreign_name_is_refused() -> None:
    with pytest.raises(WebSocketDisconnect), client().websocket_connect("/ws", headers={"host": "evil.example"}):
        pytest.fail("was let in")


@pytest.mark.parametrize("headers", LET_IN, ids=str)
def test_a_websocket_of_ours_opens(headers: dict[str, str]) -> None:
    opening = {"host": "localhost:8000", "x-request-id": "mine", **headers}
    with client().websocket_connect("/ws", headers=opening) as ws:
        assert ws.receive_text() == "mine"


def test_origins_of_the_setting_may_do_all_and_read_the_answers() -> None:
    friend = "https://app.example.org"
    with client(origins=(friend,)) as http:
        preflight = http.options("/thing", headers={"origin": friend, "access-control-request-method": "POST"})
        answer = http.post("/thing", headers={"origin": friend, "sec-fetch-site": "cross-site"})
        refused = http.post("/thing", headers={"origin": EVIL})

    assert preflight.headers["access-control-allow-origin"] == friend
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == friend
    assert "access-control-allow-credentials" not in answer.headers
    assert refused.status_code == 403


def test_every_origin_may_be_let_in_but_one_that_has_no_name() -> None:
    http = client(origins=("*",))

    assert http.post("/thing", headers={"origin": EVIL}).status_code == 200
    assert http.post("/thing", headers={"origin": "null"}).status_code == 403


@pytest.mark.parametrize("allowed", ["stt.example.org", "*.example.org"])
def test_behind_a_proxy_that_names_itself_the_listed_name_is_ours(allowed: str) -> None:
    """Nginx sends its upstream's address as the host unless it is told otherwise."""
    http = client(allowed=allowed, address="127.0.0.1:8000")
    headers = {"origin": "https://stt.example.org", "sec-fetch-site": "same-origin"}

    assert http.post("/thing", headers=headers).status_code == 200
    assert http.post("/thing", headers={"origin": EVIL}).status_code == 403


def test_answering_to_every_name_still_refuses_other_origins() -> None:
    http = client(allowed="*", address="any.example:8000")

    assert http.post("/thing", headers={"origin": "http://any.example:8000"}).status_code == 200
    assert http.post("/thing", headers={"origin": EVIL}).status_code == 403


def test_a_request_id_is_made_or_kept_and_told() -> None:
    http = client()
    mine = http.get("/thing", headers={"x-request-id": "job-7.a_B"})
    made = [http.get("/thing") for _ in range(2)]

    assert mine.headers["x-request-id"] == mine.json()["id"] == "job-7.a_B"
    assert made[0].headers["x-request-id"] != made[1].headers["x-request-id"]
    assert made[0].headers["x-request-id"] == made[0].json()["id"]


def test_after_a_request_its_id_is_forgotten() -> None:
    """Also where the same task goes on with something else."""

    async def answer(_scope: Scope, _receive: Receive, _send: Send) -> None:
        assert REQUEST_ID.get() is not None

    async def silent() -> Message:
        return {"type": "http.disconnect"}

    async def deaf(_message: Message) -> None:
        pass

    async def ask() -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
        await Guard(answer, names_of("localhost", ""))(scope, silent, deaf)
        assert REQUEST_ID.get() is None

    asyncio.run(ask())


@pytest.mark.parametrize("bad", ["", "a b", "x" * 129, "a\tb", '"', "é"])
def test_a_request_id_that_could_forge_a_log_is_replaced(bad: str) -> None:
    answer = client().get("/thing", headers={b"x-request-id": bad.encode("latin-1")})

    assert answer.headers["x-request-id"] not in ("", bad)


def test_security_headers_are_on_every_answer_also_on_refusals_and_faults() -> None:
    http = client()
    for answer in (
        http.get("/thing"),
        http.get("/absent"),
        http.get("/thing", headers={"host": "evil.example"}),
        http.post("/thing", headers={"origin": EVIL}),
        http.get("/broken"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"  # no proxy gives one caller's answer to another
        assert answer.headers["x-request-id"]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
    assert http.get("/broken").status_code == 500


def test_headers_that_a_route_asks_for_are_on_its_answer() -> None:
    assert client().get("/thing").headers["x-left"] == "3"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104 - what an operator may give
        ("::", False),
        ("", False),
        ("192.168.1.5", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


# --- how much a request may hold ---


def reading() -> FastAPI:
    """An app that reads JSON, and one request whose body somebody else looks after."""
    app = FastAPI()

    @app.post("/json")
    async def json(given: dict[str, str]) -> int:
        return len(given)

    @app.post("/file")
    async def file(request: Request) -> int:
        request.scope["state"][OWN_LIMIT] = True
        return sum([len(piece) async for piece in request.stream()])

    return app


def pieces(size: int) -> Iterator[bytes]:
    """A body that does not tell its length before."""
    for _ in range(0, size, 2**16):
        yield b" " * 2**16


@pytest.mark.parametrize("told", [True, False])
def test_nobody_can_fill_the_memory_with_a_body(told: bool) -> None:
    """Bodies are read before anybody is asked who they are."""
    http = TestClient(Guard(reading(), names_of("127.0.0.1", "")), base_url="http://localhost:8000")
    size = MOST_BODY_BYTES + 2**16
    json = {"content-type": "application/json"}
    body = b" " * size if told else pieces(size)

    assert http.post("/json", content=b"{}" + b" " * 1000, headers=json).json() == 0
    assert http.post("/json", content=body, headers=json).status_code == 413
    assert http.post("/file", content=b" " * size).json() == size
