"""Engines, diarizers and models: what is installed, and whether it is whole."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator

from stenogram import diarization, engines, performance
from stenogram.app.doctor.finding import Finding, State
from stenogram.cache.local import LocalCache
from stenogram.config import Settings
from stenogram.enhance.check import ChatState, check
from stenogram.enhance.gguf import LIBRARY
from stenogram.errors import DiarizationError, EngineError, ModelError, ModelNotInstalled
from stenogram.library import Row
from stenogram.models import catalogue, store
from stenogram.protocols import Engine

_CHAT_TIMEOUT_S = 2.0


def examine_engines() -> Iterator[Finding]:
    """One finding for each engine."""
    default = catalogue.find(catalogue.DEFAULT).engine
    for name, row in engines.ENGINES.items():
        yield _engine(name, row, needed=name == default)


def _engine(name: str, row: Row, *, needed: bool) -> Finding:
    bad: State = "fault" if needed else "warning"
    if not row.installed:
        return Finding("engine", "note" if row.extra else bad, f"{name}: not installed", _advice(row.extra))
    versions = ", ".join(f"{package} {_version(package)}" for package in row.packages)
    try:
        engine = engines.find(name)
        fault = engine.fault("cpu") if "cpu" in engine.compute_types else None
        devices = _devices(engine)
    except (EngineError, ImportError, OSError) as error:  # a library that is there and cannot be loaded
        advice = f"Install it anew: pip install --force-reinstall {' '.join(row.packages)}"
        return Finding("engine", bad, f"{name}: {versions}; it cannot be loaded: {error}", advice)
    if fault is not None:
        return Finding("engine", bad, f"{name}: {versions}; the CPU cannot be used: {fault}")
    return Finding("engine", "good", f"{name}: {versions}; {devices}")


def examine_diarizers(settings: Settings) -> Iterator[Finding]:
    """One finding for each way to tell speakers apart."""
    means = diarization.Means(settings, LocalCache(settings.cache_dir, settings.cache_max_mb * 2**20))
    for name, row in diarization.DIARIZERS.items():
        bad: State = "note" if row.extra else "warning"
        if not row.installed:
            yield Finding("speakers", bad, f"{name}: not installed", _advice(row.extra))
            continue
        versions = ", ".join(f"{package} {_version(package)}" for package in row.packages)
        try:
            fault = diarization.find(name, means).fault()
        except (DiarizationError, ImportError, OSError) as error:  # a library that is there and cannot be loaded
            fault = f"it cannot be loaded: {error}"
        if fault is None:
            yield Finding("speakers", "good", f"{name}: {versions}")
        else:
            yield Finding("speakers", bad, f"{name}: {versions}; it cannot be used: {fault}")


def _devices(engine: Engine) -> str:
    """Where an engine can compute. Its library is only asked about CUDA where the driver can do it."""
    if "cuda" not in engine.compute_types:
        return "cpu"
    if not performance.cuda().usable:
        return "cpu (cuda: see above)"
    fault = engine.fault("cuda")
    return "cpu, cuda" if fault is None else f"cpu (cuda: {fault})"


def _advice(extra: str | None) -> str:
    """How to get what is not installed."""
    return f"Get it: pip install 'stenogram[{extra}]'" if extra else "Get it: pip install --force-reinstall 'stenogram'"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # a module without a distribution: built by hand
        return "of unknown version"


def examine_models(settings: Settings, *, verify: bool) -> Iterator[Finding]:
    """Installed models by size and time of change, or with ``verify`` by their SHA-256; and the chosen one."""
    wanted = {catalogue.DEFAULT} if settings.model == "auto" else set()
    if settings.model != "auto":
        try:
            wanted.add(store.locate(settings.model, settings).name)
        except ModelError as error:
            yield Finding("model", "fault", f"{settings.model} (STENOGRAM_MODEL): {error}")
    found = False
    for model in store.known(settings):
        try:
            files = store.files_of(model, settings)
            if verify:
                store.verify(model.name, settings)
        except ModelNotInstalled as error:
            if model.name in wanted:
                yield Finding("model", "fault", str(error))
        except ModelError as error:  # damaged: the error says how to repair it
            found = True
            yield Finding("model", "fault" if model.name in wanted else "warning", str(error))
        else:
            found = True
            checked = "SHA-256 as recorded" if verify else "sizes and times as recorded"
            yield Finding("model", "good", f"{files.name} ({files.engine}): {checked}")
    if not found:
        yield Finding("model", "fault", "none is installed", "Get one: stenogram models pull NAME")


def examine_chat(settings: Settings) -> Finding:
    """The language model that cleans text up: nothing needs it, so it is no fault that none answers."""
    chosen = settings.llm_base_url != Settings().llm_base_url or settings.llm_model != Settings().llm_model
    return chat_finding(check(settings, _CHAT_TIMEOUT_S), chosen=chosen)


def chat_finding(state: ChatState, *, chosen: bool) -> Finding:
    """What is said of a language model; ``chosen``: somebody named it."""
    where = f"{state.model} at {state.where}"
    if not state.ready:
        return Finding("clean-up", "warning" if chosen else "note", f"{where}: {state.cause}", state.advice)
    placed = {True: ", in GPU memory", False: ", on the CPU", None: ""}[state.on_gpu]
    return Finding("clean-up", "good", f"{where}: answers{placed}")


def examine_gguf() -> Finding:
    """The library that runs a GGUF file in process."""
    if not LIBRARY.installed:
        return Finding("clean-up", "note", "GGUF files in process: not installed", _advice(LIBRARY.extra))
    versions = ", ".join(f"{package} {_version(package)}" for package in LIBRARY.packages)
    return Finding("clean-up", "good", f"GGUF files in process: {versions}")
