"""Recordings in a folder and in a store elsewhere: safe places, nothing lost, nothing left lying about."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.errors import FileNotReadable, OptionError, StorageError, StorageFull
from stenogram.job import Media
from stenogram.media import MediaStore, Receiver, safe_name

DATA = hashlib.shake_256(b"a recording").digest(100_000)


@pytest.fixture(params=["folder", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    """Each test on a folder, and on a store that has no folders of this machine."""
    url = str(tmp_path / "media") if request.param == "folder" else f"memory://{uuid.uuid4().hex}"
    return MediaStore(url, tmp_path / "scratch")


@pytest.fixture
def folder(tmp_path: Path) -> MediaStore:
    return MediaStore(str(tmp_path / "media"), tmp_path / "scratch")


@pytest.fixture
def remote(tmp_path: Path) -> MediaStore:
    return MediaStore(f"memory://{uuid.uuid4().hex}", tmp_path / "scratch")


def put(store: MediaStore, data: bytes = DATA, name: str = "talk.mp3") -> Media:
    receiver = store.receive(name)
    for start in range(0, len(data), 30_000):
        receiver.write(data[start : start + 30_000])
    return receiver.close()


def under_way(tmp_path: Path) -> list[Path]:
    """Files that are not recordings: uploads and copies under way."""
    places = [tmp_path / "media" / ".incoming", tmp_path / "scratch"]
    return [path for place in places for path in place.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_what_comes_in_is_lent_as_it_was_and_told_by_digest_size_and_name(store: MediaStore, tmp_path: Path) -> None:
    media = put(store)

    with store.local(media.url) as path:
        assert path.read_bytes() == DATA
        assert path.suffix == ".mp3"
    assert (media.digest, media.bytes, media.filename) == (hashlib.sha256(DATA).hexdigest(), len(DATA), "talk.mp3")
    assert re.fullmatch(r"\d{4}/\d{2}/[0-9a-f]{32}/talk\.mp3", media.url)
    assert under_way(tmp_path) == []


def test_a_folder_lends_the_file_itself_and_another_store_a_copy_that_goes(
    folder: MediaStore, remote: MediaStore
) -> None:
    own, copied = put(folder), put(remote)

    with folder.local(own.url) as path:
        assert str(path).endswith(own.url)
    assert path.exists()
    with contextlib.suppress(ZeroDivisionError), remote.local(copied.url) as path:
        assert path.exists()
        raise ZeroDivisionError
    assert not path.exists()


def test_two_recordings_of_one_name_do_not_meet(store: MediaStore) -> None:
    first, second = put(store, b"one"), put(store, b"two")

    store.delete(first.url)
    with store.local(second.url) as path:
        assert path.read_bytes() == b"two"


def test_a_deleted_recording_is_gone_and_deleting_again_does_no_harm(store: MediaStore) -> None:
    media = put(store)
    for _ in range(2):
        store.delete(media.url)

    with pytest.raises(FileNotReadable, match="not in the store any more"), store.local(media.url):
        pass


def test_deleting_takes_empty_folders_along_and_no_others(folder: MediaStore, tmp_path: Path) -> None:
    first, second = put(folder), put(folder)

    folder.delete(first.url)
    assert [path.name for path in (tmp_path / "media").glob("*/*/*")] == [Path(second.url).parent.name]
    folder.delete(second.url)
    assert [path.name for path in (tmp_path / "media").iterdir()] == [".incoming"]


def test_a_recording_finds_its_folder_also_when_that_is_removed_as_empty_meanwhile(
    folder: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, raced = os.mkdir, [0]

    def racing(path: Path, *mode: int) -> None:
        if len(Path(path).name) == 32 and Path(path).parent.exists() and raced[0] < 2:
            raced[0] += 1
            Path(path).parent.rmdir()
        real(path, *mode)

    monkeypatch.setattr(os, "mkdir", racing)
    media = put(folder)

    assert raced == [2]
    with folder.local(media.url) as path:
        assert path.read_bytes() == DATA


def test_a_copy_of_what_is_deleted_at_this_moment_is_not_kept(folder: MediaStore, tmp_path: Path) -> None:
    """Its folder is still there, so that the copy would outlive it."""
    media = put(folder)

    def deleting(path: Path) -> None:
        path.write_bytes(b"a copy")
        (tmp_path / "media" / media.url).unlink()

    with pytest.raises(FileNotReadable):
        folder.add_copy(media.url, deleting)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_many_threads_take_in_and_delete_side_by_side(folder: MediaStore) -> None:
    def once(number: int) -> None:
        folder.delete(put(folder, b"%d" % number).url)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(once, range(200)))


@pytest.mark.parametrize(
    "url",
    [
        "", "/", ".", "..", "/etc/passwd", "../../etc/passwd", "2026/01/../../../etc/passwd", "2026/01/aa/a.wav",
        f"2026/01/{'a' * 32}/..", f"2026/01/{'a' * 32}/../../../../x", f"2026/01/{'a' * 32}/a/b",
        f"2026/01/{'a' * 32}/", f"2026/01/{'a' * 32}", f"2026\\01\\{'a' * 32}\\a.wav", f"C:2026/01/{'a' * 32}/a.wav",
        f"file:///2026/01/{'a' * 32}/a.wav", f"s3://b/2026/01/{'a' * 32}/a.wav", f"2026/01/{'a' * 32}/a.wav\n",
        f"2026/01/{'a' * 32}/a\0.wav", "~/a.wav", ".incoming",
    ],
)  # fmt: skip
def test_a_crafted_url_reaches_nothing_outside_the_recordings(store: MediaStore, tmp_path: Path, url: str) -> None:
    outside = tmp_path / "etc" / "passwd"
    outside.parent.mkdir()
    outside.write_text("secret")
    put(store)

    with pytest.raises(FileNotReadable, match="no recording of this store"), store.local(url):
        pass
    with pytest.raises(FileNotReadable):
        store.delete(url)
    assert outside.exists()


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("talk.mp3", "talk.mp3"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\call.wav", "call.wav"),
        ("Встреча № 5 (черновик).m4a", "Встреча_5_черновик.m4a"),
        ("и\u0306.wav", "й.wav"),
        ("会議.ogg", "会議.ogg"),
        ("🎙️.wav", "recording.wav"),
        ("a\0b\nc.wav", "a_b_c.wav"),
        ("CON.wav", "CON_.wav"),
        ("lpt1", "lpt1_"),
        (".bashrc", "recording.bashrc"),
        ("-rf", "rf"),
        ("..", "recording"),
        ("", "recording"),
        ("\udcff.wav", "recording.wav"),
        ("trailing. ", "trailing"),
        ("a" * 5000 + ".flac", "a" * 80 + ".flac"),
        ("я" * 5000 + ".flac", "я" * 40 + ".flac"),
    ],
)
def test_names_are_made_safe_and_keep_their_ending(name: str, stored: str) -> None:
    assert safe_name(name) == stored


@given(st.text(max_size=400))
def test_any_name_becomes_one_that_the_store_knows_again(name: str) -> None:
    safe = safe_name(name)

    assert re.fullmatch(r"[\w-]+(\.\w+)?", safe)
    assert len(safe.encode()) <= 110
    assert safe.upper().partition(".")[0] not in {"CON", "NUL", "AUX", "PRN", "COM1", "LPT9"}


def test_the_name_is_kept_for_display_as_it_came(store: MediaStore) -> None:
    assert put(store, name="../Разговор?.wav").filename == "../Разговор?.wav"


def test_an_upload_given_up_leaves_nothing(store: MediaStore, tmp_path: Path) -> None:
    receiver = store.receive("talk.mp3")
    receiver.write(DATA)
    assert len(under_way(tmp_path)) == 1
    for _ in range(2):
        receiver.abort()

    assert under_way(tmp_path) == []


def no_room(*args: Any, **options: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_as_such_and_the_part_removed(
    store: MediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = store.receive("talk.mp3")
    receiver.write(DATA)
    monkeypatch.setattr(os, "fsync", no_room)

    with pytest.raises(StorageFull, match="No space left"):
        receiver.close()
    assert under_way(tmp_path) == []


def test_a_move_that_fails_leaves_neither_part_nor_recording(
    folder: MediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = folder.receive("talk.mp3")
    receiver.write(DATA)
    real, calls = os.fsync, [0]

    def fails_for_folders(number: int) -> None:
        calls[0] += 1
        no_room() if calls[0] > 1 else real(number)

    monkeypatch.setattr(os, "fsync", fails_for_folders)
    with pytest.raises(StorageFull):
        receiver.close()
    assert [path for path in (tmp_path / "media").rglob("*") if path.is_file() and path.suffix != ".lock"] == []


@pytest.mark.parametrize("fault", [ConnectionError("unreachable"), RuntimeError("of the driver's own kind")])
def test_a_store_that_does_not_answer_is_a_storage_error_and_not_the_recordings_fault(
    remote: MediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    media = put(remote)

    def refuse(*args: Any, **options: Any) -> None:
        raise fault

    for name in ("put_file", "get_file", "rm_file"):
        monkeypatch.setattr(remote._files, name, refuse, raising=False)
    with pytest.raises(StorageError, match=str(fault)):
        put(remote)
    with pytest.raises(StorageError, match=str(fault)), remote.local(media.url):
        pass
    with pytest.raises(StorageError, match=str(fault)):
        remote.delete(media.url)
    assert under_way(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file where the folder should be")

    with pytest.raises(StorageError):
        MediaStore(str(tmp_path / "media"), tmp_path).receive("talk.mp3")


@pytest.mark.parametrize(
    ("url", "message"),
    [("nosuch://x", "is no kind of store"), ("memory://", "must name a folder or a bucket"), ("/", "must name")],
)
def test_a_url_that_cannot_be_served_is_refused_at_once(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        MediaStore(url, tmp_path)


def test_a_store_whose_package_is_absent_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*args: Any, **options: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", absent)
    with pytest.raises(OptionError, match=r"pip install 'stenogram\[s3\]'"):
        MediaStore("s3://key:secret@bucket", tmp_path)


def test_free_room_is_that_of_the_disk_where_recordings_arrive(store: MediaStore, tmp_path: Path) -> None:
    free = store.free_bytes()

    assert free is not None
    assert 0 < free < 2**60
    assert not (tmp_path / "media").exists()  # asking makes nothing


# --- what killed processes leave -------------------------------------------------------------------------------------

UPLOADER = """
import os, sys
from pathlib import Path
from stenogram.media import MediaStore
receiver = MediaStore(sys.argv[1], Path(sys.argv[2])).receive("talk.mp3")
receiver.write(b"half of it")
receiver._file.flush()
print("writing", flush=True)
sys.stdin.read()
"""


def start_uploader(url: str, tmp_path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", UPLOADER, url, str(tmp_path / "scratch")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


@pytest.mark.parametrize("place", ["folder", "remote"])
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path, place: str) -> None:
    url = str(tmp_path / "media") if place == "folder" else "memory://sweep"
    with start_uploader(url, tmp_path) as killed, start_uploader(url, tmp_path) as living:
        store = MediaStore(url, tmp_path / "scratch")
        own = store.receive("own.mp3")
        assert (store.sweep(), len(under_way(tmp_path))) == (0, 3)
        killed.kill()
        killed.wait()

        assert (store.sweep(), len(under_way(tmp_path))) == (1, 2)
        living.kill()
        living.wait()
        put(MediaStore(url, tmp_path / "scratch"))  # a process that begins sweeps by itself
        assert len(under_way(tmp_path)) == 1
        own.abort()


def test_files_whose_process_cannot_be_told_go_by_their_age(folder: MediaStore, tmp_path: Path) -> None:
    incoming = tmp_path / "media" / ".incoming"
    incoming.mkdir(parents=True)
    old, young, other = (incoming / f"{'a' * 16}-{name * 32}" for name in "012")
    other = other.with_name("not-ours")
    for path in (old, young, other):
        path.write_bytes(b"x")
    for path in (old, other):
        os.utime(path, (1, 1))

    assert folder.sweep() == 1
    assert sorted(path.name for path in incoming.iterdir()) == sorted([young.name, other.name])


def test_sweeping_what_is_not_there_does_no_harm(store: MediaStore) -> None:
    assert store.sweep() == 0


def test_many_threads_begin_at_once_with_one_lock(folder: MediaStore, tmp_path: Path) -> None:
    begin = threading.Barrier(8)

    def receive(_: int) -> Receiver:
        begin.wait()
        return folder.receive("talk.mp3")

    with ThreadPoolExecutor(8) as threads:
        receivers = list(threads.map(receive, range(8)))
    assert len(list((tmp_path / "media" / ".incoming").glob("*.lock"))) == 1
    for receiver in receivers:
        receiver.abort()
