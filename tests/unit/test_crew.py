"""One worker for each GPU, or one for the CPU; never two on one GPU; what a GPU did is told in R6's words."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stenogram.app import crew
from stenogram.app.house import House
from stenogram.app.worker import alone_on
from stenogram.config import ServerSettings, Settings
from stenogram.errors import OptionError
from stenogram.hardware.sampler import GpuSampler, gpu_now
from stenogram.job import lane_of
from tests.unit.hardware.test_gpu import FakeNvml


@pytest.mark.parametrize(
    ("wished", "devices"),
    [
        ("cpu", ["cpu"]),
        ("cpu, cpu,cpu", ["cpu", "cpu", "cpu"]),
        ("cuda", ["cuda:0"]),
        ("cuda:1,cpu", ["cuda:1", "cpu"]),
        ("none", []),
        ("chat", []),
        ("chat,cpu", ["cpu"]),
    ],
)
def test_workers_are_as_wished(wished: str, devices: list[str]) -> None:
    assert crew.devices(wished) == devices


def test_one_worker_for_each_gpu_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """R9; without any, one for the CPU."""
    from stenogram.hardware import read_gpus

    monkeypatch.setattr(crew, "_gpus", lambda: read_gpus(FakeNvml()).gpus)
    assert crew.devices("auto") == ["cuda:0", "cuda:1"]
    monkeypatch.setattr(crew, "_gpus", lambda: ())
    assert crew.devices("auto") == ["cpu"]


@pytest.mark.parametrize(
    ("wished", "chat_workers", "devices"),
    [
        ("cpu", 1, ["cpu", "chat"]),
        ("cuda:1,cpu", 2, ["cuda:1", "cpu", "chat", "chat"]),
        ("cpu", 0, ["cpu"]),
        ("none", 1, []),
        ("chat", 1, ["chat"]),
        ("chat,chat", 0, ["chat", "chat"]),
        ("cpu,chat", 2, ["cpu", "chat"]),
    ],
)
def test_who_asks_language_models_is_beside_those_who_transcribe(
    tmp_path: Path, wished: str, chat_workers: int, devices: list[str]
) -> None:
    """Never in the place of one; and none where no worker at all is wished for."""
    server = ServerSettings(worker_devices=wished, llm_workers=chat_workers)
    with House.open(Settings(home=str(tmp_path)), server) as house:
        assert crew.supervisor(house).devices == devices


@pytest.mark.parametrize(("device", "lane"), [("cpu", "speech"), ("cuda:3", "speech"), ("chat", "chat")])
def test_a_worker_s_device_says_its_lane(device: str, lane: str) -> None:
    assert lane_of(device) == lane


@pytest.mark.parametrize("wished", ["gpu", "cuda:x", "cpu:1", "cpu;cuda"])
def test_what_is_no_device_is_told(wished: str) -> None:
    with pytest.raises(OptionError, match="cuda:N"):
        crew.devices(wished)


@pytest.mark.slow
def test_never_two_on_one_gpu(tmp_path: Path) -> None:
    """The second waits; it gets the GPU when the first is gone, also when that was killed."""
    hold = (
        "import sys, threading, time; from pathlib import Path; from stenogram.app.worker import alone_on\n"
        "with alone_on('cuda:0', threading.Event(), Path(sys.argv[1])): print('mine', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", hold, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "mine\n"
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
            assert second.stdout is not None
            first.kill()
            assert second.stdout.readline() == "mine\n"
            stop = threading.Event()
            stop.set()  # who is told to stop does not wait for ever
            with alone_on("cuda:0", stop, tmp_path):
                pass
            second.kill()


def test_another_device_is_free(tmp_path: Path) -> None:
    with alone_on("cuda:0", threading.Event(), tmp_path), alone_on("cuda:1", threading.Event(), tmp_path):
        pass
    with alone_on("cpu", threading.Event(), tmp_path), alone_on("cpu", threading.Event(), tmp_path):
        pass


def test_what_a_gpu_did_is_told_as_clients_want_it() -> None:
    with GpuSampler(0, FakeNvml()) as sampler:
        pass
    figures = sampler.figures()

    assert figures is not None
    assert list(figures) == [
        "index", "util_avg_percent", "util_max_percent", "vram_total_mb", "vram_used_avg_mb", "vram_used_max_mb",
        "vram_used_percent", "vram_used_percent_max",
    ]  # fmt: skip
    assert figures["index"] == 0
    assert 0 <= figures["util_avg_percent"] <= figures["util_max_percent"] <= 100
    assert figures["vram_used_avg_mb"] <= figures["vram_used_max_mb"] <= figures["vram_total_mb"]
    assert figures["vram_used_percent"] == pytest.approx(
        100 * figures["vram_used_avg_mb"] / figures["vram_total_mb"], abs=0.1
    )


def test_a_gpu_that_is_not_there_tells_nothing() -> None:
    with GpuSampler(7, FakeNvml()) as sampler:
        pass
    assert sampler.figures() is None
    assert gpu_now(7, FakeNvml()) is None
    now = gpu_now(1, FakeNvml())
    assert now is not None
    assert now["util_percent"] is None  # it does not tell
