"""What stands before every route: names, origins, request ids, headers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from fastapi import FastAPI, WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from stenogram.server.guard import Guard, names_of


def client(names: Sequence[str] = names_of("127.0.0.1", ""), origins: Sequence[str] = ()) -> TestClient:
    app = FastAPI()

    @app.api_route("/thing", methods=["GET", "POST", "PUT", "DELETE"])
    def thing() -> str:
        return "done"

    @app.get("/health")
    def health() -> str:
        return "ready"

    @app.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")

    app.add_middleware(Guard, names=names, origins=origins)
    return TestClient(app, base_url="http://localhost:8000")


@pytest.mark.parametrize("host", ["localhost", "localhost:80", "127.0.0.1:9", "[::1]:8000", "LOCALHOST", "localhost."])
def test_loopback_s_names_are_known(host: str) -> None:
    assert client().get("/thing", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "evil.example:8000", "[::2]"],
)
def test_a_foreign_name_is_refused(host: str) -> None:
    """A page that rebinds its own name to this machine comes by that name."""
    answer = client().get("/thing", headers={"host": host})

    assert answer.status_code == 421
    assert "STENOGRAM_ALLOWED_HOSTS" in answer.json()["error"]["message"]
    assert client().post("/thing", headers={"host": host}).status_code == 421


def test_names_can_be_added() -> None:
    allowed = client(names_of("0.0.0.0", "steno.example, *.lan"))  # noqa: S104 - a name, not a binding
    for host, status in {"steno.example": 200, "gpu.lan": 200, "lan": 421, "xlan": 421, "other.example": 421}.items():
        assert allowed.get("/thing", headers={"host": host}).status_code == status
    assert client(names_of("", "*")).get("/thing", headers={"host": "any.example"}).status_code == 200


def test_health_answers_by_any_name() -> None:
    assert client().get("/health", headers={"host": "10.0.0.7"}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # a program, not a page
        ({"origin": "http://localhost:8000"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:9999"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://evil.example", "content-type": "multipart/form-data; boundary=x"}, 403),
    ],
)
def test_a_page_of_another_origin_changes_nothing(method: str, headers: dict[str, str], status: int) -> None:
    answer = client().request(method, "/thing", headers=headers)

    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["code"] == "cross_origin"


def test_reading_needs_no_origin() -> None:
    """A page of another origin may send it; it cannot read the answer, for there is no CORS header."""
    answer = client().get("/thing", headers={"origin": "http://evil.example"})

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_an_origin_can_be_allowed() -> None:
    allowed = client(origins=["https://app.example"])

    assert allowed.post("/thing", headers={"origin": "https://app.example"}).status_code == 200
    assert allowed.post("/thing", headers={"origin": "https://other.example"}).status_code == 403


@pytest.mark.parametrize("headers", [{"host": "localhost", "origin": "http://evil.example"}, {"host": "evil.example"}])
def test_a_socket_of_another_origin_is_closed(headers: dict[str, str]) -> None:
    with pytest.raises(WebSocketDisconnect) as raised, client().websocket_connect("/ws", headers=headers) as socket:
        socket.receive_text()
    assert raised.value.code == 1008
    with client().websocket_connect(
        "/ws", headers={"host": "localhost:8000", "origin": "http://localhost:8000"}
    ) as socket:
        assert socket.receive_text() == "hello"


def test_requests_have_ids() -> None:
    assert client().get("/thing", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = client().get("/thing", headers={"x-request-id": "no good\tid"}).headers["x-request-id"]
    assert made != "no good\tid"
    assert len(made) == 16


def test_answers_forbid_what_pages_do_not_need() -> None:
    headers = client().get("/thing").headers

    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
