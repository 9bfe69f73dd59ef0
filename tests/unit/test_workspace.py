"""Work folders: private, removed whatever happens, and not leaked by a killed process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stenogram.cache import sweep, workspace
from stenogram.errors import StorageError

HOLD = """
import sys, time
from pathlib import Path
from stenogram.cache import workspace
with workspace(Path(sys.argv[1])) as folder:
    (folder / "samples").write_bytes(b"x" * 100_000)
    print(folder, flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process that is working in a work folder until its stdin closes."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    return child, Path(child.stdout.readline().strip())


def finish(child: subprocess.Popen[str]) -> None:
    child.communicate(timeout=60)


def test_it_is_empty_private_and_gone_at_the_end(tmp_path: Path) -> None:
    with workspace(tmp_path) as folder:
        assert list(folder.iterdir()) == []
        if os.name != "nt":
            assert folder.stat().st_mode & 0o077 == 0
        (folder / "samples").write_bytes(b"x")

    assert list((tmp_path / "work").iterdir()) == []


def test_it_is_gone_when_an_exception_passes(tmp_path: Path) -> None:
    def work() -> None:
        with workspace(tmp_path) as folder:
            (folder / "samples").write_bytes(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()

    assert list((tmp_path / "work").iterdir()) == []


def test_two_at_once_get_two_folders(tmp_path: Path) -> None:
    with workspace(tmp_path) as first, workspace(tmp_path) as second:
        assert first != second
        assert first.is_dir()
        assert second.is_dir()

    assert list((tmp_path / "work").iterdir()) == []


def test_a_living_process_keeps_its_folder_a_killed_one_does_not(tmp_path: Path) -> None:
    child, folder = hold(tmp_path)
    with workspace(tmp_path):
        assert (folder / "samples").exists()
    child.kill()
    finish(child)

    assert (folder / "samples").exists()

    with workspace(tmp_path):
        assert not folder.exists()

    assert list((tmp_path / "work").iterdir()) == []


def test_a_process_that_ends_well_leaves_nothing(tmp_path: Path) -> None:
    child, folder = hold(tmp_path)
    finish(child)

    assert child.returncode == 0
    assert list((tmp_path / "work").iterdir()) == []
    assert not folder.exists()


def test_sweep_removes_dead_work_folders_and_nothing_else(tmp_path: Path) -> None:
    dead = tmp_path / "work" / "0123456789abcdef"
    dead.mkdir(parents=True)
    (dead / "samples").write_bytes(b"x")
    (tmp_path / "work" / "notes").mkdir()
    (tmp_path / "work" / "fedcba9876543210").write_bytes(b"a file")
    (tmp_path / "v1").mkdir()

    assert sweep(tmp_path) == 1
    assert sweep(tmp_path) == 0
    assert sweep(tmp_path / "absent") == 0
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["fedcba9876543210", "notes", "v1", "work"]


def test_a_lock_without_folder_is_removed_when_it_is_old(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for name, age_s in (("0123456789abcdef.lock", 100_000), ("fedcba9876543210.lock", 10)):
        (work / name).touch()
        os.utime(work / name, (time.time() - age_s, time.time() - age_s))

    sweep(tmp_path)

    assert [path.name for path in work.iterdir()] == ["fedcba9876543210.lock"]


def test_a_folder_that_cannot_be_made_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")

    with pytest.raises(StorageError, match="STENOGRAM_HOME"), workspace(tmp_path / "file"):
        pass
