"""Work folders: private, removed whatever happens, and not leaked by a killed process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stenogram.cache import sweep, workspace
from stenogram.errors import StorageError

KEY = hashlib.sha256(b"recording").hexdigest()

HOLD = """
import sys, time
from pathlib import Path
from stenogram.cache import workspace
with workspace(Path(sys.argv[1]), sys.argv[2]) as folder:
    (folder / "samples").write_bytes(b"x" * 100_000)
    print(folder, flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process that is working in a work folder until its stdin closes."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    return child, Path(child.stdout.readline().strip())


def finish(child: subprocess.Popen[str]) -> None:
    child.communicate(timeout=60)


def test_it_is_empty_private_and_gone_at_the_end(tmp_path: Path) -> None:
    with workspace(tmp_path / "work", KEY) as folder:
        assert list(folder.iterdir()) == []
        if os.name != "nt":
            assert folder.stat().st_mode & 0o077 == 0
        (folder / "samples").write_bytes(b"x")

    assert list((tmp_path / "work").iterdir()) == []


def test_it_is_gone_when_an_exception_passes(tmp_path: Path) -> None:
    def work() -> None:
        with workspace(tmp_path, KEY) as folder:
            (folder / "samples").write_bytes(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()

    assert list(tmp_path.iterdir()) == []


def test_the_same_recording_twice_gets_two_folders(tmp_path: Path) -> None:
    with workspace(tmp_path, KEY) as first, workspace(tmp_path, KEY) as second:
        assert first != second
        assert first.is_dir()
        assert second.is_dir()

    assert list(tmp_path.iterdir()) == []


def test_a_living_process_keeps_its_folder_a_killed_one_does_not(tmp_path: Path) -> None:
    child, folder = hold(tmp_path)
    with workspace(tmp_path, KEY):
        assert (folder / "samples").exists()
    child.kill()
    finish(child)

    assert (folder / "samples").exists()

    with workspace(tmp_path, KEY):
        assert not folder.exists()

    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ends_well_leaves_nothing(tmp_path: Path) -> None:
    child, folder = hold(tmp_path)
    finish(child)

    assert child.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert not folder.exists()


def test_sweep_counts_what_it_removed_and_is_content_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "work" / "0123456789abcdef-dead").mkdir(parents=True)
    (tmp_path / "work" / "0123456789abcdef-dead" / "samples").write_bytes(b"x")

    assert sweep(tmp_path / "work") == 1
    assert sweep(tmp_path / "work") == 0
    assert sweep(tmp_path / "absent") == 0
    assert list((tmp_path / "work").iterdir()) == []


def test_a_lock_without_folder_is_removed_when_it_is_old(tmp_path: Path) -> None:
    for name, age_s in (("old.lock", 100_000), ("young.lock", 10)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age_s, time.time() - age_s))

    sweep(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["young.lock"]


def test_a_folder_that_cannot_be_made_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")

    with pytest.raises(StorageError, match="STENOGRAM_HOME"), workspace(tmp_path / "file" / "work", KEY):
        pass


def test_a_key_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cache key"), workspace(tmp_path, "../../elsewhere"):
        pass
