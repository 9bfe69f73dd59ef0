"""The local cache: bound, order of eviction, damage, unusable folders, accounts."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.cache import KindInfo, LocalCache
from stenogram.cache.entry import pack, unpack

BLOCK = 4096


def key(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()


def noise(i: int, size: int = 2000) -> bytes:
    """Bytes that do not compress."""
    return hashlib.shake_256(str(i).encode()).digest(size)


def entry_path(folder: Path, kind: str, name: str) -> Path:
    return folder / "v1" / kind / name[:2] / name


def set_age(folder: Path, name: str, age_s: float) -> None:
    used = time.time() - age_s
    os.utime(entry_path(folder, "chunk", name), (used, used))


def used_on_disk(folder: Path) -> int:
    files = [path for path in (folder / "v1").glob("[a-z]*/*/*") if path.is_file()]
    return sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in files)


def test_another_process_later_finds_it(tmp_path: Path) -> None:
    LocalCache(tmp_path, 10**6).put("chunk", key(1), b"text")

    assert LocalCache(tmp_path, 10**6).get("chunk", key(1)) == b"text"


def test_values_are_compressed(tmp_path: Path) -> None:
    LocalCache(tmp_path, 10**7).put("chunk", key(1), b"word " * 100_000)

    assert entry_path(tmp_path, "chunk", key(1)).stat().st_size < 10_000


def test_the_bound_holds_whatever_is_put(tmp_path: Path) -> None:
    cache = LocalCache(tmp_path, 20 * BLOCK)
    for i in range(100):
        cache.put("chunk", key(i), noise(i))

        assert used_on_disk(tmp_path) <= 20 * BLOCK


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = LocalCache(tmp_path, 10 * BLOCK)
    for i in range(10):
        cache.put("chunk", key(i), noise(i))
        set_age(tmp_path, key(i), 10_000 - i)
    cache.get("chunk", key(0))  # used again: now the youngest

    cache.put("chunk", key(10), noise(10))

    kept = [i for i in range(11) if cache.get("chunk", key(i)) is not None]
    assert kept == [0, 3, 4, 5, 6, 7, 8, 9, 10]


def test_a_smaller_bound_is_kept_from_the_next_start(tmp_path: Path) -> None:
    for i in range(20):
        LocalCache(tmp_path, 10**6).put("chunk", key(i), noise(i))

    LocalCache(tmp_path, 5 * BLOCK).put("chunk", key(99), noise(99))

    assert used_on_disk(tmp_path) <= 5 * BLOCK
    assert LocalCache(tmp_path, 5 * BLOCK).get("chunk", key(99)) == noise(99)


def test_short_processes_together_keep_the_bound_once_the_count_is_old(tmp_path: Path) -> None:
    for i in range(40):
        LocalCache(tmp_path, 16 * BLOCK).put("chunk", key(i), noise(i))
        old = time.time() - 4000
        os.utime(tmp_path / "v1" / ".total", (old, old))

    assert used_on_disk(tmp_path) <= 16 * BLOCK


def test_a_damaged_count_is_counted_anew(tmp_path: Path) -> None:
    LocalCache(tmp_path, 10**6).put("chunk", key(0), noise(0))
    (tmp_path / "v1" / ".total").write_bytes(b"\x00garbage")

    LocalCache(tmp_path, 10**6).put("chunk", key(1), noise(1))

    assert int((tmp_path / "v1" / ".total").read_bytes()) == 2 * BLOCK


def test_a_value_larger_than_the_cache_leaves_the_others_alone(tmp_path: Path) -> None:
    cache = LocalCache(tmp_path, 10 * BLOCK)
    cache.put("chunk", key(1), b"small")

    cache.put("chunk", key(2), noise(2, 100 * BLOCK))

    assert cache.get("chunk", key(2)) is None
    assert cache.get("chunk", key(1)) == b"small"


def test_size_zero_stores_nothing(tmp_path: Path) -> None:
    cache = LocalCache(tmp_path / "cache", 0)
    cache.put("chunk", key(1), b"x")

    assert cache.get("chunk", key(1)) is None
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_entry_is_a_miss_and_is_removed(tmp_path: Path, damage: str) -> None:
    cache = LocalCache(tmp_path, 10**6)
    cache.put("chunk", key(1), noise(1))
    cache.put("chunk", key(2), noise(2))
    path = entry_path(tmp_path, "chunk", key(1))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    path.write_bytes(
        {
            "cut": whole[: len(whole) // 2],
            "flip": bytes(flipped),
            "empty": b"",
            "other": entry_path(tmp_path, "chunk", key(2)).read_bytes(),
        }[damage]
    )

    assert cache.get("chunk", key(1)) is None
    assert not path.exists()


@given(value=st.binary(max_size=300), at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_no_changed_byte_yields_a_value(value: bytes, at: int, flip: int) -> None:
    entry = bytearray(pack("chunk", key(1), value))
    entry[at % len(entry)] ^= flip

    assert unpack("chunk", key(1), bytes(entry)) is None


@given(value=st.binary(max_size=300), end=st.integers(0, 10_000))
def test_no_torn_entry_yields_a_value(value: bytes, end: int) -> None:
    entry = pack("chunk", key(1), value)

    assert unpack("chunk", key(1), entry[: end % len(entry)]) is None


def test_half_written_files_of_dead_processes_are_removed_after_an_hour(tmp_path: Path) -> None:
    strays = tmp_path / "v1" / ".tmp"
    strays.mkdir(parents=True)
    for name, age_s in (("old", 4000), ("young", 10)):
        (strays / name).write_bytes(b"half")
        os.utime(strays / name, (time.time() - age_s, time.time() - age_s))

    LocalCache(tmp_path, 10**6).put("chunk", key(1), b"x")

    assert [path.name for path in strays.iterdir()] == ["young"]


def test_an_unusable_folder_is_told_once_and_fails_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "file"
    folder.write_bytes(b"in the way")
    cache = LocalCache(folder, 10**6)
    with caplog.at_level(logging.WARNING):
        for i in range(3):
            cache.put("chunk", key(i), b"x")

            assert cache.get("chunk", key(i)) is None

    assert len(caplog.records) == 1
    assert str(folder) in caplog.text
    assert "STENOGRAM_HOME" in caplog.text


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_a_read_only_folder_still_serves_what_it_holds(tmp_path: Path) -> None:
    LocalCache(tmp_path, 10**6).put("chunk", key(1), b"kept")
    set_age(tmp_path, key(1), 1000)
    folders = [tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    cache = LocalCache(tmp_path, 10**6)
    cache.put("chunk", key(2), b"lost")
    values = [cache.get("chunk", key(1)), cache.get("chunk", key(2))]
    for folder in folders:
        folder.chmod(0o700)

    assert values == [b"kept", None]


def test_info_counts_by_kind_in_whole_blocks(tmp_path: Path) -> None:
    cache = LocalCache(tmp_path, 10**6)
    cache.put("chunk", key(1), b"a")
    cache.put("chunk", key(2), noise(2, 5000))
    cache.put("transcript", key(1), b"c")
    info = cache.info()

    assert (info.folder, info.entries, info.bytes, info.max_bytes) == (tmp_path, 3, 4 * BLOCK, 10**6)
    assert info.kinds == {"chunk": KindInfo(2, 3 * BLOCK), "transcript": KindInfo(1, BLOCK)}
    assert info.url is None


def test_info_of_a_cache_never_used(tmp_path: Path) -> None:
    info = LocalCache(tmp_path / "absent", 10**6).info()

    assert (info.entries, info.bytes, dict(info.kinds)) == (0, 0, {})
    assert not (tmp_path / "absent").exists()


def test_clear_removes_one_kind_or_all_and_tells_the_bytes(tmp_path: Path) -> None:
    cache = LocalCache(tmp_path, 10**6)
    for kind in ("chunk", "speech", "transcript"):
        cache.put(kind, key(1), b"x")

    assert cache.clear("chunk") == BLOCK
    assert sorted(cache.info().kinds) == ["speech", "transcript"]
    assert cache.clear() == 2 * BLOCK
    assert cache.clear() == 0
    assert cache.get("speech", key(1)) is None

    cache.put("chunk", key(1), b"again")

    assert cache.get("chunk", key(1)) == b"again"


def test_clear_refuses_what_is_no_kind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kind"):
        LocalCache(tmp_path, 10**6).clear("../work")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
def test_other_users_cannot_read_transcripts(tmp_path: Path) -> None:
    LocalCache(tmp_path / "cache", 10**6).put("transcript", key(1), b"private")

    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
