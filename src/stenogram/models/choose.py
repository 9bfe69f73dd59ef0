"""Which model serves a request: by name, or the best one for language, machine and profile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from stenogram import engines, languages
from stenogram.config import Settings
from stenogram.engines import ENGINES
from stenogram.errors import LanguageNotSupported, ModelError, ModelNotInstalled
from stenogram.hardware import available_cpus, free_memory, read_gpus
from stenogram.models import catalogue, download, hub, store
from stenogram.models.catalogue import Model
from stenogram.types import ComputeType, ModelFiles

log = logging.getLogger(__name__)

Profile = Literal["fast", "balanced", "quality"]

REAL_TIME: dict[Profile, float] = {"fast": 30.0, "balanced": 8.0, "quality": 1.0}
"""The speed that a model should reach, in seconds of speech per second; the best model that does is taken."""

_BASE_SPEED_PER_CORE = 20.0
"""whisper-base in int8 with CTranslate2: 42x real time on two cores (measured, see the benchmarks)."""
_MOST_CORES = 16
"""More cores do not make one recording faster in proportion."""
_CUDA_SPEED = 1500.0
"""whisper-base on a GPU, not measured here: an order of magnitude, so that large models do not count as slow there."""
_PROFILES: dict[str, Profile] = {
    "auto": "balanced",
    "fast": "fast",
    "balanced": "balanced",
    "default": "balanced",
    "quality": "quality",
    "high_quality": "quality",
}
_MOST_NAMES = 5
_ENGINE_COST = {"whisper.cpp": 2.2, "openai-whisper": 5.0}
"""Time per recording against CTranslate2 on the same weights (measured on two cores, see the benchmarks)."""
_COMPUTE_TYPE: dict[tuple[str, str], ComputeType] = {
    ("whisper", "cpu"): "int8",
    ("whisper", "cuda"): "int8_float16",
    ("openai-whisper", "cpu"): "float32",
    ("openai-whisper", "cuda"): "float16",
}
"""What each engine loads by default; the others compute in the number type of the file."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What is there to compute with, in plain numbers."""

    device: Literal["cpu", "cuda"]
    free_bytes: int
    """Memory that a model may take on the device."""
    cores: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A model, and why it was taken."""

    files: ModelFiles
    reason: str
    warning: str | None = None
    """What the user should know: that a better model could not be fetched, or that memory is short."""


Fetch = Callable[[Model], ModelFiles | str]
"""Brings a recommended model to this machine, or says why not."""


def choose(
    name: str,
    language: str | None,
    settings: Settings,
    machine: Machine | None = None,
    *,
    fetch: Fetch | None = None,
) -> Choice:
    """The model for a request: ``name``, or for ``auto`` the best installed one for language, machine and profile.

    The profile is that of the settings. ``language`` is a code of ``stenogram.languages``. Without one, a model of
    every language goes first, then the one that comes with the program. With one that no installed model speaks, or
    none that fits into memory, the recommended model is fetched by ``fetch`` (default: as the setting ``auto_pull``
    says). Raises ``LanguageNotSupported`` with the models that speak it, and what ``store.locate`` raises.
    """
    if name != "auto":
        return _as_asked(name, language, settings)
    machine, profile = machine or this_machine(), _PROFILES[settings.profile]
    here = [model for model in _speech(settings) if store.runs(model) and store.is_installed(model, settings)]
    best = rank(here, language, machine, profile)
    if best is not None and fits(best, machine):
        return Choice(store.files_of(best, settings), _reason(best, language, machine, profile))
    refusal = ""
    wanted = recommend(language, machine, profile)
    if wanted is not None and (language is not None or settings.auto_pull):
        got = (fetch or fetch_if_allowed(settings))(wanted)
        if not isinstance(got, str):
            return Choice(got, f"{_reason(wanted, language, machine, profile)}; fetched for this")
        refusal = f"{wanted.name} would do for {_spoken(language)}, but {got}. "
    if best is not None:
        warning = f"{best.name} may not fit into the {machine.free_bytes / 1e9:.1f} GB of memory that are free"
        return Choice(
            store.files_of(best, settings), f"model {best.name}: the smallest installed one that will do", warning
        )
    if language is not None:
        tried = refusal if fetch is not None or settings.auto_pull else ""
        raise LanguageNotSupported(language=_english(language), advice=tried + _way_to(language, settings, wanted))
    return _built_in(settings, refusal.strip())


def rank(models: Sequence[Model], language: str | None, machine: Machine, profile: Profile) -> Model | None:
    """The best of ``models`` for speech in ``language`` (None: unknown) on ``machine``; None where none would do.

    Of those that fit into memory, the best by ``quality`` that reaches the profile's speed; where none does, the
    fastest. Where none fits, the smallest.
    """
    able = [model for model in models if (model.multilingual if language is None else model.speaks(language))]
    fitting = [model for model in able if fits(model, machine)]
    if not fitting:
        return min(able, key=lambda model: memory_need(model, machine.device), default=None)
    quick = [model for model in fitting if speed(model, machine) >= REAL_TIME[profile]]
    if quick:
        return max(quick, key=lambda model: (model.quality, speed(model, machine)))
    return max(fitting, key=lambda model: speed(model, machine))


def recommend(language: str | None, machine: Machine, profile: Profile = "balanced") -> Model | None:
    """The model worth fetching for a language: its engine runs here, its licence is free, it fits into memory."""
    able = [model for model in catalogue.models() if model.kind == "speech" and store.runs(model)]
    free = [model for model in able if not model.restricted and not model.bundled and fits(model, machine)]
    return rank(free, language, machine, profile)


def fits(model: Model, machine: Machine) -> bool:
    """Whether the model should fit into the memory that is free."""
    return memory_need(model, machine.device) <= machine.free_bytes


def memory_need(model: Model, device: str) -> int:
    """Estimated bytes in the number type that the engine takes by default on ``device``."""
    need = model.memory_bytes()
    return need.get(_COMPUTE_TYPE.get((model.engine, device), "default")) or need["default"]


def speed(model: Model, machine: Machine) -> float:
    """Roughly how many seconds of speech a second, from ``cost`` and what was measured of whisper-base."""
    on_cpu = _BASE_SPEED_PER_CORE * min(machine.cores, _MOST_CORES)
    base = _CUDA_SPEED if machine.device == "cuda" else on_cpu
    return base / (model.cost * _ENGINE_COST.get(model.engine, 1.0))


def this_machine() -> Machine:
    """Cores and free memory of this process; the GPU where there is one that the fastest Whisper engine can use."""
    if read_gpus().gpus and ENGINES["whisper"].installed and engines.find("whisper").fault("cuda") is None:
        return Machine("cuda", free_memory("cuda"), available_cpus())
    return Machine("cpu", free_memory("cpu"), available_cpus())


def fetch_if_allowed(settings: Settings) -> Fetch:
    """Fetch without asking where the setting ``auto_pull`` allows it and the hub answers soon; else not."""

    def fetch(model: Model) -> ModelFiles | str:
        if not settings.auto_pull:
            return "models are not fetched unasked (STENOGRAM_AUTO_PULL)"
        if settings.offline:
            return "the network is switched off (STENOGRAM_OFFLINE)"
        if not hub.answers(model, settings):
            return "the place it comes from does not answer"
        log.info("fetching %s, %.0f MB", model.name, model.bytes / 1e6)
        try:
            return download.pull(model, settings, lambda _done, _total: None, lambda: False)
        except ModelError as error:
            return f"it cannot be fetched: {error}"

    return fetch


def _as_asked(name: str, language: str | None, settings: Settings) -> Choice:
    files = store.locate(name, settings)
    if language is not None and not files.speaks(language):
        raise LanguageNotSupported(_says_no(files, language, settings), language=_english(language))
    return Choice(files, f"model {files.name}: as asked")


def _speech(settings: Settings) -> list[Model]:
    return [model for model in store.known(settings) if model.kind == "speech"]


def _built_in(settings: Settings, refusal: str) -> Choice:
    """The model that comes with the program; where its wheel is missing, the first installed one."""
    try:
        files = store.locate(catalogue.DEFAULT, settings)
    except ModelNotInstalled:
        others = store.installed(settings)
        if not others:
            raise
        files = others[0]
    reason = f"model {files.name}: the language is not known, and no installed model knows every language"
    return Choice(files, reason, refusal or None)


def _reason(model: Model, language: str | None, machine: Machine, profile: Profile) -> str:
    where = "a GPU" if machine.device == "cuda" else f"{machine.cores} CPU cores"
    pace = speed(model, machine)
    enough = "" if pace >= REAL_TIME[profile] else ", the fastest there is"
    best = f"the best for {_spoken(language)} at about {pace:.0f}x real time on {where} ({profile}){enough}"
    return f"model {model.name}: {best}"


def _says_no(files: ModelFiles, language: str, settings: Settings) -> str:
    spoken = ", ".join(_english(code) for code in files.languages)
    others = _able(language, settings)
    advice = f"Models that do: {_some(others, language)}. Choose one with --model." if others else _none_for(language)
    return f"The model {files.name} speaks {spoken}, not {_english(language)}. {advice}"


def _way_to(language: str, settings: Settings, recommended: Model | None) -> str:
    able = _able(language, settings)
    if not able:
        return _none_for(language)
    first = recommended or able[0]
    others = [model for model in able if model.name != first.name]
    also = f" (it is also spoken by {_some(others, language)})" if others else ""
    return f"Get one: stenogram models pull {first.name}{also}"


def _able(language: str, settings: Settings) -> list[Model]:
    """Models that speak the language and run here, the best first."""
    able = [model for model in _speech(settings) if model.speaks(language) and store.runs(model)]
    return sorted(able, key=lambda model: -model.quality)


def _some(models: Sequence[Model], language: str) -> str:
    shown = ", ".join(model.name for model in models[:_MOST_NAMES])
    more = len(models) - _MOST_NAMES
    return f"{shown} and {more} more (stenogram models list -l {language})" if more > 0 else shown


def _none_for(language: str) -> str:
    return f"This version knows no model for {_english(language)}; see which there are: stenogram models list"


def _spoken(language: str | None) -> str:
    return "any language" if language is None else _english(language)


def _english(language: str) -> str:
    return languages.NAMES.get(language, language).title()
