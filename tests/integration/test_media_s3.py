"""Recordings on S3's real wire: moto serves it on this machine, s3fs speaks it."""

from __future__ import annotations

import hashlib
import logging
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings, read
from stenogram.errors import FileNotReadable, StorageError
from stenogram.job import Media
from stenogram.media import MediaStore, copy_of
from stenogram.store import schema
from tests.service import CALLER, fake, keep, submit, supervise, until, wait_for

MIB = 2**20
SMALL = hashlib.shake_256(b"small").digest(100_000)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An empty bucket, and this process's way to it, as an operator would set it."""
    import s3fs

    settings = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "absent"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "absent"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"recordings-{uuid.uuid4().hex}"
    s3fs.S3FileSystem().mkdir(name)
    yield name
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def store(bucket: str, tmp_path: Path) -> MediaStore:
    return MediaStore(f"s3://{bucket}/stenogram", tmp_path / "scratch")


def objects(bucket: str) -> list[str]:
    import s3fs

    files = s3fs.S3FileSystem()
    files.invalidate_cache()
    return [str(path).removeprefix(f"{bucket}/") for path in files.find(bucket)]


def put(store: MediaStore, data: bytes) -> Media:
    receiver = store.receive("Разговор.mp3")
    for start in range(0, len(data), MIB):
        receiver.write(data[start : start + MIB])
    return receiver.close()


def scratch(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "scratch").rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize("size", [100_000, 40 * MIB], ids=["at once", "in parts"])
def test_a_recording_comes_back_as_it_was_and_leaves_nothing_here(
    store: MediaStore, bucket: str, tmp_path: Path, size: int
) -> None:
    import s3fs

    data = hashlib.shake_256(b"large").digest(MIB) * (size // MIB) or SMALL
    media = put(store, data)

    assert scratch(tmp_path) == []
    [key] = objects(bucket)
    assert key == f"stenogram/{media.url}"
    parts = re.search(r"-(\d+)\"?$", s3fs.S3FileSystem().info(f"{bucket}/{key}")["ETag"])
    assert (int(parts[1]) if parts else 0) == (5 if size > MIB else 0)  # pieces of 8 MiB, not s3fs's 50 MB
    with store.local(media.url) as path:
        assert path.read_bytes() == data
        assert path.suffix == ".mp3"
    assert scratch(tmp_path) == []
    assert media.digest == hashlib.sha256(data).hexdigest()


def test_another_machine_reads_what_one_took_in(store: MediaStore, bucket: str, tmp_path: Path) -> None:
    media = put(store, SMALL)
    other = MediaStore(f"s3://{bucket}/stenogram/", tmp_path / "other")

    with other.local(media.url) as path:
        assert path.read_bytes() == SMALL


def test_what_is_deleted_is_gone_and_the_bucket_stays(store: MediaStore, bucket: str) -> None:
    media = put(store, SMALL)
    for _ in range(2):
        store.delete(media.url)

    assert objects(bucket) == []
    with pytest.raises(FileNotReadable), store.local(media.url):
        pass
    put(store, SMALL)  # the bucket is there


def test_a_bucket_that_is_not_there_is_a_storage_error_and_is_not_made(bucket: str, tmp_path: Path) -> None:
    import s3fs

    absent = f"absent-{uuid.uuid4().hex}"
    with pytest.raises(StorageError):
        put(MediaStore(f"s3://{absent}/stenogram", tmp_path / "scratch"), SMALL)

    assert not s3fs.S3FileSystem().exists(absent)
    assert scratch(tmp_path) == []


def test_a_store_that_is_gone_is_a_storage_error_for_taking_in_lending_and_deleting(
    store: MediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = put(store, SMALL)
    files: Any = store._files
    files.retries = 1
    files._s3 = None  # it connects anew, to where nobody listens
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    files.session = None

    with pytest.raises(StorageError):
        put(store, SMALL)
    with pytest.raises(StorageError), store.local(media.url):
        pass
    with pytest.raises(StorageError):
        store.delete(media.url)
    assert scratch(tmp_path) == []


def test_a_job_is_done_from_the_bucket_and_its_recording_deleted(bucket: str, tmp_path: Path, beckett: Path) -> None:
    server = replace(read(ServerSettings), media_url=f"s3://{bucket}/media")
    with House.open(Settings(home=str(tmp_path / "home")), server) as house:
        schema.upgrade(house.db)
        supervisor = supervise(house, fake(tmp_path / "log", 0))
        supervisor.start()
        try:
            [job] = jobs.submit(house, CALLER, jobs.Order("service"), [keep(house, beckett)])
            assert wait_for(house, job).state == "succeeded"
            until(lambda: not objects(bucket), what="for the recording to go")
            kept = submit(house, beckett)
            assert wait_for(house, kept).state == "succeeded"
            assert [key.endswith("/beckett.wav") for key in objects(bucket)] == [True]
        finally:
            supervisor.stop(5.0)
    assert list((tmp_path / "home" / "cache" / "work").rglob("*.wav")) == []


def test_a_recording_is_read_by_ranges_and_goes_with_its_copy(bucket: str, store: MediaStore) -> None:
    media = put(store, SMALL)

    def writing(path: Path) -> None:
        path.write_bytes(b"a copy")

    assert store.size(media.url) == len(SMALL)
    assert store.read(media.url, 10, 30) == SMALL[10:30]
    store.add_copy(media.url, writing)
    assert store.size(copy_of(media.url)) == 6
    assert len(objects(bucket)) == 2
    store.delete(media.url)
    assert objects(bucket) == []
    for url in (media.url, copy_of(media.url)):
        with pytest.raises(FileNotReadable):
            store.size(url)
        with pytest.raises(FileNotReadable):
            store.read(url, 0, 1)


def test_a_copy_of_what_was_deleted_meanwhile_is_not_kept(bucket: str, store: MediaStore) -> None:
    media = put(store, SMALL)

    def deleting(path: Path) -> None:
        path.write_bytes(b"a copy")
        store.delete(media.url)

    with pytest.raises(FileNotReadable):
        store.add_copy(media.url, deleting)
    assert objects(bucket) == []
