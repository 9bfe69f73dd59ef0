"""Says in one line, before anything is installed, that this machine has no wheel of the default model.

Standard library only, and any Python >= 3.8: it also runs where the interpreter itself is still too old.
Exit status 0: fine; 1: no wheel, with the reason on stderr.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import NamedTuple

MODEL = "moonshine-voice==0.1.0"
"""The wheel that carries the default model; pyproject.toml pins the same one (a test compares them)."""

GLIBC_MIN = (2, 34)
"""From the wheels' tags: manylinux_2_34_x86_64, manylinux_2_34_aarch64."""

MACOS_MIN = (15, 0)
"""From the wheel's tag: macosx_15_0_arm64."""

SUPPORTED = "Linux on x86_64 or aarch64 with glibc 2.34 or newer, macOS 15 or newer on Apple silicon, Windows on x86_64"


class Machine(NamedTuple):
    """What decides which wheels fit."""

    system: str
    """As ``platform.system()``: Linux, Darwin, Windows ..."""
    architecture: str
    """As ``platform.machine()`` of this interpreter: x86_64, aarch64, arm64, AMD64 ..."""
    bits: int = 64
    """Of a pointer in this interpreter."""
    glibc: str = ""
    """Version of glibc; empty where the C library is another (musl)."""
    macos: str = ""
    """Version of macOS; empty elsewhere."""


def this_machine() -> Machine:
    """The machine and interpreter that run this script."""
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        bits=64 if sys.maxsize > 2**32 else 32,
        glibc=_glibc_version(),
        macos=platform.mac_ver()[0],
    )


def refusal(machine: Machine) -> str | None:
    """Why the default model cannot be installed here, in one line; None: it can."""
    judge = {"Linux": _refuse_linux, "Darwin": _refuse_macos, "Windows": _refuse_windows}.get(machine.system)
    reason = judge(machine) if judge else f"this is {machine.system or 'an unknown system'}"
    if reason is None and machine.bits != 64:  # noqa: PLR2004 - bits
        reason = f"this Python is a {machine.bits}-bit one"
    return reason and f"stenogram cannot run here: {reason}, and the default model ({MODEL}) exists for {SUPPORTED}."


def _refuse_linux(machine: Machine) -> str | None:
    if machine.architecture not in ("x86_64", "aarch64"):
        return f"this is Linux on {machine.architecture}"
    if not machine.glibc:
        return "this Linux has no glibc (Alpine and others use musl)"
    if _version(machine.glibc) < GLIBC_MIN:
        return f"this Linux has glibc {machine.glibc}"
    return None


def _refuse_macos(machine: Machine) -> str | None:
    if machine.architecture != "arm64":
        return f"this Python is one for Macs with {machine.architecture} (an Intel Mac, or Python under Rosetta)"
    if _version(machine.macos) < MACOS_MIN:
        return f"this is macOS {machine.macos}"
    return None


def _refuse_windows(machine: Machine) -> str | None:
    return None if machine.architecture == "AMD64" else f"this is Windows on {machine.architecture}"


def _version(text: str) -> tuple[int, ...]:
    """Leading numbers of a dotted version: ``2.35-custom`` gives ``(2, 35)``; nothing readable gives ``()``."""
    numbers = []
    for part in text.partition("-")[0].split(".")[:2]:
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _glibc_version() -> str:
    """Version of glibc, from the C library itself; empty elsewhere."""
    try:
        answer = os.confstr("CS_GNU_LIBC_VERSION") or ""  # "glibc 2.36"
    except (AttributeError, OSError, ValueError):  # no confstr (Windows), no such name (musl, macOS)
        return ""
    name, _, version = answer.partition(" ")
    return version if name == "glibc" else ""


def main() -> int:
    """Check this machine."""
    reason = refusal(this_machine())
    if reason:
        print(reason, file=sys.stderr)
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
