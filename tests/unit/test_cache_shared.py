"""The shared cache: machines find each other's results; a broken store breaks nothing."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from stenogram.cache import LocalCache, SharedCache, open_cache
from stenogram.cache.shared import without_secrets
from stenogram.config import Settings
from stenogram.errors import OptionError

KEY = hashlib.sha256(b"one").hexdigest()


class FlakyFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """A store that can be switched off, and counts what it is asked."""

    protocol = "flaky"
    cachable = False
    down: ClassVar[bool] = False
    asked: ClassVar[int] = 0

    def _ask(self) -> None:
        type(self).asked += 1
        if self.down:
            raise RuntimeError("no route to host")

    def cat_file(self, *args: Any, **kwargs: Any) -> Any:
        self._ask()
        return super().cat_file(*args, **kwargs)

    def pipe_file(self, *args: Any, **kwargs: Any) -> None:
        self._ask()
        super().pipe_file(*args, **kwargs)


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)
    FlakyFileSystem.down, FlakyFileSystem.asked = False, 0
    yield
    MemoryFileSystem.store.clear()


def machine(folder: Path, url: str, pause_s: float = 60) -> SharedCache:
    return SharedCache(LocalCache(folder, 10**6), url, pause_s)


@pytest.fixture(params=["file", "plain path", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {
        "file": (tmp_path / "shared").as_uri(),
        "plain path": str(tmp_path / "shared"),
        "memory": "memory://shared",
    }[request.param]


def test_one_machine_gets_what_another_put_and_keeps_it(tmp_path: Path, url: str) -> None:
    machine(tmp_path / "a", url).put("chunk", KEY, b"text")

    assert machine(tmp_path / "b", url).get("chunk", KEY) == b"text"
    assert LocalCache(tmp_path / "b", 10**6).get("chunk", KEY) == b"text"


def test_clear_and_info_concern_this_machine(tmp_path: Path, url: str) -> None:
    here, there = machine(tmp_path / "a", url), machine(tmp_path / "b", url)
    here.put("chunk", KEY, b"text")

    assert here.clear() > 0
    assert here.info().entries == 0
    assert there.get("chunk", KEY) == b"text"


def test_a_local_hit_does_not_ask_the_store(tmp_path: Path) -> None:
    cache = machine(tmp_path, "flaky://shared")
    cache.put("chunk", KEY, b"text")
    FlakyFileSystem.asked = 0

    assert cache.get("chunk", KEY) == b"text"
    assert FlakyFileSystem.asked == 0


def test_a_damaged_shared_entry_is_a_miss_until_it_is_put_again(tmp_path: Path) -> None:
    url = (tmp_path / "shared").as_uri()
    machine(tmp_path / "a", url).put("chunk", KEY, b"text")
    entry = tmp_path / "shared" / "v1" / "chunk" / KEY[:2] / KEY
    entry.write_bytes(entry.read_bytes()[:-3])

    assert machine(tmp_path / "b", url).get("chunk", KEY) is None

    machine(tmp_path / "b", url).put("chunk", KEY, b"text")

    assert machine(tmp_path / "c", url).get("chunk", KEY) == b"text"


def test_a_store_that_fails_is_logged_once_and_left_alone_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = machine(tmp_path, "flaky://user:secret@shared")
    FlakyFileSystem.down = True
    with caplog.at_level(logging.WARNING):
        cache.put("chunk", KEY, b"text")
        values = [cache.get("chunk", KEY), cache.get("speech", KEY)]

    assert values == [b"text", None]
    assert FlakyFileSystem.asked == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "no route to host" in caplog.text
    assert "secret" not in caplog.text


def test_a_store_that_comes_back_is_used_again(tmp_path: Path) -> None:
    cache = machine(tmp_path / "a", "flaky://shared", pause_s=0)
    FlakyFileSystem.down = True
    cache.put("chunk", KEY, b"text")
    FlakyFileSystem.down = False
    cache.put("chunk", KEY, b"text")

    assert machine(tmp_path / "b", "flaky://shared").get("chunk", KEY) == b"text"


def test_a_shared_folder_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "shared").write_bytes(b"a file in the way")
    cache = machine(tmp_path / "a", (tmp_path / "shared").as_uri())
    cache.put("chunk", KEY, b"text")

    assert cache.get("chunk", KEY) == b"text"


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    fsspec.register_implementation("lost", "nowhere_s3.Store", clobber=True)

    with pytest.raises(OptionError, match="pip install nowhere_s3") as caught:
        machine(tmp_path, "lost://user:secret@bucket/cache")
    assert "STENOGRAM_CACHE_URL" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_unknown_kind_of_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no kind of store"):
        machine(tmp_path, "nonsense://bucket")


def test_open_cache_follows_the_settings(tmp_path: Path) -> None:
    alone = open_cache(Settings(home=str(tmp_path), cache_max_mb=3))
    shared = open_cache(Settings(home=str(tmp_path), cache_url="memory://shared"))

    assert isinstance(alone, LocalCache)
    assert (alone.folder, alone.max_bytes) == (tmp_path / "cache", 3 * 2**20)
    assert isinstance(shared, SharedCache)
    assert shared.info().url == "memory://shared"


def test_offline_uses_no_store_across_the_network(tmp_path: Path) -> None:
    far = open_cache(Settings(home=str(tmp_path), cache_url="flaky://shared", offline=True))
    near = open_cache(Settings(home=str(tmp_path), cache_url=(tmp_path / "shared").as_uri(), offline=True))

    assert isinstance(far, LocalCache)
    assert isinstance(near, SharedCache)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/cache", "s3://bucket/cache"),
        ("s3://key:pass@bucket/cache?token=1", "s3://bucket/cache"),
        ("/mnt/shared", "/mnt/shared"),
    ],
)
def test_urls_are_shown_without_secrets(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
