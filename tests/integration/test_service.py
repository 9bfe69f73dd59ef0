"""The service over HTTP: R1 to R9 to the letter, and ``/api/v1``, on a real server."""

from __future__ import annotations

import http.server
import json
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.integration.conftest import Server, serving

SEGMENT_KEYS = {"start", "end", "text"}


class Receiver(http.server.ThreadingHTTPServer):
    """Gets callbacks."""

    def __init__(self) -> None:
        self.got: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        got = self.got

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(204)
                self.end_headers()
                got.put(({name.lower(): value for name, value in self.headers.items()}, body))

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/done?from=test"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    threading.Thread(target=opened.serve_forever, daemon=True).start()
    yield opened
    opened.shutdown()
    opened.server_close()


@pytest.fixture
def http_client(server: Server) -> Iterator[httpx2.Client]:
    with server.client() as client:
        yield client


def over(client: httpx2.Client, job_id: str, timeout_s: float = 60.0) -> dict[str, Any]:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        job: dict[str, Any] = client.get(f"/api/v1/jobs/{job_id}").json()
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.02)
    pytest.fail(f"{job_id} is not over")


def put(client: httpx2.Client, *paths: Path, **fields: str) -> list[dict[str, Any]]:
    files = [("file", (path.name, path.read_bytes())) for path in paths]
    answer = client.post("/api/v1/jobs", files=files, data=fields)
    assert answer.status_code == 202, answer.text
    jobs: list[dict[str, Any]] = answer.json()["jobs"]
    return jobs


# --- R1 to R9 --------------------------------------------------------------------------------------------------------


def test_health_queue_and_status(http_client: httpx2.Client, receiver: Receiver, beckett: Path) -> None:
    """R1, R2, R4, R5: exactly these fields."""
    assert http_client.get("/health").json()["status"] == "ready"
    assert http_client.get("/queue").json() == {"status": "idle", "queued": [], "running": []}
    form = {"model": "moonshine-tiny-en", "language": "English", "callback_url": receiver.url}
    answer = http_client.post("/transcribe", data=form, files={"file": beckett.read_bytes()})
    assert answer.status_code == 200
    assert set(answer.json()) == {"job_id"}
    receiver.got.get(timeout=60)
    status = http_client.get("/status", params={"job_id": answer.json()["job_id"]}).json()
    assert status["status"] == "completed"
    assert status["model"] == "moonshine-tiny-en"
    missing = http_client.get("/status", params={"job_id": "nothing"})
    assert missing.status_code == 404


