"""What every ``protocols.Cache`` must do, run on each implementation."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from stenogram.cache import LocalCache, SharedCache
from stenogram.protocols import Cache
from stenogram.testing.memory_cache import MemoryCache

KEY = hashlib.sha256(b"one").hexdigest()
OTHER = hashlib.sha256(b"two").hexdigest()
MIB = 2**20

MAKE: dict[str, Callable[[Path], Cache]] = {
    "local": lambda folder: LocalCache(folder, 64 * MIB),
    "shared_memory": lambda folder: SharedCache(LocalCache(folder, 64 * MIB), "memory://contract"),
    "shared_folder": lambda folder: SharedCache(LocalCache(folder / "local", 64 * MIB), f"file://{folder}/shared"),
    "shared_only": lambda folder: SharedCache(LocalCache(folder, 0), "memory://contract"),
    "memory": lambda folder: MemoryCache(),
}


@pytest.fixture(params=sorted(MAKE))
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cache]:
    yield MAKE[request.param](tmp_path)
    fsspec.filesystem("memory").store.clear()


def test_what_was_never_put_is_a_miss(cache: Cache) -> None:
    assert cache.get("chunk", KEY) is None


@pytest.mark.parametrize("value", [b"", b"x", b"\x00" * 10_000, bytes(range(256)) * 4096])
def test_what_was_put_comes_back_unchanged(cache: Cache, value: bytes) -> None:
    cache.put("chunk", KEY, value)

    assert cache.get("chunk", KEY) == value


def test_the_last_put_wins(cache: Cache) -> None:
    cache.put("chunk", KEY, b"first")
    cache.put("chunk", KEY, b"second")

    assert cache.get("chunk", KEY) == b"second"


def test_kinds_and_keys_are_apart(cache: Cache) -> None:
    cache.put("chunk", KEY, b"a")
    cache.put("transcript", KEY, b"b")
    cache.put("chunk", OTHER, b"c")

    assert [cache.get("chunk", KEY), cache.get("transcript", KEY), cache.get("chunk", OTHER)] == [b"a", b"b", b"c"]
    assert cache.get("speech", KEY) is None


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("chunk", "../../../../etc/passwd"),
        ("chunk", "0123456789abcdef/../x"),
        ("chunk", "0123456789abcde"),
        ("chunk", "0123456789ABCDEF"),
        ("chunk", "0123456789abcdef\n"),
        ("chunk", "a" * 129),
        ("chunk", ""),
        ("..", KEY),
        ("", KEY),
        ("Chunk", KEY),
        ("chunk/x", KEY),
    ],
)
def test_names_that_could_leave_the_folder_are_refused(cache: Cache, kind: str, key: str) -> None:
    with pytest.raises(ValueError, match=r"cache (entry|key)"):
        cache.get(kind, key)
    with pytest.raises(ValueError, match=r"cache (entry|key)"):
        cache.put(kind, key, b"")


def test_many_threads_see_whole_values_only(cache: Cache) -> None:
    keys = [hashlib.sha256(bytes([i])).hexdigest() for i in range(8)]
    wrong: list[object] = []

    def work(offset: int) -> None:
        for i in range(40):
            key = keys[(i + offset) % len(keys)]
            cache.put("chunk", key, key.encode() * 50)
            if cache.get("chunk", key) != key.encode() * 50:
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
