"""The dashboard's routes: page and files, state, and the socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from stenogram.accounts import keys
from stenogram.accounts.keys import Wish
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.server.asgi import build
from stenogram.server.routes import live
from stenogram.store import schema
from tests import scenes

SOCKET = "ws://localhost:8000/ws/dashboard"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House.open(Settings(home=str(tmp_path)), ServerSettings()) as opened:
        schema.upgrade(opened.db)
        yield opened


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(build(house), base_url="http://localhost:8000") as opened:
        yield opened


class Page(HTMLParser):
    """What a page loads, and what a strict policy would not let it have."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline: list[str] = []
        self._script_without_source = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "link", "img"):
            self.links.append(given.get("src") or given.get("href") or "")
        self.inline += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


def test_the_page_loads_only_its_own_files_and_holds_no_code(client: TestClient) -> None:
    """So that a policy of ``default-src 'self'`` holds, which is sent with it."""
    answer = client.get("/")
    page = Page()
    page.feed(answer.text)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert page.inline == []
    assert len(page.links) >= 5
    assert [link for link in page.links if client.get(link).status_code != 200] == []
    assert [link for link in page.links if not link.startswith("/web/")] == []


def test_each_file_has_its_type_and_is_asked_for_again(client: TestClient) -> None:
    """After an upgrade nobody has half of the old page; what has not changed is not sent again."""
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    kinds[".json"] = "application/json"
    for file in filter(Path.is_file, live.WEB.rglob("*")):
        path = f"/web/{file.relative_to(live.WEB).as_posix()}"
        answer = client.get(path)
        again = client.get(path, headers={"if-none-match": answer.headers["etag"]})

        assert answer.headers["content-type"] == f"{kinds[file.suffix]}; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", sorted(path.name for path in live.WEB.glob("*.js")))
def test_no_script_makes_html_or_code_of_text(path: str) -> None:
    """Everything that is shown goes through ``textContent``."""
    source = (live.WEB / path).read_text("utf-8")
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "cssText")
    assert [word for word in forbidden if word in source] == []


def test_nothing_beside_the_files_is_served(client: TestClient) -> None:
    """No way out of the folder."""
    for path in ("/web/", "/web/none.js", "/web/..%2fpy.typed", "/web/%2e%2e/py.typed"):
        assert client.get(path).status_code == 404


def test_the_page_can_be_asked_for_by_head(client: TestClient) -> None:
    """As monitors do."""
    answer = client.head("/")
    assert (answer.status_code, answer.content) == (200, b"")


def until(socket: Any, condition: str, expected: object) -> dict[str, Any]:
    """The first state on the socket in which a counter has a value."""
    for _ in range(40):
        state: dict[str, Any] = socket.receive_json()
        if state["counters"].get(condition) == expected:
            return state
    pytest.fail(f"{condition} never was {expected}")


def test_the_socket_sends_the_state_and_each_change(client: TestClient, house: House) -> None:
    """The same as the route gives."""
    with client.websocket_connect(SOCKET) as socket:
        until(socket, "queued", 0)
        with house.db.write() as tx:
            job_id = scenes.put_job(tx)
        state = until(socket, "queued", 1)
        assert state["queued"] == [job_id]
        polled = client.get("/dashboard/state").json()
        assert polled.keys() == state.keys()
        assert polled["queued"] == [job_id]
        assert not state["auth"]


def test_the_socket_sends_at_most_twice_a_second(client: TestClient, house: House) -> None:
    """However much happens."""
    with client.websocket_connect(SOCKET) as socket:
        until(socket, "queued", 0)
        began = time.monotonic()
        for _ in range(4):
            with house.db.write() as tx:
                scenes.put_job(tx)
            socket.receive_json()
        assert time.monotonic() - began > 1.4


def closed(client: TestClient, headers: dict[str, str] | None = None, key: str | None = None) -> tuple[int, str]:
    """Code and reason with which the socket ends before it says anything; fails where it sends."""
    protocols = [f"stenogram.key.{key}"] if key is not None else None
    with (
        pytest.raises(WebSocketDisconnect) as ended,
        client.websocket_connect(SOCKET, subprotocols=protocols, headers=headers or {}) as socket,
    ):
        socket.receive_json()
    return ended.value.code, ended.value.reason or ""


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:9000"},
        {"origin": "null"},
        {"host": "evil.example"},
        {"host": "evil.example", "origin": "http://evil.example"},
    ],
)
def test_a_page_of_another_origin_gets_no_socket(client: TestClient, headers: dict[str, str]) -> None:
    """Also one that has bound its name to this machine."""
    assert closed(client, headers)[0] == 1008


def test_the_own_page_gets_a_socket(client: TestClient) -> None:
    """Browsers always send their origin."""
    with client.websocket_connect(SOCKET, headers={"origin": "http://localhost:8000"}) as socket:
        assert "health" in socket.receive_json()


def test_with_keys_the_files_stay_public_and_the_state_does_not(client: TestClient, house: House) -> None:
    """A page without a key gets as far as asking for one."""
    keys.create(house.db, Wish("alice"))

    assert client.get("/").status_code == 200
    assert client.get("/web/main.js").status_code == 200
    assert client.get("/health").status_code == 200
    assert client.get("/dashboard/state").status_code == 401
    assert closed(client)[0] == live.CLOSED_NOT_AUTHENTICATED
    assert closed(client, key="stn_wrong_key")[0] == live.CLOSED_NOT_AUTHENTICATED
    # what does not run in a browser can send the header
    assert closed(client, {"authorization": "Bearer stn_wrong_key"})[0] == live.CLOSED_NOT_AUTHENTICATED


def test_a_key_that_may_not_read_is_told_so(client: TestClient, house: House) -> None:
    """That is another thing than no key."""
    secret, _ = keys.create(house.db, Wish("keeper", scopes=("models",)))

    assert closed(client, key=secret)[0] == live.CLOSED_NOT_ALLOWED


def test_a_key_opens_state_and_socket_for_its_owner(client: TestClient, house: House) -> None:
    """Only their own jobs are listed; the key goes as header or as subprotocol."""
    secret, _ = keys.create(house.db, Wish("alice", scopes=("read",)))
    with house.db.write() as tx:
        own = scenes.put_job(tx, "alice")
        scenes.put_job(tx, "bob")
    with client.websocket_connect(SOCKET, subprotocols=[f"stenogram.key.{secret}"]) as socket:
        assert str(socket.accepted_subprotocol) == f"stenogram.key.{secret}"
        state = until(socket, "queued", 2)
    polled = client.get("/dashboard/state", headers={"x-api-key": secret}).json()

    assert state["queued"] == polled["queued"] == [own]
    assert state["auth"]


def test_a_revoked_key_ends_its_socket(client: TestClient, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open page does not go on for ever."""
    monkeypatch.setattr(live, "_CHECK_KEY_S", 0.0)
    monkeypatch.setattr(keys.Doorkeeper, "remembered", lambda _self, _secret: None)
    secret, key = keys.create(house.db, Wish("alice"))
    with client.websocket_connect(SOCKET, subprotocols=[f"stenogram.key.{secret}"]) as socket:
        socket.receive_json()
        keys.revoke(house.db, key.id)
        with pytest.raises(WebSocketDisconnect) as ended:
            until(socket, "queued", "the end")
    assert ended.value.code == live.CLOSED_NOT_AUTHENTICATED