def test_the_callback_s_payload_is_r6_to_the_letter(
    http_client: httpx2.Client, receiver: Receiver, beckett: Path
) -> None:
    form = {"model": "moonshine-tiny-en", "language": "en", "callback_url": receiver.url}
    files = {"file": ("talk.wav", beckett.read_bytes())}
    job_id = http_client.post("/transcribe", data=form, files=files).json()["job_id"]
    headers, raw = receiver.got.get(timeout=60)
    body = json.loads(raw)

    assert list(body) == [
        "job_id", "status", "model", "language", "queue_time_s", "processing_time_s", "result", "error", "callback",
    ]  # fmt: skip
    assert list(body["result"]) == ["text", "segments", "queue_time_s", "processing_time_s", "gpu", "token_count"]
    assert (body["job_id"], body["status"], body["error"]) == (job_id, "completed", None)
    assert body["callback"] == {"delivered": False, "delivered_at_ms": None, "error": None}
    assert body["result"]["text"].startswith("Ever tried")
    assert all(set(segment) == SEGMENT_KEYS for segment in body["result"]["segments"])
    assert body["result"]["gpu"] is None
    assert body["result"]["token_count"] > 5
    assert body["queue_time_s"] == body["result"]["queue_time_s"] >= 0
    assert headers["content-type"] == "application/json"

    deadline = time.monotonic() + 10
    while not (told := http_client.get("/status", params={"job_id": job_id}).json())["callback"]["delivered"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert told["callback"]["delivered_at_ms"] == pytest.approx(time.time() * 1000, abs=60_000)
    assert {key: value for key, value in told.items() if key != "callback"} == {
        key: value for key, value in body.items() if key != "callback"
    }


def test_a_failed_job_says_so(http_client: httpx2.Client, receiver: Receiver) -> None:
    form = {"model": "moonshine-tiny-en", "language": "en", "callback_url": receiver.url}
    http_client.post("/transcribe", data=form, files={"file": ("notes.txt", b"no sound at all")})
    _, raw = receiver.got.get(timeout=60)
    body = json.loads(raw)

    assert (body["status"], body["result"]) == ("failed", None)
    assert body["error"].startswith("notes.txt: not an audio or video file")


@pytest.mark.parametrize(
    ("form", "files", "param"),
    [
        ({"callback_url": "{url}", "language": "en"}, True, "model"),
        ({"model": "moonshine-tiny-en", "language": "en"}, True, "callback_url"),
        ({"model": "moonshine-tiny-en", "callback_url": "{url}", "language": "en"}, False, "file"),
        ({"model": "no-such", "callback_url": "{url}"}, True, "model"),
        ({"model": "large-v3", "callback_url": "{url}"}, True, "model"),
        ({"model": "moonshine-tiny-en", "callback_url": "{url}"}, True, "language"),  # Russian, by R2's default
        ({"model": "moonshine-tiny-en", "callback_url": "{url}", "language": "klingon"}, True, "language"),
        ({"model": "moonshine-tiny-en", "callback_url": "ftp://example.org", "language": "en"}, True, "callback_url"),
        ({"model": "moonshine-tiny-en", "callback_url": "http://10.0.0.1/", "language": "en"}, True, "callback_url"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    http_client: httpx2.Client, receiver: Receiver, beckett: Path, form: dict[str, str], files: bool, param: str
) -> None:
    data = {name: value.replace("{url}", receiver.url) for name, value in form.items()}
    upload = {"file": beckett.read_bytes()} if files else {"other": b""}
    answer = http_client.post("/transcribe", data=data, files=upload)

    assert answer.status_code in (400, 404)
    error = answer.json()["error"]
    assert error["param"] == param, error
    if form.get("callback_url", "").startswith("http://10"):
        assert "STENOGRAM_CALLBACK_ALLOW" in error["message"]


def test_nothing_is_left_of_what_was_refused(server: Server, http_client: httpx2.Client, beckett: Path) -> None:
    before = {path for path in (server.home / "media").rglob("*") if path.is_file()}
    for model in ("no-such", "large-v3"):
        http_client.post("/v1/audio/transcriptions", data={"model": model}, files={"file": beckett.read_bytes()})

    assert {path for path in (server.home / "media").rglob("*") if path.is_file()} <= before


# --- /api/v1 ---------------------------------------------------------------------------------------------------------


def test_many_files_in_one_request(http_client: httpx2.Client, beckett: Path, two_cities: Path) -> None:
    jobs = put(http_client, beckett, two_cities, profile="fast")
    ended = [over(http_client, job["id"]) for job in jobs]

    assert [job["media"]["filename"] for job in jobs] == [beckett.name, two_cities.name]
    assert jobs[0]["batch"] == jobs[1]["batch"] is not None
    assert [job["state"] for job in ended] == ["succeeded", "succeeded"]
    listed = http_client.get("/api/v1/jobs", params={"batch": jobs[0]["batch"]}).json()["jobs"]
    assert {job["id"] for job in listed} == {job["id"] for job in jobs}


def test_an_idempotency_key_does_the_same_request_once(http_client: httpx2.Client, beckett: Path) -> None:
    def post(key: str, **fields: str) -> httpx2.Response:
        files = {"file": (beckett.name, beckett.read_bytes())}
        return http_client.post("/api/v1/jobs", files=files, data=fields, headers={"idempotency-key": key})

    first, again, other = post("k1"), post("k1"), post("k2")
    assert first.json()["jobs"][0]["id"] == again.json()["jobs"][0]["id"] != other.json()["jobs"][0]["id"]
    clash = post("k1", profile="quality")
    assert clash.status_code == 409
    assert clash.json()["error"]["code"] == "conflict"


def test_idempotent_requests_at_once_make_one_job(server: Server, beckett: Path) -> None:
    sound, ids = beckett.read_bytes(), []

    def post() -> None:
        with server.client() as client:
            answer = client.post("/api/v1/jobs", files={"file": sound}, headers={"idempotency-key": "at once"})
            ids.append(answer.json()["jobs"][0]["id"])

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 8
    assert len(set(ids)) == 1


def test_pages_of_jobs(http_client: httpx2.Client, beckett: Path) -> None:
    names = {put(http_client, beckett, profile="fast")[0]["id"] for _ in range(5)}
    seen: list[str] = []
    before = None
    while True:
        page = http_client.get("/api/v1/jobs", params={"limit": 2, **({"before": before} if before else {})}).json()
        seen += [job["id"] for job in page["jobs"]]
        before = page["next"]
        if before is None or names <= set(seen):
            break

    assert names <= set(seen)
    assert len(seen) == len(set(seen))
    assert http_client.get("/api/v1/jobs", params={"before": "nonsense"}).status_code == 400
    assert not http_client.get("/api/v1/jobs", params={"text": "no-such-name"}).json()["jobs"]


def events(client: httpx2.Client, job_id: str, last: str | None = None) -> list[tuple[int, str, dict[str, Any]]]:
    headers = {"last-event-id": last} if last else {}
    with client.stream("GET", f"/api/v1/jobs/{job_id}/events", headers=headers) as answer:
        blocks = "".join(answer.iter_text()).split("\n\n")
    found = []
    for block in blocks:
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def test_events_come_as_they_happen_and_go_on_where_a_reader_left(http_client: httpx2.Client, two_cities: Path) -> None:
    [job] = put(http_client, two_cities, vad_filter="true", min_silence_duration_ms="400")
    whole = events(http_client, job["id"])
    rest = events(http_client, job["id"], str(whole[3][0]))
    text = http_client.get(f"/api/v1/transcriptions/{job['id']}").json()["text"]

    assert [number for number, _, _ in whole] == list(range(1, len(whole) + 1))
    assert whole[-1][1:] == ("state", whole[-1][2])
    assert whole[-1][2]["state"] == "succeeded"
    assert rest == whole[4:]
    assert " ".join(data["text"] for _, kind, data in whole if kind == "segment") == text
    stages = [data["stage"] for _, kind, data in whole if kind == "stage"]
    assert "transcribe" in stages


@pytest.mark.parametrize(
    ("format_", "begins", "media_type"),
    [
        ("text", "Ever tried", "text/plain"),
        ("srt", "1\n00:00:0", "application/x-subrip"),
        ("vtt", "WEBVTT", "text/vtt"),
        ("tsv", "start\tend\ttext", "text/tab-separated-values"),
        ("json", '{"text"', "application/json"),
        ("verbose_json", '{"task"', "application/json"),
        ("diarized_json", '{"task"', "application/json"),
        ("full", '{"job_id"', "application/json"),
    ],
)
def test_transcriptions_in_every_format(
    http_client: httpx2.Client, beckett: Path, format_: str, begins: str, media_type: str
) -> None:
    [job] = put(http_client, beckett)
    over(http_client, job["id"])
    answer = http_client.get(f"/api/v1/transcriptions/{job['id']}", params={"format": format_, "download": "true"})

    assert answer.text.startswith(begins)
    assert answer.headers["content-type"].startswith(media_type)
    if format_ != "full":
        assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''beckett.")


def test_cancel_retry_and_delete(http_client: httpx2.Client, beckett: Path) -> None:
    [job] = put(http_client, beckett, profile="quality", keep="true")
    over(http_client, job["id"])
    path = f"/api/v1/jobs/{job['id']}"

    assert http_client.post(f"{path}/cancel").status_code == 409
    assert http_client.post(f"{path}/retry").status_code == 409
    assert http_client.get(path).json()["media"]["kept"]
    assert http_client.delete(path).status_code == 204
    assert http_client.get(path).status_code == 404
    assert http_client.get(f"/api/v1/transcriptions/{job['id']}").status_code == 404


def test_a_failed_job_can_be_tried_again(http_client: httpx2.Client, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"nothing to hear")
    [job] = put(http_client, bad)
    failed = over(http_client, job["id"])
    http_client.post(f"/api/v1/jobs/{job['id']}/retry").raise_for_status()
    again = over(http_client, job["id"])

    assert failed["error"]["code"] == again["error"]["code"] == "not_media"
    assert again["attempt"] == failed["attempt"] + 1
    assert http_client.get(f"/api/v1/transcriptions/{job['id']}").status_code == 409


def test_callbacks_can_be_read_and_replayed(http_client: httpx2.Client, receiver: Receiver, beckett: Path) -> None:
    [job] = put(http_client, beckett, callback_url=receiver.url)
    first = receiver.got.get(timeout=60)
    path = f"/api/v1/jobs/{job['id']}/callback"
    deadline = time.monotonic() + 10
    while http_client.get(path).json()["state"] != "delivered":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert http_client.post(f"{path}/replay").status_code == 202
    second = receiver.got.get(timeout=60)

    assert first[1] == second[1]
    assert first[0]["webhook-id"] == second[0]["webhook-id"]


def test_models_are_told_and_switched(tmp_path: Path, beckett: Path) -> None:
    """Also in memory: freed, the next request loads it again."""
    with serving(tmp_path) as own, own.client() as client:
        name = "moonshine-tiny-en"
        model = client.get(f"/api/v1/models/{name}").json()
        assert (model["enabled"], model["installed"], model["state"]) == (True, True, "installed")
        assert client.post(f"/api/v1/models/{name}/load").json()["loaded"] is True
        assert client.post(f"/api/v1/models/{name}/unload").json()["loaded"] is False
        [job] = put(client, beckett)
        assert over(client, job["id"])["state"] == "succeeded"
        assert client.get("/api/v1/models/no-such").status_code == 404
        assert client.delete(f"/api/v1/models/{name}").status_code == 409
        assert client.post(f"/api/v1/models/{name}/disable").json()["enabled"] is False
        form = {"model": name, "callback_url": "https://example.org", "language": "en"}
        assert client.post("/transcribe", data=form, files={"file": beckett.read_bytes()}).status_code == 400
        assert client.post(f"/api/v1/models/{name}/enable").json()["enabled"] is True
        names = {each["name"] for each in client.get("/api/v1/models").json()["models"]}
        assert {name, "whisper-large-v3"} & names


def test_system_and_metrics(http_client: httpx2.Client) -> None:
    system = http_client.get("/api/v1/system").json()
    metrics = http_client.get("/metrics").text

    assert system["database"].startswith("sqlite:///")
    assert "db_pass" not in system["settings"]
    assert "callback_secret" not in system["settings"]
    for name in ("stenogram_jobs", "stenogram_queue_oldest_wait_seconds", "stenogram_audio_seconds_total",
                 "stenogram_stage_seconds_total", "stenogram_rtfx", "stenogram_callbacks"):  # fmt: skip
        assert name in metrics


def test_limits_are_told_with_their_numbers(tmp_path: Path) -> None:
    with serving(tmp_path, "--max-upload-mb", "1") as own, own.client() as client:
        answer = client.post("/api/v1/jobs", files={"file": bytes(3 * 2**20)})
        unsized: Any = {"file": ("a.wav", Chunks(3 * 2**20))}
        streamed = client.post("/api/v1/jobs", files=unsized, headers={"transfer-encoding": "chunked"})

    for each in (answer, streamed):
        assert each.status_code == 413
        message = each.json()["error"]["message"]
        assert "1 MiB" in message
        assert "STENOGRAM_MAX_UPLOAD_MB" in message


class Chunks:
    """A file whose size nobody knows in advance."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, count: int = -1) -> bytes:
        count = min(self.left, count if count > 0 else self.left)
        self.left -= count
        return bytes(count)


@pytest.mark.slow
def test_a_full_disk_is_a_named_state(tmp_path: Path) -> None:
    """Health is truthful, uploads are refused with 507 and the numbers, reading goes on."""
    with serving(tmp_path, "--min-free-disk-mb", str(10**9), ready=False) as own, own.client() as client:
        deadline = time.monotonic() + 20
        while (health := client.get("/health").json())["state"] != "storage_full":
            assert time.monotonic() < deadline, health
            time.sleep(0.05)
        answer = client.post("/api/v1/jobs", files={"file": b"x"})

        assert health["status"] != "ready"
        assert answer.status_code == 507
        assert answer.json()["error"]["code"] == "storage_full"
        assert client.get("/queue").status_code == 200


def test_without_a_worker_the_service_is_not_ready(tmp_path: Path, beckett: Path) -> None:
    with serving(tmp_path, "--worker-devices", "none", ready=False) as own, own.client() as client:
        deadline = time.monotonic() + 20
        while (health := client.get("/health").json())["state"] != "no_worker":
            assert time.monotonic() < deadline, health
            time.sleep(0.05)
        [job] = put(client, beckett)

        assert health["status"] == "starting"
        assert client.get("/queue").json() == {"status": "busy", "queued": [job["id"]], "running": []}
        assert client.get(f"/api/v1/jobs/{job['id']}").json()["position"] == 1


def test_a_taken_port_is_told(server: Server, tmp_path: Path) -> None:
    import subprocess
    import sys

    port = server.url.rpartition(":")[2]
    command = [sys.executable, "-m", "stenogram.cli.main", "serve", "--port", port, "--home", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode != 0
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_required_model_that_is_absent_ends_the_start(tmp_path: Path) -> None:
    """R12."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "stenogram.cli.main", "serve", "--port", "0", "--model", "large-v3"]
    done = subprocess.run([*command, "--home", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode != 0
    assert "stenogram models pull" in done.stderr
