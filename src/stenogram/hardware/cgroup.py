"""What the container or service of this process may take: Linux control groups, version 1 and 2.

A limit counts wherever it stands between the process's own group and the root that is in sight, so all levels are
read. Files and their meaning: the kernel's ``Documentation/admin-guide/cgroup-v1`` and ``cgroup-v2.rst``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path("/")
V1, V2 = 1, 2
UNLIMITED_BYTES = 2**60
"""Version 1 says "no limit" with a number near 2^63."""


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The tightest limit on memory."""

    limit_bytes: int
    free_bytes: int
    """What may still be taken under the limits of all levels; file cache that the kernel would drop counts as free."""


def cpu_quota(root: Path = ROOT) -> float | None:
    """Cores' worth of time that the scheduler grants, as a fraction; None: no limit, or no control groups."""
    quotas = [
        quota
        for folder, version in _folders("cpu", root)
        if (quota := _quota_v2(folder) if version == V2 else _quota_v1(folder)) is not None
    ]
    return min(quotas, default=None)


def memory_limit(root: Path = ROOT) -> MemoryLimit | None:
    """The tightest limit on memory; None: no limit, or no control groups."""
    limits, free = [], []
    for folder, version in _folders("memory", root):
        names = _MEMORY_V2 if version == V2 else _MEMORY_V1
        limit_bytes = min(filter(None, (_number(folder / name) for name in names.limits)), default=UNLIMITED_BYTES)
        if limit_bytes >= UNLIMITED_BYTES:
            continue
        used_bytes = (_number(folder / names.used) or 0) - _statistic(folder / "memory.stat", names.droppable)
        limits.append(limit_bytes)
        free.append(max(limit_bytes - max(used_bytes, 0), 0))
    return MemoryLimit(min(limits), min(free)) if limits else None


def lines(path: Path) -> list[str]:
    """The lines of a file of the kernel's; none where there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


@dataclass(frozen=True, slots=True)
class _MemoryFiles:
    limits: tuple[str, ...]
    used: str
    droppable: str
    """File cache not used lately, in ``memory.stat``."""


_MEMORY_V1 = _MemoryFiles(("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file")
_MEMORY_V2 = _MemoryFiles(("memory.max", "memory.high"), "memory.current", "inactive_file")


def _folders(controller: str, root: Path) -> Iterator[tuple[Path, int]]:
    """Folders of the groups that this process is in for a controller, innermost first, each with its version."""
    groups = _groups(root)
    for mount_root, mount_point, version, controllers in _mounts(root):
        key = "" if version == V2 else controller
        if (version == V1 and controller not in controllers) or key not in groups:
            continue
        group = PurePosixPath(groups[key])
        # inside a container the path may be the host's, of which only the end is mounted here, or nothing
        inside = group.relative_to(mount_root) if group.is_relative_to(mount_root) else PurePosixPath()
        here = root / mount_point.lstrip("/")
        for level in (inside, *inside.parents):
            if ".." not in level.parts and (here / level).is_dir():
                yield here / level, version


def _groups(root: Path) -> dict[str, str]:
    """Controller -> path of this process's group; the one of version 2 is under ``""``."""
    found = {}
    for line in lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _mounts(root: Path) -> Iterator[tuple[str, str, int, frozenset[str]]]:
    """Root inside the hierarchy, mount point, version and controllers of each hierarchy that is mounted (proc(5))."""
    for line in lines(root / "proc/self/mountinfo"):
        match line.partition(" - ")[0].split(), line.partition(" - ")[2].split():
            case [_, _, _, mount_root, mount_point, *_], ["cgroup" | "cgroup2" as kind, _, controllers, *_]:
                yield mount_root, mount_point, V2 if kind == "cgroup2" else V1, frozenset(controllers.split(","))


def _quota_v1(folder: Path) -> float | None:
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def _quota_v2(folder: Path) -> float | None:
    quota, _, period = "".join(lines(folder / "cpu.max")).partition(" ")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def _statistic(path: Path, name: str) -> int:
    return next((int(line.split()[1]) for line in lines(path) if line.startswith(f"{name} ")), 0)


def _number(path: Path) -> int | None:
    text = "".join(lines(path))
    return int(text) if text.lstrip("-").isdecimal() else None
