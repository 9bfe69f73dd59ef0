"""Who may do what, on a real server: before there is a key, and after."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from stenogram.accounts.keys import Wish, create
from stenogram.config import ServerSettings, Settings
from stenogram.store import schema
from stenogram.store.database import Database, url_of
from tests.integration.conftest import Server, serving

PUBLIC = {"/health", "/", "/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"}


def make_key(home: Path, name: str, *scopes: str) -> str:
    db = Database.open(url_of(Settings(home=str(home)), ServerSettings()))
    schema.upgrade(db)
    secret, _ = create(db, Wish(name, scopes=scopes or ("transcribe",)))
    db.close()
    return secret


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("locked")


@pytest.fixture(scope="module")
def keys(home: Path) -> dict[str, str]:
    return {
        "anna": make_key(home, "anna"),
        "boris": make_key(home, "boris"),
        "reader": make_key(home, "reader", "read"),
        "keeper": make_key(home, "keeper", "models"),
        "admin": make_key(home, "admin", "admin"),
    }


@pytest.fixture(scope="module")
def locked(home: Path, keys: dict[str, str]) -> Iterator[Server]:
    """A server with keys."""
    with serving(home, "--callback-allow", "127.0.0.1") as started:
        yield started


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_every_route_needs_a_key_but_the_public_ones(locked: Server) -> None:
    """Walks all that the server says it has."""
    with locked.client() as http:
        paths = http.get("/openapi.json").json()["paths"]
        found = {}
        for path, methods in paths.items():
            for method in methods:
                url = path.replace("{job_id}", "x").replace("{name}", "x").replace("{model}", "x")
                answer = http.request(method, url, params={"job_id": "x"})
                found[path] = answer.status_code
                if path not in PUBLIC:
                    assert answer.status_code == 401, (method, path, answer.text)
                    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
                    assert answer.headers["www-authenticate"] == "Bearer"
    assert found["/health"] == 200
    assert len(found) > 20


def test_a_bad_key_is_an_authentication_error_to_openai_s_client(locked: Server, beckett: Path) -> None:
    with (
        openai.OpenAI(base_url=f"{locked.url}/v1", api_key="wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        client.audio.transcriptions.create(file=beckett, model="whisper-1")
    assert raised.value.code == "invalid_api_key"


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_a_key_opens_by_either_header(locked: Server, keys: dict[str, str], header: str) -> None:
    value = f"Bearer {keys['anna']}" if header == "authorization" else keys["anna"]
    with locked.client() as http:
        assert http.get("/queue", headers={header: value}).status_code == 200


def test_scopes_are_kept(locked: Server, keys: dict[str, str], beckett: Path) -> None:
    with locked.client() as http:
        statuses = {
            name: [
                http.get("/api/v1/jobs", headers=bearer(key)).status_code,
                http.post("/api/v1/jobs", headers=bearer(key)).status_code,
                http.post("/api/v1/models/no-such/enable", headers=bearer(key)).status_code,
            ]
            for name, key in keys.items()
        }
    # 400 and 404: it may, but there is no form, or no such model
    assert statuses == {
        "anna": [200, 400, 403],
        "boris": [200, 400, 403],
        "reader": [200, 403, 403],
        "keeper": [403, 403, 404],
        "admin": [200, 400, 404],
    }


def test_another_s_job_is_not_there_on_any_route(locked: Server, keys: dict[str, str], beckett: Path) -> None:
    """One walk over all routes with an id in them, by a second owner; an admin finds all."""
    anna, boris = bearer(keys["anna"]), bearer(keys["boris"])
    with locked.client() as http:
        form = {"model": "moonshine-tiny-en", "language": "en", "callback_url": "http://127.0.0.1:9/gone"}
        with beckett.open("rb") as sound:
            job_id = http.post("/transcribe", data=form, files={"file": sound}, headers=anna).json()["job_id"]
        paths = http.get("/openapi.json").json()["paths"]
        for path, methods in paths.items():
            if "{job_id}" not in path:
                continue
            for method in methods:
                answer = http.request(method, path.replace("{job_id}", job_id), headers=boris)
                assert answer.status_code == 404, (method, path)
        assert http.get("/status", params={"job_id": job_id}, headers=boris).status_code == 404
        assert job_id not in http.get("/api/v1/jobs", headers=boris).text
        assert job_id not in http.get("/queue", headers=boris).text
        assert http.get("/status", params={"job_id": job_id}, headers=anna).status_code == 200
        assert http.get(f"/api/v1/jobs/{job_id}", headers=bearer(keys["admin"])).status_code == 200


def test_a_socket_needs_a_key_too(locked: Server, keys: dict[str, str]) -> None:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    url = locked.url.replace("http", "ws") + "/ws/dashboard"
    with connect(url) as socket, pytest.raises(ConnectionClosed) as raised:
        socket.recv(timeout=10)
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 4401
    with connect(url, subprotocols=[f"stenogram.key.{keys['anna']}"]) as socket:  # type: ignore[list-item]
        assert json.loads(socket.recv(timeout=10))["auth"] is True


def test_without_a_key_any_header_is_accepted(server: Server) -> None:
    with server.client() as http:
        assert http.get("/queue", headers=bearer("anything")).status_code == 200
        assert http.get("/queue").status_code == 200


def test_listening_elsewhere_needs_keys_or_the_flag(tmp_path: Path) -> None:
    """Status 1 and a message that says what to do; nothing listens."""
    command = [sys.executable, "-m", "stenogram.cli.main", "serve", "--host", "0.0.0.0", "--port", "0"]  # noqa: S104
    done = subprocess.run([*command, "--home", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode != 0
    assert "stenogram keys create" in done.stderr
    assert "--no-auth" in done.stderr
    with serving(tmp_path, "--host", "0.0.0.0", "--no-auth", "--worker-devices", "cpu") as started:  # noqa: S104
        port = started.url.rpartition(":")[2]
        assert httpx.get(f"http://127.0.0.1:{port}/queue", trust_env=False).status_code == 200


def test_keys_from_the_command_line(tmp_path: Path) -> None:
    def keys(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stenogram.cli.main", "keys", *arguments, "--home", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    made = keys("create", "--name", "laptop", "--owner", "anna", "--scope", "transcribe", "--scope", "models")
    secret = made.stdout.strip()
    listed = keys("list")
    key_id = listed.stdout.split()[0]
    revoked = keys("revoke", key_id)

    assert made.returncode == listed.returncode == revoked.returncode == 0
    assert secret.startswith(f"stn_{key_id}_")
    assert secret not in listed.stdout
    assert "anna" in listed.stdout
    assert "revoked" in keys("list").stdout
    assert keys("revoke", "none").returncode != 0
