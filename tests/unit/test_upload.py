"""Uploads as they arrive: any cut of the body, every limit, and nothing left of what was not taken in whole."""

from __future__ import annotations

import hashlib
import itertools
import threading
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from stenogram.errors import EmptyFile, RequestError, StenogramError, StorageError, StorageFull, TooLarge
from stenogram.media import MediaStore, Receiver
from stenogram.server import upload
from stenogram.server.errors import status_of
from stenogram.server.upload import Form, Limits, receive_form

MIB = 2**20
LIMITS = Limits(max_bytes=10 * MIB, min_free_bytes=0)
SOUND = hashlib.shake_256(b"sound").digest(300_000)


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(str(tmp_path / "media"), tmp_path / "scratch")


def part(name: str, value: bytes | str, filename: str | None = None, boundary: str = "cut") -> bytes:
    data = value.encode() if isinstance(value, str) else value
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    return raw(f"Content-Disposition: {disposition}".encode(), data, boundary)


def raw(header: bytes, data: bytes, boundary: str = "cut") -> bytes:
    return b"--" + boundary.encode() + b"\r\n" + header + b"\r\n\r\n" + data + b"\r\n"


END = b"--cut--\r\n"


def request_of(pieces: Iterable[bytes | None], headers: dict[str, str] | None = None) -> Request:
    """A request whose body comes in these pieces; None: the client goes away."""
    given = {"content-type": "multipart/form-data; boundary=cut", **(headers or {})}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
    }
    waiting = iter(pieces)

    async def receive() -> dict[str, Any]:
        piece = next(waiting, b"")
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    return Request(scope, receive)


def take(
    store: MediaStore,
    body: bytes | Iterable[bytes | None],
    limits: Limits = LIMITS,
    headers: dict[str, str] | None = None,
) -> Form:
    pieces = [body] if isinstance(body, bytes) else body
    return anyio.run(receive_form, request_of(pieces, headers), store, limits)


def refused(
    store: MediaStore,
    body: bytes | Iterable[bytes | None],
    kind: type[StenogramError] = RequestError,
    limits: Limits = LIMITS,
    headers: dict[str, str] | None = None,
) -> str:
    """The message of the refusal; nothing may be left of the upload."""
    with pytest.raises(kind) as caught:
        take(store, body, limits, headers)
    assert type(caught.value) is kind
    assert left(store) == []
    return str(caught.value)


def left(store: MediaStore) -> list[Path]:
    return [path for path in Path(store._root).rglob("*") if path.is_file() and path.suffix != ".lock"]


def content(store: MediaStore, form: Form) -> list[bytes]:
    found = []
    for _, media in form.files:
        with store.local(media.url) as path:
            found.append(path.read_bytes())
    return found


def test_fields_come_in_order_and_files_are_stored_with_their_digest(store: MediaStore) -> None:
    body = part("model", "base") + part("file", SOUND, "a.wav") + part("tags[]", "x") + part("tags[]", "й") + END
    form = take(store, body)

    assert form.fields == [("model", "base"), ("tags[]", "x"), ("tags[]", "й")]
    assert (form.get("model"), form.get("absent"), form.all_of("tags")) == ("base", None, ["x", "й"])
    [media] = form.media("file")
    assert (media.digest, media.bytes, media.filename) == (hashlib.sha256(SOUND).hexdigest(), len(SOUND), "a.wav")
    assert content(store, form) == [SOUND]


TRICKY = b"\r\n--cu\r\n--cut\r--cut-- \r\n-\r\n--\r\n" * 3
WHOLE = part("a", "1") + part("file", TRICKY, "t.wav") + part("b", "") + END


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(cuts=st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_however_the_body_is_cut_the_same_comes_out(store: MediaStore, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WHOLE)]
    pieces = [WHOLE[start:end] for start, end in itertools.pairwise(edges) if end > start]
    form = take(store, pieces)

    assert form.fields == [("a", "1"), ("b", "")]
    assert content(store, form) == [TRICKY]


def test_byte_by_byte_the_same_comes_out(store: MediaStore) -> None:
    form = take(store, [WHOLE[at : at + 1] for at in range(len(WHOLE))])

    assert content(store, form) == [TRICKY]


