"""The local cache under several real processes, and under ``kill -9``."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from stenogram.cache import LocalCache

BLOCK = 4096

# Writes and reads the same keys as its siblings; a value follows from its key, so a wrong byte is seen.
WORK = """
import hashlib, random, sys
from pathlib import Path
from stenogram.cache import LocalCache
folder, seed, rounds, bound = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
cache, choice = LocalCache(folder, bound), random.Random(seed)
hits = 0
print("ready", flush=True)
for _ in range(rounds):
    key = hashlib.sha256(str(choice.randrange(100)).encode()).hexdigest()
    value = hashlib.shake_256(key.encode()).digest(9000)
    found = cache.get("chunk", key)
    hits += found is not None
    assert found in (None, value), "wrong bytes"
    cache.put("chunk", key, value)
assert hits, "never a hit: nothing was tested"
"""

STORE_AND_WAIT = """
import sys
from pathlib import Path
from stenogram.cache import LocalCache
LocalCache(Path(sys.argv[1]), 10**6).put("chunk", sys.argv[2], b"finished work")
print("stored", flush=True)
sys.stdin.read()
"""


def start(folder: Path, seed: int, rounds: int, bound: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", WORK, str(folder), str(seed), str(rounds), str(bound)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_all_entries(folder: Path) -> int:
    """Every file in the cache is a valid entry; gives their number."""
    cache = LocalCache(folder, 10**9)
    files = [path for path in (folder / "v1").glob("[a-z]*/*/*") if path.is_file()]
    for path in files:
        assert cache.get("chunk", path.name) is not None
    return len(files)


def test_processes_that_write_and_evict_the_same_keys_do_not_disturb_each_other(tmp_path: Path) -> None:
    bound = 120 * BLOCK  # 40 of the 100 entries
    processes = 4
    children = [start(tmp_path, seed, 400, bound) for seed in range(processes)]
    outputs = [child.communicate(timeout=200) for child in children]

    assert [child.returncode for child in children] == [0] * processes
    assert [error for _, error in outputs] == [""] * processes
    assert check_all_entries(tmp_path) > 10
    # each process counts again after an eighth of the bound
    assert LocalCache(tmp_path, bound).info().bytes <= bound + processes * bound // 8


def test_a_process_killed_while_writing_leaves_valid_entries_only(tmp_path: Path) -> None:
    for turn in range(8):
        child = start(tmp_path, turn, 10**6, 10**9)
        assert child.stdout
        child.stdout.readline()
        time.sleep(0.01 * turn)  # anywhere in its work; what must hold does not depend on where
        child.kill()
        child.communicate(timeout=60)

        check_all_entries(tmp_path)

    assert check_all_entries(tmp_path) > 0


def test_what_was_stored_survives_kill_9(tmp_path: Path) -> None:
    key = "0123456789abcdef"
    command = [sys.executable, "-c", STORE_AND_WAIT, str(tmp_path), key]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    assert child.stdout.readline() == "stored\n"
    child.kill()
    child.communicate(timeout=60)

    assert LocalCache(tmp_path, 10**6).get("chunk", key) == b"finished work"
