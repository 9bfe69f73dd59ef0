"""Cores, memory, GPUs and thread pools: what recognition can count on."""

from __future__ import annotations

import os
from collections.abc import Iterator

from stenogram import hardware, performance
from stenogram.app.doctor.finding import GIB, Finding, size
from stenogram.types import LoadOptions

LITTLE_MEMORY_BYTES = GIB
"""The smallest model with a decoder, an engine and a run take about half of this."""


def examine(load: LoadOptions) -> Iterator[Finding]:
    """All there is to say of this machine for weights loaded as ``load`` says."""
    cpu = hardware.read_cpu()
    yield _processor(cpu)
    yield _memory(hardware.read_memory())
    yield from _gpus(performance.gpus())
    yield _cuda(performance.cuda(), load)
    yield _threads(cpu, load)


def _processor(cpu: hardware.Cpu) -> Finding:
    physical = "" if cpu.physical_cores is None else f"{cpu.physical_cores} physical cores, "
    text = f"{cpu.model}: {physical}{cpu.logical_cores} logical, {cpu.available_cores} usable"
    if cpu.quota is not None:
        text += f" (the container may use {cpu.quota:g})"
    return Finding("cpu", "good", text)


def _memory(memory: hardware.Memory) -> Finding:
    whose = " for this container" if memory.limited else ""
    text = f"{size(memory.total_bytes)}{whose}, {size(memory.available_bytes)} free"
    if memory.available_bytes < LITTLE_MEMORY_BYTES:
        where = "raise the container's limit" if memory.limited else "close other programs"
        return Finding("memory", "warning", text, f"Little is free: {where}, or keep to small models.")
    return Finding("memory", "good", text)


def _gpus(found: hardware.Gpus) -> Iterator[Finding]:
    if found.fault is not None:
        yield Finding("gpu", "note", f"none: {found.fault}")
    elif not found.gpus:
        yield Finding("gpu", "note", f"none, though NVIDIA's driver {found.driver} is installed")
    for gpu in found.gpus:
        busy = "" if gpu.utilisation is None else f", {gpu.utilisation:.0%} busy"
        text = f"{gpu.index}: {gpu.name}, {size(gpu.total_bytes)}, {size(gpu.free_bytes)} free{busy}"
        yield Finding("gpu", "good", f"{text}; driver {found.driver}, CUDA {found.cuda}")


def _cuda(cuda: hardware.Cuda, load: LoadOptions) -> Finding:
    if cuda.usable:
        return Finding("cuda", "good", f"usable: a kernel ran on {cuda.device} (CUDA {cuda.version})")
    if load.device == "cuda":
        advice = f"{cuda.advice or ''} Or unset STENOGRAM_DEVICE, which asks for the GPU.".strip()
        return Finding("cuda", "fault", f"not usable: {cuda.fault}", advice)
    return Finding("cuda", "warning" if cuda.device else "note", f"not usable: {cuda.fault}", cuda.advice)


def _threads(cpu: hardware.Cpu, load: LoadOptions) -> Finding:
    workers = load.cpu_threads or cpu.available_cores
    why = "STENOGRAM_CPU_THREADS" if load.cpu_threads else "all usable cores"
    limits = hardware.thread_limits(os.environ)
    text = ", ".join([f"{workers} for recognition ({why})", *(f"{name}={value}" for name, value in limits.items())])
    if workers > cpu.available_cores:
        advice = f"Set STENOGRAM_CPU_THREADS to 0, or to at most {cpu.available_cores}: more only wait for each other."
        return Finding("threads", "warning", text, advice)
    return Finding("threads", "good", text)