def test_files_of_one_name_are_two_recordings(store: MediaStore) -> None:
    form = take(store, part("file", b"one", "a.wav") + part("file", b"two", "a.wav") + END)

    assert content(store, form) == [b"one", b"two"]


@pytest.mark.parametrize(
    ("disposition", "shown"),
    [
        ('filename="talk.mp3"', "talk.mp3"),
        ("filename=talk.mp3", "talk.mp3"),
        ('filename="Разговор.m4a"', "Разговор.m4a"),
        ("filename*=UTF-8''%D0%B7%D0%B2%D1%83%D0%BA.wav", "звук.wav"),
        ("filename=\"x.wav\"; filename*=utf-8'ru'%D0%B7%D0%B2%D1%83%D0%BA.wav", "звук.wav"),
        ("filename*=iso-8859-1''caf%E9.wav", "café.wav"),
        ("filename=\"x.wav\"; filename*=koi8-r''%DA.wav", "x.wav"),
        ('filename="x.wav"; filename*=broken', "x.wav"),
        ("filename*=utf-8''a%00b%0A.wav", "ab.wav"),
        ('filename="a;b=\\"c\\".wav"', 'a;b="c".wav'),
        ('filename="../../etc/passwd"', "../../etc/passwd"),
        ('FileName="x.wav"', "x.wav"),
        ('filename=""', "upload"),
        ('filename="\x01\x02"', "upload"),
    ],
)  # fmt: skip
def test_the_name_is_kept_for_display_and_stored_safely(store: MediaStore, disposition: str, shown: str) -> None:
    header = f'Content-Disposition: form-data; name="file"; {disposition}'.encode()
    [(name, media)] = take(store, raw(header, b"sound") + END).files

    assert (name, media.filename) == ("file", shown)
    assert [path.resolve().is_relative_to(Path(store._root).resolve()) for path in left(store)] == [True]


def test_a_name_in_latin_1_is_read(store: MediaStore) -> None:
    header = 'Content-Disposition: form-data; name="file"; filename="café.wav"'.encode("latin-1")
    [(_, media)] = take(store, raw(header, b"sound") + END).files

    assert media.filename == "café.wav"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(name=st.text(max_size=60), data=st.binary(min_size=1, max_size=200))
def test_any_name_and_any_bytes_arrive_and_can_be_stored(store: MediaStore, name: str, data: bytes) -> None:
    quoted = "".join(f"%{byte:02X}" for byte in name.encode(errors="replace"))
    header = f"Content-Disposition: form-data; name=file; filename*=utf-8''{quoted}".encode()
    form = take(store, raw(header, data, "a-long-boundary") + b"--a-long-boundary--", headers=LONG)

    [media] = form.media("file")
    media.filename.encode()
    assert "\x00" not in media.filename
    assert content(store, form) == [data]
    store.delete(media.url)


LONG = {"content-type": "multipart/form-data; boundary=a-long-boundary"}

# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("application/json", "must be multipart/form-data, not application/json"),
        ("application/x-www-form-urlencoded", "not application/x-www-form-urlencoded"),
        ("", "of no content type"),
        ("multipart/form-data", "must name its boundary"),
        ("multipart/form-data; boundary=", "must name its boundary"),
        ('multipart/form-data; boundary=""', "must name its boundary"),
        ("multipart/mixed; boundary=cut", "not multipart/mixed"),
        ("multipart/form-data; boundary=" + "x" * 2000, "cannot be read"),
    ],
)
def test_what_is_no_multipart_form_is_refused(store: MediaStore, content_type: str, message: str) -> None:
    assert message in refused(store, WHOLE, headers={"content-type": content_type})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "ended in the middle"),
        (b"nonsense", "malformed"),
        (b"--other\r\n", "malformed"),
        (part("file", SOUND, "a.wav"), "ended in the middle"),
        (part("a", "1") + part("file", SOUND, "a.wav")[:-200], "ended in the middle"),
        (part("file", SOUND, "a.wav") + b"--cut\r\nbad header\r\n\r\n", "malformed"),
        (part("file", SOUND, "a.wav") + raw(b"Content-Type: text/plain", b"x") + END, "has no name"),
        (raw(b"Content-Disposition: form-data; filename=a.wav", b"x") + END, "has no name"),
        (raw(b'Content-Disposition: attachment; name="file"', b"x") + END, "has no name"),
        (
            raw(b'Content-Disposition: form-data; name="file"; filename="a"\r\nContent-Transfer-Encoding: base64', b"x")
            + END,
            "sent as base64",
        ),
        (part("file", SOUND, "a.wav") + part("model", "a\0b") + END, "NUL"),
        (part("file", SOUND, "a.wav") + raw(b"X: " + b"y" * 100_000, b"") + END, "header"),
        (part("file", SOUND, "a.wav") + raw(b"X: y\r\n" * 500 + b"Z: y", b"") + END, "header"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_body_that_is_not_whole_or_not_right_leaves_nothing(store: MediaStore, body: bytes, message: str) -> None:
    assert message in refused(store, body)


@pytest.mark.parametrize("sent", [0, 10, 100, 150_000])
def test_nothing_is_left_of_a_client_that_goes_away(store: MediaStore, sent: int) -> None:
    body = part("one", b"whole", "whole.wav") + part("file", SOUND, "a.wav")

    assert "went away" in refused(store, [body[:sent], None] if sent else [None])


def test_nothing_is_left_of_a_request_that_is_cancelled(store: MediaStore) -> None:
    async def run() -> None:
        async def receive() -> dict[str, Any]:
            if not sent:
                sent.append(True)
                body = part("one", b"whole", "whole.wav") + part("file", SOUND, "a.wav")[:-50_000]
                return {"type": "http.request", "body": body, "more_body": True}
            scope.cancel()
            await anyio.sleep_forever()
            raise AssertionError

        sent: list[bool] = []
        request = request_of([])
        request._receive = receive
        with anyio.CancelScope() as scope:
            await receive_form(request, store, LIMITS)

    anyio.run(run)
    assert left(store) == []


def test_an_empty_file_is_refused_by_its_name(store: MediaStore) -> None:
    body = part("file", b"whole", "a.wav") + part("file", b"", "empty.wav") + END

    assert "empty.wav" in refused(store, body, EmptyFile)


def test_one_byte_over_the_limit_is_refused_while_it_streams_with_the_numbers(store: MediaStore) -> None:
    limits = Limits(max_bytes=2 * MIB, min_free_bytes=0)
    [(_, media)] = take(store, part("file", bytes(2 * MIB), "a.wav") + END, limits).files
    store.delete(media.url)
    message = refused(store, part("file", bytes(2 * MIB + 1), "a.wav") + END, TooLarge, limits)

    assert "more than 2.0 MiB against 2 MiB" in message
    assert "STENOGRAM_MAX_UPLOAD_MB" in message
    two = part("one", bytes(MIB), "a.wav") + part("two", bytes(MIB + 1), "a.wav") + END
    assert "more than 2.0 MiB" in refused(store, two, TooLarge, limits)


def test_what_says_it_is_too_large_is_refused_before_any_of_it_is_read(store: MediaStore) -> None:
    untouched: Iterator[bytes] = (pytest.fail("the body was read") for _ in "x")

    message = refused(store, untouched, TooLarge, headers={"content-length": str(100 * MIB)})
    assert "100.0 MiB against 10 MiB" in message


def test_errors_of_uploads_have_their_statuses() -> None:
    facts = {"what": "", "size": "", "limit": "", "setting": "", "cause": "", "path": ""}
    kinds: list[type[StenogramError]] = [TooLarge, RequestError, EmptyFile, StorageFull, StorageError]

    assert [status_of(kind(**facts)) for kind in kinds] == [413, 400, 400, 507, 503]


def test_the_number_of_files_is_bounded(store: MediaStore) -> None:
    files = [part("file", b"x", "a.wav")] * upload.MOST_FILES

    assert len(take(store, [*files, END]).files) == upload.MOST_FILES
    for path in left(store):
        path.unlink()
    assert "more than 100 files" in refused(store, [*files, part("file", b"x", "a.wav"), END])


def test_the_number_and_size_of_fields_are_bounded(store: MediaStore) -> None:
    file, field = part("file", SOUND, "a.wav"), part("a", "x")
    most = part("a", b"x" * upload.MOST_FIELD_BYTES)

    assert len(take(store, field * upload.MOST_FIELDS + END).fields) == upload.MOST_FIELDS
    assert "more than 200 fields" in refused(store, file + field * (upload.MOST_FIELDS + 1) + END)
    times = upload.MOST_FIELDS_BYTES // upload.MOST_FIELD_BYTES
    assert take(store, most * times + END).fields == [("a", "x" * upload.MOST_FIELD_BYTES)] * times
    too_long = file + part("a", b"x" * (upload.MOST_FIELD_BYTES + 1)) + END
    assert "longer than 5 MiB" in refused(store, too_long, TooLarge)
    assert "all fields together than 20 MiB" in refused(store, file + most * times + field + END, TooLarge)


# --- room and memory -------------------------------------------------------------------------------------------------


def test_no_upload_is_taken_when_the_disk_has_not_the_room_that_must_stay(
    store: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "free_bytes", lambda: 300 * MIB)
    limits = Limits(max_bytes=1000 * MIB, min_free_bytes=200 * MIB)

    take(store, part("a", "x") + END, limits)
    message = refused(store, WHOLE, StorageFull, limits, {"content-length": str(150 * MIB)})
    assert "300 MiB are free, the upload needs 150.0 MiB, and 200 MiB must stay free" in message


def test_room_that_runs_out_while_an_upload_streams_ends_it(store: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([300 * MIB, 202 * MIB, 201 * MIB])
    monkeypatch.setattr(store, "free_bytes", lambda: next(free, 200 * MIB))
    limits = Limits(max_bytes=1000 * MIB, min_free_bytes=200 * MIB)

    assert "200 MiB must stay free" in refused(store, part("file", bytes(5 * MIB), "a.wav") + END, StorageFull, limits)


def test_a_disk_that_fails_ends_the_upload_and_leaves_nothing(
    store: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Receiver) -> None:
        raise StorageError(path="the disk", cause="gone")

    monkeypatch.setattr(Receiver, "close", fail)
    refused(store, WHOLE, StorageError)


@pytest.mark.parametrize("piece_bytes", [60_000, 4 * MIB], ids=["small", "large"])
def test_a_file_of_300_mb_is_never_held_in_memory(
    store: MediaStore, monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    """Counted: the bytes handed to the disk at once, and all memory that Python has at any moment."""
    total, piece = 300 * MIB, bytes(piece_bytes)
    largest = [0]
    write: Callable[[Receiver, bytes], None] = Receiver.write

    def counting(self: Receiver, data: bytes) -> None:
        largest[0] = max(largest[0], len(data))
        write(self, data)

    def pieces() -> Iterator[bytes]:
        yield b'--cut\r\nContent-Disposition: form-data; name="file"; filename="long.wav"\r\n\r\n'
        for _ in range(total // piece_bytes):
            yield piece
        yield piece[: total % piece_bytes]
        yield b"\r\n" + END

    monkeypatch.setattr(Receiver, "write", counting)
    tracemalloc.start()
    try:
        form = take(store, (each for each in pieces() if each), Limits(total, 0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    [media] = form.media("file")

    assert media.bytes == total
    assert largest[0] <= upload.PIECE_BYTES + upload.SLICE_BYTES
    assert peak < 8 * MIB
    store.delete(media.url)


def test_a_slow_disk_holds_up_no_other_threads(store: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 uploads wait for the disk while what else needs a thread gets one."""
    gate = threading.Event()
    waiting = threading.Semaphore(0)
    write: Callable[[Receiver, bytes], None] = Receiver.write

    def slow(self: Receiver, data: bytes) -> None:
        waiting.release()
        assert gate.wait(60)
        write(self, data)

    async def run() -> list[Form]:
        forms: list[Form] = []

        async def one() -> None:
            forms.append(await receive_form(request_of([WHOLE]), store, LIMITS))

        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(one)
            assert await anyio.to_thread.run_sync(waiting.acquire, True, 60)
            with anyio.fail_after(60):
                assert await anyio.to_thread.run_sync(lambda: "answered") == "answered"
            gate.set()
        return forms

    monkeypatch.setattr(Receiver, "write", slow)
    assert len(anyio.run(run)) == 200
