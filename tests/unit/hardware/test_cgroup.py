"""Limits of containers and services, read from folders that look like the kernel's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from stenogram.hardware import available_cpus, cgroup, read_memory

GIB = 2**30
V2_MOUNT = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write files by their path."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert cgroup.cpu_quota(tmp_path) is None
    assert cgroup.memory_limit(tmp_path) is None


def test_version_2_the_tightest_limit_of_all_levels_counts(tmp_path: Path) -> None:
    """A service in a slice: each has a limit of its own."""
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/work.slice/stenogram.service\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/work.slice/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/work.slice/memory.max": f"{4 * GIB}\n",
            "sys/fs/cgroup/work.slice/memory.current": f"{3 * GIB}\n",
            "sys/fs/cgroup/work.slice/memory.stat": f"anon 1\ninactive_file {GIB // 2}\n",
            "sys/fs/cgroup/work.slice/stenogram.service/cpu.max": "max 100000\n",
            "sys/fs/cgroup/work.slice/stenogram.service/memory.max": f"{2 * GIB}\n",
            "sys/fs/cgroup/work.slice/stenogram.service/memory.current": f"{GIB // 4}\n",
        },
    )

    assert cgroup.cpu_quota(root) == pytest.approx(1.5)
    assert cgroup.memory_limit(root) == cgroup.MemoryLimit(2 * GIB, 3 * GIB // 2)


def test_version_2_in_a_container_with_its_own_namespace(tmp_path: Path) -> None:
    """There the group of the process is the root of what it sees."""
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/memory.max": "max\n",
            "sys/fs/cgroup/memory.high": f"{GIB}\n",
            "sys/fs/cgroup/memory.current": "0\n",
        },
    )

    assert cgroup.cpu_quota(root) == pytest.approx(2.0)
    assert cgroup.memory_limit(root) == cgroup.MemoryLimit(GIB, GIB)


def test_version_1_in_a_container_that_sees_the_paths_of_the_host(tmp_path: Path) -> None:
    """Docker without a namespace of its own: the mount shows only the container's end of the hierarchy."""
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n",
            "proc/self/mountinfo": V1_MOUNTS.format(root="/docker/abc"),
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {GIB // 8}\n",
        },
    )

    assert cgroup.cpu_quota(root) == pytest.approx(0.5)
    assert cgroup.memory_limit(root) == cgroup.MemoryLimit(GIB, GIB // 8)


def test_version_1_says_no_limit_with_minus_one_and_a_huge_number(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/\n",
            "proc/self/mountinfo": V1_MOUNTS.format(root="/"),
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )

    assert cgroup.cpu_quota(root) is None
    assert cgroup.memory_limit(root) is None


@pytest.mark.parametrize("nonsense", ["", "max", "0 0", "a b", "100000"])
def test_a_quota_that_makes_no_sense_is_none(tmp_path: Path, nonsense: str) -> None:
    files = {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2_MOUNT, "sys/fs/cgroup/cpu.max": nonsense}

    assert cgroup.cpu_quota(write(tmp_path, files)) is None


@pytest.mark.parametrize(("quota", "cores"), [("50000", 1), ("100000", 1), ("150000", 2), ("99900000", 8), ("max", 8)])
def test_cores_are_those_of_the_affinity_within_the_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/cpu.max": f"{quota} 100000\n",
        },
    )

    assert available_cpus(root) == cores


def test_memory_is_the_limit_where_it_is_less_than_the_machine_has(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": V2_MOUNT,
        "sys/fs/cgroup/memory.max": "4194304\n",
        "sys/fs/cgroup/memory.current": "1048576\n",
    }
    memory = read_memory(write(tmp_path, files))

    assert (memory.total_bytes, memory.available_bytes, memory.limited) == (4 << 20, 3 << 20, True)


def test_a_limit_above_what_the_machine_has_is_none(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": V2_MOUNT,
        "sys/fs/cgroup/memory.max": f"{2**59}\n",
    }
    memory = read_memory(write(tmp_path, files))

    assert not memory.limited
    assert 0 < memory.available_bytes <= memory.total_bytes < 2**59
