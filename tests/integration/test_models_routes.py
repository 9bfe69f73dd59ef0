"""``/api/v1/models`` and ``/api/v1/system`` on a real server that fetches from a mirror on this machine."""

from __future__ import annotations

import functools
import http.server
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stenogram.app import enabled
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.errors import Conflict, NotFound
from stenogram.models import store
from stenogram.store import downloads, schema
from stenogram.store.downloads import Download
from tests.integration.conftest import Server, serving, wait_until_ready
from tests.service import until

NAME = "gigaam-v3-ctc"
"""A model whose files the catalogue has no digests of: a mirror may serve any."""
WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "onnx-asr" / NAME


@dataclass
class Mirror:
    """Serves one model; what is asked for while ``gate`` is shut waits."""

    url: str = ""
    gate: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    broken: bool = False


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, mirror: Mirror, *args: Any) -> None:
        self.mirror = mirror
        super().__init__(*args)

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.mirror.asked.append(self.path)
        name = self.path.removeprefix(f"/{NAME}/").replace(".int8", "")  # ours have full numbers
        if self.mirror.broken or not (WEIGHTS / name).is_file():
            self.send_error(404)
            return
        data = (WEIGHTS / name).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:100])
        assert self.mirror.gate.wait(60)
        self.wfile.write(data[100:])


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = Mirror()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, state)) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{running.server_address[1]}"
        yield state
        state.gate.set()
        running.shutdown()
        thread.join()


