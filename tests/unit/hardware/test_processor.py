"""What the processor is called, and the threads of libraries."""

from __future__ import annotations

import os
from pathlib import Path

from stenogram.hardware import read_cpu, thread_limits


def test_the_processor_has_a_name_and_cores() -> None:
    cpu = read_cpu()

    assert cpu.model
    assert cpu.logical_cores == os.cpu_count()
    assert 1 <= cpu.available_cores <= cpu.logical_cores


def test_the_name_is_the_kernels(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel\t\t: 2\nmodel name\t: Difference Engine No. 2\n")

    assert read_cpu(tmp_path).model == "Difference Engine No. 2"


def test_thread_limits_are_those_that_are_set() -> None:
    assert thread_limits({"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "", "PATH": "/bin"}) == {"OMP_NUM_THREADS": "3"}
