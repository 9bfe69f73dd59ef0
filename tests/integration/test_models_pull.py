"""Fetching a model from a real HTTP server that cuts, corrupts, redirects and lies."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import google_crc32c
import pytest

from stenogram.config import Settings
from stenogram.errors import Cancelled, DownloadFailed, ModelDamaged, OptionError, StorageError
from stenogram.models import store
from stenogram.models.catalogue import File, Model
from stenogram.models.download import pull
from stenogram.models.fetch import Patience
from stenogram.models.web import StrictRedirects
from stenogram.types import ModelFiles

QUICK = Patience(timeout_s=5, tries=3, pause_s=0.001)
CONTENTS = {
    "encoder.ort": hashlib.shake_256(b"encoder").digest(300_000),
    "decoder.ort": hashlib.shake_256(b"decoder").digest(500_000),
}
TOTAL = sum(map(len, CONTENTS.values()))


@dataclass
class Server:
    """What the server does next; ``faults`` are used up one by one, one for each request."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: {f"/small/{name}": data for name, data in CONTENTS.items()})
    faults: list[str] = field(default_factory=list)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """(path, Range) of every request."""
    version: str = '"1"'


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, server_state: Server, *args: Any) -> None:
        self.state = server_state
        super().__init__(*args)

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        state = self.state
        wanted = self.headers.get("Range")
        state.requests.append((self.path, wanted))
        fault, _, amount = (state.faults.pop(0) if state.faults else "").partition(" ")
        if fault == "status":
            self.send_error(int(amount))
        elif fault == "redirect":
            self.send_response(302)
            self.send_header("Location", amount)
            self.end_headers()
        elif self.path not in state.files:
            self.send_error(404)
        else:
            self.serve(state.files[self.path], wanted, fault, int(amount or 0))

    def serve(self, data: bytes, wanted: str | None, fault: str, amount: int) -> None:
        start = 0
        if wanted and self.headers.get("If-Range") == self.state.version and fault != "norange":
            start = int(wanted.removeprefix("bytes=").rstrip("-")) + amount * (fault == "shift")
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        if fault != "noetag":
            self.send_header("ETag", self.state.version)
        if fault != "nolength":
            self.send_header("Content-Length", str(len(data) - start + amount * (fault == "lie")))
        self.end_headers()
        body = bytearray(data[start:])
        if fault == "flip":
            body[amount] ^= 1
        if fault == "cut":
            body = body[:amount]
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = Server()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, state)) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{running.server_address[1]}"
        yield state
        running.shutdown()
        thread.join()


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def make_model(*, digest: str = "sha256", url: str = "https://nowhere.invalid/small") -> Model:
    files = tuple(
        File(
            role=name.removesuffix(".ort"),
            name=name,
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest() if digest == "sha256" else None,
            crc32c=crc32c(data) if digest == "crc32c" else None,
        )
        for name, data in CONTENTS.items()
    )
    return Model("small", "moonshine", ("en",), "MIT", "https://x", "made here", files, url=url)


class Shop:
    """Pulls into one home from one server, and notes the progress."""

    def __init__(self, home: Path, server: Server) -> None:
        self.settings = Settings(home=str(home), models_url=server.url + "/")
        self.folder = self.settings.models_dir / "small"
        self.progress: list[tuple[int, int]] = []

    def pull(self, model: Model | None = None, settings: Settings | None = None) -> ModelFiles:
        note = lambda done, total: self.progress.append((done, total))  # noqa: E731
        return pull(model or make_model(), settings or self.settings, note, lambda: False, QUICK)

    def holds_nothing_but_parts(self) -> bool:
        return {path.suffix for path in self.folder.iterdir()} <= {".part", ".etag", ".lock", ""}


@pytest.fixture
def shop(tmp_path: Path, server: Server) -> Shop:
    return Shop(tmp_path, server)


@pytest.mark.parametrize("digest", ["sha256", "crc32c", "none"])
def test_it_brings_every_file_and_the_model_is_installed(shop: Shop, digest: str) -> None:
    model = make_model(digest=digest)
    files = shop.pull(model)

    assert {role: path.read_bytes() for role, path in files.paths.items()} == {
        name.removesuffix(".ort"): data for name, data in CONTENTS.items()
    }
    assert store.files_of(model, shop.settings) == files
    assert sorted(path.name for path in shop.folder.iterdir()) == [
        ".lock",
        "decoder.ort",
        "encoder.ort",
        "record.json",
    ]


def test_the_digest_of_a_model_is_the_same_whether_it_was_recorded_or_pinned(shop: Shop, tmp_path: Path) -> None:
    recorded = shop.pull(make_model(digest="sha256")).digest

    assert store.files_of(make_model(digest="none"), shop.settings).digest == recorded


def test_progress_grows_to_the_size_of_the_model(shop: Shop) -> None:
    shop.pull()

    assert shop.progress == sorted(shop.progress)
    assert shop.progress[-1] == (TOTAL, TOTAL)
    assert {total for _, total in shop.progress} == {TOTAL}