def view(client: httpx2.Client, name: str = NAME) -> dict[str, Any]:
    answer = client.get(f"/api/v1/models/{name}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_model_is_enabled_fetched_loaded_unloaded_disabled_and_deleted(mirror: Mirror, tmp_path: Path) -> None:
    with serving(tmp_path / "home", STENOGRAM_MODELS_URL=mirror.url) as server, server.client() as client:
        before = view(client)
        assert (before["state"], before["enabled"], before["installed"], before["loaded"]) == (
            "absent", False, False, False,
        )  # fmt: skip
        assert code(client.delete(f"/api/v1/models/{NAME}")) == (404, "not_found")

        enabling = client.post(f"/api/v1/models/{NAME}/enable").json()
        assert (enabling["state"], enabling["enabled"]) == ("downloading", True)
        until(lambda: mirror.asked, what="for the mirror to be asked")
        pulled = client.post(f"/api/v1/models/{NAME}/pull")
        assert (pulled.status_code, pulled.json()["state"]) == (202, "downloading")
        assert code(client.delete(f"/api/v1/models/{NAME}")) == (409, "conflict")
        until(lambda: client.get("/health").json()["state"] == "fetching_models", what="for the truth")
        board = {model["name"]: model for model in client.get("/dashboard/state").json()["models"]}
        assert board[NAME]["state"] == "downloading"

        mirror.gate.set()
        until(lambda: view(client)["state"] == "installed", what="for the model")
        assert len(mirror.asked) == len(set(mirror.asked)) == 3  # once each, though it was asked for twice
        wait_until_ready(server)

        assert client.post(f"/api/v1/models/{NAME}/load").json()["loaded"] is True
        assert view(client)["loaded"] is True
        assert client.post(f"/api/v1/models/{NAME}/unload").json()["loaded"] is False
        assert client.post(f"/api/v1/models/{NAME}/disable").json()["enabled"] is False
        assert client.delete(f"/api/v1/models/{NAME}").status_code == 204
        after = view(client)
        assert (after["state"], after["installed"], after["enabled"]) == ("absent", False, False)
        assert not (tmp_path / "home" / "models" / NAME / "record.json").exists()


def test_a_fetch_that_is_given_up_ends_and_can_be_taken_up_again(mirror: Mirror, tmp_path: Path) -> None:
    """What is not being fetched cannot be given up; what is here can be verified, and says where it was changed."""
    with serving(tmp_path / "home", STENOGRAM_MODELS_URL=mirror.url) as server, server.client() as client:
        cancel, verify = (f"/api/v1/models/{NAME}/{what}" for what in ("cancel", "verify"))
        assert code(client.post(cancel)) == (409, "conflict")
        assert code(client.post(verify)) == (400, "model_not_installed")
        client.post(f"/api/v1/models/{NAME}/pull")
        until(lambda: mirror.asked, what="for the mirror to be asked")

        assert client.post(cancel).json()["state"] == "absent"
        mirror.gate.set()
        until(lambda: client.post(cancel).status_code == 409, what="for the fetch to end")
        assert (view(client)["state"], view(client)["installed"]) == ("absent", False)

        client.post(f"/api/v1/models/{NAME}/pull")
        until(lambda: view(client)["state"] == "installed", what="for the model")
        facts = client.post(verify).json()
        assert facts["installed"]
        assert facts["speed"] > 0 < facts["memory_bytes"]
        weights = max((tmp_path / "home" / "models" / NAME).iterdir(), key=lambda path: path.stat().st_size)
        kept = weights.stat()
        weights.write_bytes(bytes(kept.st_size))
        os.utime(weights, ns=(kept.st_atime_ns, kept.st_mtime_ns))
        assert code(client.post(verify)) == (503, "model_damaged")


@pytest.mark.slow
def test_a_fetch_that_fails_says_why_and_can_be_tried_again(mirror: Mirror, tmp_path: Path) -> None:
    mirror.broken = True
    mirror.gate.set()
    with serving(tmp_path / "home", STENOGRAM_MODELS_URL=mirror.url) as server, server.client() as client:
        client.post(f"/api/v1/models/{NAME}/pull")
        until(lambda: view(client)["state"] == "failed", what="for the failure")
        assert "404" in view(client)["error"]

        mirror.broken = False
        client.post(f"/api/v1/models/{NAME}/pull")
        until(lambda: view(client)["state"] == "installed", what="for the model")
        assert view(client)["error"] is None


@pytest.mark.slow
def test_enabled_models_are_fetched_at_the_start(mirror: Mirror, tmp_path: Path) -> None:
    """R8, from a client's own tables; also after the process that fetched was killed in the middle."""
    home = tmp_path / "home"
    home.mkdir()
    with sqlite3.connect(home / "stenogram.db") as database:
        database.execute("CREATE TABLE whisper_models (model_id TEXT PRIMARY KEY, source TEXT)")
        database.execute("CREATE TABLE model_settings (model_id TEXT PRIMARY KEY, enabled BOOLEAN)")
        database.execute("INSERT INTO whisper_models VALUES (?, 'whisper')", (NAME,))
        database.execute("INSERT INTO model_settings VALUES (?, 1)", (NAME,))
    database.close()
    with serving(home, ready=False, STENOGRAM_MODELS_URL=mirror.url) as server:
        until(lambda: mirror.asked, what="for the mirror to be asked")
        assert httpx2.get(f"{server.url}/health", trust_env=False).json()["status"] == "starting"
        server.process.kill()
        server.process.wait()
    mirror.gate.set()
    with serving(home, STENOGRAM_MODELS_URL=mirror.url) as server, server.client() as client:
        until(lambda: view(client)["state"] == "installed", what="for the model")
        assert {model["name"] for model in client.get("/api/v1/models").json()["models"] if model["enabled"]} == {
            "moonshine-tiny-en",
            NAME,
        }


def test_errors_of_models_have_their_forms(server: Server) -> None:
    with server.client() as client:
        for verb in ("pull", "enable", "disable", "load", "unload"):
            assert code(client.post(f"/api/v1/models/martian/{verb}")) == (404, "model_not_found")
        assert code(client.get("/api/v1/models/martian")) == (404, "model_not_found")
        assert code(client.delete("/api/v1/models/martian")) == (404, "model_not_found")
        assert code(client.delete("/api/v1/models/moonshine-tiny-en")) == (409, "conflict")
        answer = client.post("/api/v1/models/whisper-base/load")
        assert code(answer) == (400, "model_not_installed")
        assert answer.headers["x-should-retry"] == "false"
        assert "not installed" in answer.json()["error"]["message"]


def test_models_are_found_by_all_their_names(server: Server) -> None:
    with server.client() as client:
        assert view(client, "t-tech/t-one")["name"] == "t-one"
        assert view(client, "LARGE-V3")["name"] == "whisper-large-v3"
        known = {model["name"]: model for model in client.get("/api/v1/models").json()["models"]}
    assert known["moonshine-tiny-en"]["state"] == "installed"
    assert known["whisper-base"]["state"] == "absent"
    assert all(model["kind"] == "speech" for model in known.values())


def test_the_system_tells_all_but_secrets(tmp_path: Path) -> None:
    environ: Any = {
        "STENOGRAM_CALLBACK_SECRET": "whsec_c2VjcmV0LW9mLWNhbGxiYWNrcy1zZWNyZXQ=",
        "STENOGRAM_MODELS_URL": "https://user:hunter2@mirror.example/models?token=hunter2",
        "STENOGRAM_CACHE_URL": f"file://{tmp_path}/shared",
    }
    with serving(tmp_path / "home", **environ) as server, server.client() as client:
        answer = client.get("/api/v1/system")
    told = answer.json()

    assert "hunter2" not in answer.text
    assert "c2VjcmV0" not in answer.text
    assert told["settings"]["models_url"] == "https://mirror.example/models"
    assert told["settings"]["max_upload_mb"] == 10_240
    assert told["database"].startswith("sqlite:///")
    assert told["media"] == str(tmp_path / "home" / "media")
    assert told["media_free_bytes"] > 0
    assert told["state"]["version"]
    assert [worker["device"] for worker in told["state"]["workers"]] == ["cpu"]
    assert told["machine"]


# --- the use cases ---------------------------------------------------------------------------------------------------


@pytest.fixture
def house(mirror: Mirror, tmp_path: Path) -> Iterator[House]:
    with House.open(Settings(home=str(tmp_path / "home"), models_url=mirror.url), ServerSettings()) as opened:
        schema.upgrade(opened.db)
        yield opened


def state(house: House) -> enabled.ModelState:
    with house.db.read() as connection:
        [found] = [each for each in enabled.states(house, connection) if each.name == NAME]
    return found


def test_an_installed_model_is_told_so_whatever_a_killed_process_wrote(house: House, mirror: Mirror) -> None:
    """Else the server would call itself starting for ever."""
    mirror.gate.set()
    enabled.switch(house, NAME, enabled=True)
    enabled.begin_fetch(house, NAME, threading.Event())
    until(lambda: state(house).state == "installed", what="for the model")
    with house.db.write() as tx:
        downloads.put(tx, Download(NAME, enabled.HOST, "downloading", 1, 2))

    assert state(house).state == "installed"


def test_what_a_killed_process_was_fetching_is_forgotten_at_the_start_and_other_machines_are_not(house: House) -> None:
    with house.db.write() as tx:
        for host in (enabled.HOST, "another"):
            downloads.put(tx, Download("whisper-base", host, "downloading", 1, 2))
    stop = threading.Event()
    stop.set()
    enabled.fetch_enabled(house, stop)

    with house.db.read() as connection:
        assert downloads.all_of(connection, enabled.HOST) == {}
        assert set(downloads.all_of(connection, "another")) == {"whisper-base"}


def test_a_stop_ends_a_fetch_and_what_came_is_kept(house: House, mirror: Mirror) -> None:
    enabled.switch(house, NAME, enabled=True)
    stop = threading.Event()
    enabled.begin_fetch(house, NAME, stop)
    until(lambda: mirror.asked, what="for the mirror to be asked")
    with pytest.raises(Conflict, match="being fetched"):
        enabled.remove(house, NAME)
    stop.set()
    mirror.gate.set()
    until(lambda: state(house).state == "absent", what="for the end")

    enabled.begin_fetch(house, NAME, threading.Event())
    until(lambda: state(house).state == "installed", what="for the model")


def test_a_damaged_model_can_be_removed(house: House, mirror: Mirror) -> None:
    mirror.gate.set()
    enabled.begin_fetch(house, NAME, threading.Event())
    model = store.find(NAME, house.settings)
    until(lambda: store.is_installed(model, house.settings), what="for the model")
    (store.folder_of(model, house.settings) / "v3_vocab.txt").write_text("damaged")
    assert not store.is_installed(model, house.settings)

    def removed() -> bool:
        try:
            enabled.remove(house, NAME)
        except Conflict:  # the thread has not ended yet
            return False
        return True

    until(removed, what="for the thread to end")
    with pytest.raises(NotFound):
        enabled.remove(house, NAME)
