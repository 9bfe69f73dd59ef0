"""The workers of this machine: for which devices, and how they are started."""

from __future__ import annotations

import functools
import sys
from typing import Any

from stenogram.app.house import House
from stenogram.app.letter import letter_of
from stenogram.config import ServerSettings
from stenogram.errors import OptionError
from stenogram.hardware import read_gpus
from stenogram.hardware.sampler import gpu_now
from stenogram.job import CHAT_DEVICE
from stenogram.jobs.supervisor import Start, Supervisor


def supervisor(house: House) -> Supervisor:
    """Starts and watches the workers that the settings ask for, of both lanes. Raises ``OptionError``."""
    settings = house.server
    return Supervisor(
        db=house.db,
        queue=house.queue,
        start_of=Start([sys.executable, "-m", "stenogram.app.worker"], letter_of(house.settings, settings)),
        devices=[*devices(settings.worker_devices), *[CHAT_DEVICE] * chat_places(settings)],
        lease_s=settings.lease_s,
        max_crashes=settings.max_crashes,
        gpu_of=_gpu_of,
    )


def chat_places(settings: ServerSettings) -> int:
    """How many workers for language models ``serve`` starts here."""
    names = [name.strip() for name in settings.worker_devices.split(",")]
    if names == ["none"]:
        return 0
    return names.count(CHAT_DEVICE) or settings.llm_workers


def devices(wished: str) -> list[str]:
    """``cpu`` and ``cuda:N``, one for each worker that transcribes (R9). Raises ``OptionError``."""
    if wished == "none":
        return []
    if wished == "auto":
        return [f"cuda:{gpu.index}" for gpu in _gpus()] or ["cpu"]
    found = [name.strip() for name in wished.split(",") if name.strip() not in {"", CHAT_DEVICE}]
    for name in found:
        kind, _, index = name.partition(":")
        if name != "cpu" and (kind != "cuda" or not (index or "0").isdecimal()):
            raise OptionError(name="worker_devices", value=name, cause="must be cpu, cuda:N, chat, auto or none")
    return [f"{name}:0" if name == "cuda" else name for name in found]


def _gpus() -> Any:
    """GPUs in which an engine can really compute; one that only shows a picture makes no worker."""
    from stenogram import engines
    from stenogram.engines import ENGINES

    gpus = read_gpus().gpus
    if gpus and ENGINES["whisper"].installed and engines.find("whisper").fault("cuda") is None:
        return gpus
    return ()


@functools.cache
def _index_of(device: str) -> int | None:
    kind, _, index = device.partition(":")
    return int(index or 0) if kind == "cuda" else None


def _gpu_of(device: str) -> dict[str, Any] | None:
    index = _index_of(device)
    return gpu_now(index) if index is not None else None