def test_what_is_installed_is_not_fetched_again(shop: Shop, server: Server) -> None:
    first = shop.pull()
    server.requests.clear()

    assert shop.pull() == first
    assert server.requests == []


def test_a_cut_connection_is_resumed_where_it_broke(shop: Shop, server: Server) -> None:
    server.faults = ["cut 100000", "cut 50000"]

    shop.pull()

    assert server.requests[:3] == [
        ("/small/encoder.ort", None),
        ("/small/encoder.ort", "bytes=100000-"),
        ("/small/encoder.ort", "bytes=150000-"),
    ]


def test_a_connection_cut_more_often_than_the_tries_gets_through_while_bytes_come(shop: Shop, server: Server) -> None:
    server.faults = ["cut 20000"] * 12

    shop.pull()

    assert len(server.requests) == 14


def test_a_later_call_resumes_what_an_earlier_one_left(shop: Shop, server: Server) -> None:
    server.faults = ["cut 100000", "status 503", "status 503", "status 503"]
    with pytest.raises(DownloadFailed, match="503"):
        shop.pull()
    assert shop.holds_nothing_but_parts()
    server.requests.clear()

    shop.pull()

    assert server.requests[0] == ("/small/encoder.ort", "bytes=100000-")


@pytest.mark.parametrize("fault", ["norange", "shift 7", "status 416"])
def test_a_server_that_cannot_resume_is_read_from_the_start(shop: Shop, server: Server, fault: str) -> None:
    server.faults = ["cut 100000", fault]

    shop.pull()

    assert (shop.folder / "encoder.ort").read_bytes() == CONTENTS["encoder.ort"]


def test_a_file_that_changed_on_the_server_is_not_glued_together(shop: Shop, server: Server) -> None:
    stale = bytes(len(CONTENTS["encoder.ort"]))
    server.files["/small/encoder.ort"] = stale
    server.faults = ["cut 100000", "status 503", "status 503", "status 503"]
    with pytest.raises(DownloadFailed):
        shop.pull(make_model(digest="none"))
    server.files["/small/encoder.ort"] = CONTENTS["encoder.ort"]
    server.version = '"2"'

    shop.pull(make_model(digest="none"))

    assert (shop.folder / "encoder.ort").read_bytes() == CONTENTS["encoder.ort"]


def test_without_etag_it_starts_anew(shop: Shop, server: Server) -> None:
    server.faults = ["cut 100000", "status 503", "status 503", "status 503"]
    with pytest.raises(DownloadFailed):
        shop.pull()
    (shop.folder / "encoder.ort.etag").unlink()
    server.requests.clear()

    shop.pull()

    assert server.requests[0] == ("/small/encoder.ort", None)


@pytest.mark.parametrize("digest", ["sha256", "crc32c"])
def test_a_flipped_byte_is_refused_and_removed(shop: Shop, server: Server, digest: str) -> None:
    server.faults = ["flip 1234"]
    with pytest.raises(ModelDamaged, match=r"encoder\.ort"):
        shop.pull(make_model(digest=digest))

    assert shop.holds_nothing_but_parts()
    assert not (shop.folder / "encoder.ort.part").exists()
    assert shop.pull(make_model(digest=digest)).name == "small"


def test_a_pinned_digest_binds_the_next_download(shop: Shop, server: Server) -> None:
    model = make_model(digest="none")
    shop.pull(model)
    (shop.folder / "encoder.ort").write_bytes(b"damaged")
    server.faults = ["flip 5"]

    with pytest.raises(ModelDamaged):
        shop.pull(model)
    assert shop.pull(model).paths["encoder"].read_bytes() == CONTENTS["encoder.ort"]


def test_a_damaged_file_is_fetched_again_and_only_that(shop: Shop, server: Server) -> None:
    shop.pull()
    (shop.folder / "decoder.ort").write_bytes(bytes(len(CONTENTS["decoder.ort"])))
    server.requests.clear()

    shop.pull()

    assert [path for path, _ in server.requests] == ["/small/decoder.ort"]


@pytest.mark.parametrize("fault", ["lie 1000", "lie -1000"])
def test_a_length_that_is_not_the_catalogues_is_refused(shop: Shop, server: Server, fault: str) -> None:
    server.faults = [fault]

    with pytest.raises(DownloadFailed, match="the catalogue says 300000"):
        shop.pull()


def test_a_length_that_is_not_told_does_no_harm(shop: Shop, server: Server) -> None:
    server.faults = ["nolength"]

    assert shop.pull().paths["encoder"].read_bytes() == CONTENTS["encoder.ort"]


def test_a_server_that_sends_too_little_forever_is_given_up(shop: Shop, server: Server) -> None:
    server.faults = ["cut 0"] * 50

    with pytest.raises(DownloadFailed, match="ended after 0 of 300000 bytes"):
        shop.pull()
    assert len(server.requests) == QUICK.tries


def test_404_is_told_at_once(shop: Shop, server: Server) -> None:
    server.files.clear()

    with pytest.raises(DownloadFailed, match="404"):
        shop.pull()
    assert len(server.requests) == 1


