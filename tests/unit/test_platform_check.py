"""The platform check refuses exactly the machines for which the default model has no wheel."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tools import platform_check
from tools.platform_check import Machine, refusal

ROOT = Path(__file__).resolve().parents[2]

FIT = {
    "debian": Machine("Linux", "x86_64", glibc="2.36"),
    "oldest glibc": Machine("Linux", "aarch64", glibc="2.34"),
    "glibc with a suffix": Machine("Linux", "x86_64", glibc="2.35-0ubuntu3"),
    "newest glibc": Machine("Linux", "x86_64", glibc="3.0"),
    "macOS 15": Machine("Darwin", "arm64", macos="15.0"),
    "macOS 26": Machine("Darwin", "arm64", macos="26.1.2"),
    "windows": Machine("Windows", "AMD64"),
}

UNFIT = {
    "old glibc": (Machine("Linux", "x86_64", glibc="2.31"), "glibc 2.31"),
    "glibc 2.9 is older than 2.34": (Machine("Linux", "x86_64", glibc="2.9"), "glibc 2.9"),
    "alpine": (Machine("Linux", "x86_64"), "musl"),
    "raspberry, 32 bits": (Machine("Linux", "armv7l", bits=32, glibc="2.36"), "armv7l"),
    "32-bit Python on a 64-bit Linux": (Machine("Linux", "x86_64", bits=32, glibc="2.36"), "32-bit"),
    "intel mac": (Machine("Darwin", "x86_64", macos="15.3"), "Intel Mac"),
    "macOS 14": (Machine("Darwin", "arm64", macos="14.7.1"), "macOS 14.7.1"),
    "windows on arm": (Machine("Windows", "ARM64"), "ARM64"),
    "32-bit Python on Windows": (Machine("Windows", "AMD64", bits=32), "32-bit"),
    "bsd": (Machine("FreeBSD", "amd64"), "FreeBSD"),
    "unknown": (Machine("", ""), "unknown system"),
}


@pytest.mark.parametrize("machine", FIT.values(), ids=FIT)
def test_machines_with_a_wheel_pass(machine: Machine) -> None:
    assert refusal(machine) is None


@pytest.mark.parametrize(("machine", "reason"), UNFIT.values(), ids=UNFIT)
def test_machines_without_a_wheel_get_one_line_with_the_reason(machine: Machine, reason: str) -> None:
    line = refusal(machine)

    assert line is not None
    assert reason in line
    assert platform_check.MODEL in line
    assert "\n" not in line


def test_the_exit_status_tells_the_shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(platform_check, "this_machine", lambda: UNFIT["alpine"][0])
    assert platform_check.main() == 1
    assert "musl" in capsys.readouterr().err

    monkeypatch.setattr(platform_check, "this_machine", lambda: FIT["debian"])
    assert platform_check.main() == 0
    assert capsys.readouterr().err == ""


def test_the_machine_that_runs_the_tests_passes() -> None:
    assert refusal(platform_check.this_machine()) is None


def test_the_script_is_readable_by_python_3_8() -> None:
    source = Path(platform_check.__file__).read_text(encoding="utf-8")

    tree = ast.parse(source, feature_version=(3, 8))

    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"os", "platform", "sys"}


def test_it_speaks_of_the_wheel_that_the_project_pins() -> None:
    for name in ("pyproject.toml", "requirements.lock"):
        pinned = re.findall(r"moonshine-voice==[\w.]+", (ROOT / name).read_text(encoding="utf-8"))
        assert pinned == [platform_check.MODEL], name
