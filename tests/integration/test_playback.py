"""``/api/v1/jobs/{id}/media`` and ``/peaks``: a real recording heard in ranges, copied for browsers, outlined."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from stenogram.app import playback
from stenogram.app.house import House
from stenogram.audio.decode import decode
from stenogram.audio.peaks import peaks_of
from stenogram.config import ServerSettings, Settings
from stenogram.errors import NotFound
from stenogram.job import Job
from stenogram.protocols import Stop
from stenogram.server.asgi import build
from stenogram.server.recordings import PIECE_BYTES, matches, part_of
from stenogram.store import jobs as job_rows
from stenogram.store import schema, workers
from stenogram.store.database import Database
from tests.integration.test_documents import TALK, Site, done


@pytest.fixture
def site(tmp_path: Path, two_cities: Path) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path / 'stenogram.db'}"
    db = Database.open(url)
    schema.upgrade(db)
    db.close()
    server = ServerSettings(database_url=url, min_free_disk_mb=0)
    with House.open(Settings(home=str(tmp_path / "home")), server) as house:
        with house.db.write() as tx:
            workers.register(tx, "w", "here", 1, "cpu")
        with TestClient(build(house), base_url="http://localhost:8000", raise_server_exceptions=False) as http:
            job_id = done(house, "anna", TALK, "Два города.wav", two_cities.read_bytes())
            yield Site(http, house, {}, job_id)


def ask(site: Site, path: str = "/media", method: str = "GET", **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer: httpx2.Response = site.http.request(method, f"/api/v1/jobs/{site.job_id}{path}", headers=named)
    return answer


def delete_recording(site: Site) -> None:
    with site.house.db.write() as tx:
        job = job_rows.find(tx.connection, site.job_id)
        assert job is not None
        assert job.media is not None
        site.house.media.delete(job.media.url)
        job_rows.forget_media(tx, [site.job_id])


def test_the_recording_comes_as_it_was_sent_and_as_nothing_but_sound(site: Site, two_cities: Path) -> None:
    answer = ask(site)

    data = two_cities.read_bytes()
    assert len(data) > 2 * PIECE_BYTES
    assert answer.status_code == 200
    assert answer.content == data
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-length"] == str(len(data))
    assert answer.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("inline; filename*=UTF-8''%D0%94%D0%B2%D0%B0%20")


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("bytes=0-99", 0, 100), ("bytes=1000000-", 1_000_000, None), ("bytes=-50", -50, None), ("bytes=9-9", 9, 10)],
)
def test_a_range_is_given(site: Site, two_cities: Path, wanted: str, start: int, end: int | None) -> None:
    data = two_cities.read_bytes()
    answer = ask(site, range=wanted)

    part = data[start:end]
    first = start % len(data)
    assert answer.status_code == 206
    assert answer.content == part
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(data)}"
    assert answer.headers["content-length"] == str(len(part))


def test_a_range_behind_the_end_is_refused_with_the_length(site: Site, two_cities: Path) -> None:
    size = two_cities.stat().st_size
    answer = ask(site, range=f"bytes={size}-")

    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"
    assert answer.json()["error"]["code"] == "range_not_satisfiable"


def test_if_range_and_if_none_match_go_by_the_content(site: Site) -> None:
    etag = ask(site, method="HEAD").headers["etag"]

    assert ask(site, range="bytes=0-9", if_range=etag).status_code == 206
    assert ask(site, range="bytes=0-9", if_range='"another"').status_code == 200
    same = ask(site, if_none_match=f'"x", W/{etag}')
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)


def test_head_tells_the_same_without_the_recording(site: Site, two_cities: Path) -> None:
    answer = ask(site, method="HEAD", range="bytes=0-9")

    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (206, b"", "10")
    assert ask(site, method="HEAD").headers["content-length"] == str(two_cities.stat().st_size)


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=5-1000", (5, 10)),
        ("bytes=-1000", (0, 10)),
        ("bytes=-0", (10, 10)),
        ("bytes=10-", (10, 10)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=²-³", None),
        ("bytes=0-99999999999999999999999", None),
    ],
)
def test_what_a_range_names(wanted: str, part: tuple[int, int] | None) -> None:
    assert part_of(wanted, 10) == part


def test_what_if_none_match_names() -> None:
    assert matches("*", '"a"')
    assert matches('"b", W/"a"', '"a"')
    assert not matches("", '"a"')
    assert not matches('"ab"', '"a"')


def test_the_playable_copy_is_small_made_once_and_in_time_with_the_words(
    site: Site, two_cities: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = playback.make_copy

    def counting(house: House, job: Job, stop: Stop) -> None:
        made.append(job.id)
        make(house, job, stop)

    monkeypatch.setattr(playback, "make_copy", counting)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(site, "/media?playable=true"), range(4)))

    assert made == [site.job_id]
    assert {answer.status_code for answer in answers} == {200}
    [data] = {answer.content for answer in answers}
    assert answers[0].headers["content-type"] == "audio/mpeg"
    assert answers[0].headers["content-disposition"].endswith(".mp3")
    assert answers[0].headers["etag"] != ask(site, method="HEAD").headers["etag"]
    assert len(data) < two_cities.stat().st_size / 10
    assert ask(site, "/media?playable=true", range="bytes=100-199").content == data[100:200]

    copy = tmp_path / "copy.mp3"
    copy.write_bytes(data)
    [original] = decode(two_cities, tmp_path).audios
    [copied] = decode(copy, tmp_path).audios
    assert copied.sample_count == original.sample_count
    outline, again = (base64.b64decode(ask(site, "/peaks").json()["peaks"]) for _ in range(2))
    assert outline == again
    assert peaks_of(original) == outline
    near = sum(abs(a - b) < 16 for a, b in zip(peaks_of(copied), outline, strict=True))
    assert near > 0.9 * len(outline)


def test_peaks_are_twenty_a_second_and_loud_where_somebody_speaks(site: Site) -> None:
    answer = ask(site, "/peaks").json()

    found = base64.b64decode(answer["peaks"])
    assert answer["rate"] == 20
    assert len(found) == 888  # 44.37 s
    assert max(found[:10]) < 20
    assert max(found) > 80


def test_peaks_outlive_the_recording_and_the_recording_with_its_copy_is_gone(site: Site) -> None:
    peaks = ask(site, "/peaks").json()
    assert ask(site, "/media?playable=true").status_code == 200
    delete_recording(site)

    assert ask(site, "/peaks").json() == peaks
    for path in ("/media", "/media?playable=true"):
        answer = ask(site, path)
        assert answer.status_code == 404
        assert "was deleted" in answer.json()["error"]["message"]
    media = site.house.settings.data_dir / "media"
    assert [path for path in media.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_without_a_recording_there_are_no_peaks_to_make(site: Site) -> None:
    delete_recording(site)

    answer = ask(site, "/peaks")
    assert answer.status_code == 404
    assert "was deleted" in answer.json()["error"]["message"]


def test_a_recording_that_is_deleted_while_its_copy_is_made_leaves_none(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = site.house.app.decoder.encode

    def deleting(*given: Any) -> None:
        encode(*given)
        delete_recording(site)

    monkeypatch.setattr(site.house.app.decoder, "encode", deleting)
    assert ask(site, "/media?playable=true").status_code == 404
    media = site.house.settings.data_dir / "media"
    assert [path for path in media.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_what_is_no_recording_is_told_and_tried_again_when_asked_again(site: Site, tmp_path: Path) -> None:
    site.job_id = done(site.house, "anna", TALK, "page.html", b"<html><script>alert(1)</script></html>" * 40)

    for path in ("/peaks", "/media?playable=true"):
        answers = [ask(site, path) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [400, 400]
        assert answers[0].json()["error"]["code"] == "not_media"
    answer = ask(site)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-security-policy"] == "sandbox"


def test_making_ready_ends_with_the_server(site: Site) -> None:
    stop = threading.Event()
    stop.set()
    with site.house.db.read() as connection:
        job = job_rows.find(connection, site.job_id)
    assert job is not None
    with pytest.raises(Exception, match="Stopped on request"):
        playback.make_peaks(site.house, job, stop.is_set)
    delete_recording(site)
    with site.house.db.read() as connection:
        job = job_rows.find(connection, site.job_id)
    assert job is not None
    with pytest.raises(NotFound, match="was deleted"):
        playback.make_peaks(site.house, job, stop.is_set)