def test_a_redirect_is_followed(shop: Shop, server: Server) -> None:
    server.files["/elsewhere"] = CONTENTS["encoder.ort"]
    server.faults = [f"redirect {server.url}/elsewhere"]

    assert shop.pull().name == "small"


def test_a_redirect_to_a_file_of_this_machine_is_not_followed(shop: Shop, server: Server) -> None:
    server.faults = ["redirect file:///etc/hosts"]

    with pytest.raises(DownloadFailed):
        shop.pull()


@pytest.mark.parametrize(
    ("origin", "target", "followed"),
    [
        ("https://a.invalid/x", "https://b.invalid/x", True),
        ("https://a.invalid/x", "http://a.invalid/x", False),
        ("http://a.invalid/x", "https://a.invalid/x", True),
        ("http://a.invalid/x", "ftp://a.invalid/x", False),
    ],
)
def test_redirects_do_not_weaken_the_connection(origin: str, target: str, *, followed: bool) -> None:
    request = urllib.request.Request(origin)  # noqa: S310 - nothing is opened
    try:
        answer = StrictRedirects().redirect_request(request, None, 302, "Found", {}, target)
    except urllib.error.URLError:
        answer = None

    assert (answer is not None) == followed


def test_a_proxy_of_the_environment_is_used(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    server.files = {f"http://models.invalid/small/{name}": data for name, data in CONTENTS.items()}

    assert Shop(tmp_path, Server(url="http://models.invalid")).pull().name == "small"


def test_a_refused_connection_is_told(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        state = Server(url=f"http://127.0.0.1:{closed.getsockname()[1]}")

        with pytest.raises(DownloadFailed, match="refused"):
            Shop(tmp_path, state).pull()


def test_a_name_that_does_not_resolve_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")

    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(DownloadFailed, match="cannot be resolved"):
        Shop(tmp_path, Server(url="http://models.invalid")).pull()


def test_a_silent_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = Settings(home=str(tmp_path), models_url=f"http://127.0.0.1:{silent.getsockname()[1]}")

        with pytest.raises(DownloadFailed, match="no answer in time"):
            pull(make_model(), settings, lambda *_: None, lambda: False, Patience(0.05, 2, 0.001))


def test_offline_does_not_ask_the_network(shop: Shop, server: Server) -> None:
    settings = Settings(home=shop.settings.home, models_url=server.url, offline=True)

    with pytest.raises(DownloadFailed, match="STENOGRAM_OFFLINE"):
        shop.pull(settings=settings)
    assert server.requests == []


def test_files_put_there_by_hand_need_no_network(shop: Shop) -> None:
    shop.folder.mkdir(parents=True)
    for name, data in CONTENTS.items():
        (shop.folder / name).write_bytes(data)

    assert shop.pull(settings=Settings(home=shop.settings.home, offline=True)).name == "small"


def test_no_room_is_told_before_anything_is_fetched(
    shop: Shop, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil has it
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**6, 10**6, 1000))

    with pytest.raises(DownloadFailed, match=r"MB are needed"):
        shop.pull()
    assert server.requests == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, server: Server) -> None:
    (tmp_path / "models").write_bytes(b"a file in the way")

    with pytest.raises(StorageError, match="STENOGRAM_HOME"):
        Shop(tmp_path, server).pull()


def test_only_web_addresses_serve_as_mirror(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="STENOGRAM_MODELS_URL"):
        Shop(tmp_path, Server(url="file:///srv/models")).pull()


def test_stop_ends_it_and_keeps_what_came(shop: Shop, server: Server) -> None:
    asked = iter([False] * 4)

    with pytest.raises(Cancelled):
        pull(make_model(), shop.settings, lambda *_: None, lambda: next(asked, True), QUICK)

    part = shop.folder / "encoder.ort.part"
    assert CONTENTS["encoder.ort"].startswith(part.read_bytes())
    assert part.stat().st_size > 0

    server.requests.clear()
    shop.pull()

    assert server.requests[0][1] == f"bytes={part_size(server)}-"


def part_size(server: Server) -> int:
    return int((server.requests[0][1] or "").removeprefix("bytes=").rstrip("-"))


def test_a_bundled_model_has_nothing_to_fetch(shop: Shop, server: Server) -> None:
    from stenogram.models import catalogue

    files = shop.pull(catalogue.find(catalogue.DEFAULT))

    assert files == store.locate(catalogue.DEFAULT, shop.settings)
    assert server.requests == []


PULL = """
import sys
sys.path.insert(0, sys.argv[1])
from test_models_pull import QUICK, make_model
from stenogram.config import Settings
from stenogram.models.download import pull
print("ready", flush=True)
sys.stdin.readline()
pull(make_model(), Settings(home=sys.argv[2], models_url=sys.argv[3]), lambda *_: None, lambda: False, QUICK)
"""


def test_several_processes_fetch_once(tmp_path: Path, server: Server) -> None:
    command = [sys.executable, "-c", PULL, str(Path(__file__).parent), str(tmp_path), server.url]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.communicate("go\n", timeout=120)

    assert [child.returncode for child in children] == [0, 0, 0]
    assert sorted(path for path, _ in server.requests) == ["/small/decoder.ort", "/small/encoder.ort"]
