"""Settings: one row per setting, read once at the edge (``read``), passed down as values.

Every option of the product is a dataclass field made by ``types.option``. Its flag, environment name and row in the
reference are derived here, so that they cannot differ.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from stenogram.enhancement import EnhanceWhen
from stenogram.errors import OptionError
from stenogram.types import option

ENV_PREFIX = "STENOGRAM_"

Profile = Literal["auto", "fast", "balanced", "quality", "default", "high_quality"]
"""``default`` and ``high_quality`` are what whisper.cpp's users call ``balanced`` and ``quality``."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are and how much they may take; what concerns one recording is in ``types.RunOptions``."""

    preset: Literal["none", "production", "development"] = option(
        "none", "Ready-made defaults: see Presets below. What is set goes before them."
    )
    home: str | None = option(None, "One folder for data, models and cache; unset: the platform's usual folders.")
    model: str = option("auto", "Model to transcribe with; auto: the best installed one for the language.", short="-m")
    profile: Profile = option(
        "auto", "Care a recording gets; auto: by its length, channels and noise, and by this machine."
    )
    cache_url: str | None = option(None, "Shared cache (any fsspec URL) written through to by every machine.")
    cache_max_mb: int = option(4096, "Size of the local cache, in MiB; the least recently used goes first.", low=0)
    whisper_engine: Literal["auto", "whisper", "whisper.cpp", "openai-whisper"] = option(
        "auto", "Engine behind plain Whisper names such as large-v3; auto: the fastest that has the model."
    )
    models_url: str | None = option(None, "Mirror to fetch models from: a web folder with one folder for each model.")
    hub_url: str | None = option(
        None, "Model hub, or a mirror that speaks its protocol; unset: HF_ENDPOINT, else the public one."
    )
    auto_pull: bool = option(False, "Fetch the recommended model without asking when none here speaks the language.")
    offline: bool = option(False, "Never use the network.")

    preload: str = option("", "Models to load at the start, as names separated by commas, as far as they fit.")
    idle_unload_s: int = option(1800, "Free a model that nobody used for so long, in seconds.", low=1)
    cpu_memory_budget_mb: int = option(0, "Memory that models may take, in MiB; 0: a share of what is free.", low=0)
    gpu_memory_budget_mb: int = option(0, "GPU memory that models may take, in MiB; 0: a share of what is free.", low=0)

    llm_base_url: str = option(
        "http://localhost:11434/v1",
        "Where a language model answers that cleans text up: any OpenAI-compatible chat endpoint.",
        env_also="LLM_BASE_URL",
    )
    llm_model: str = option(
        "mistral:7b-instruct",
        "The language model: as the endpoint calls it, or a GGUF of ours: its name or its path.",
        env_also="LLM_MODEL",
    )
    llm_api_key: str | None = option(None, "API key of the endpoint, where it wants one.", env_also="LLM_API_KEY")
    llm_timeout_s: float = option(60.0, "Wait so long for the language model's next word.", low=0.1)
    llm_temperature: float = option(0.3, "Sampling temperature of the language model.", low=0, high=2)
    llm_parallel: int = option(2, "Parts of one transcript that the language model works on at once.", low=1, high=64)

    @property
    def cache_dir(self) -> Path:
        """Folder of the local cache."""
        return self._home / "cache" if self._home else _user_folder("cache")

    @property
    def data_dir(self) -> Path:
        """Folder of the database and the recordings."""
        return self._home or _user_folder("data")

    @property
    def models_dir(self) -> Path:
        """Folder of fetched models."""
        return self.data_dir / "models"

    @property
    def _home(self) -> Path | None:
        return Path(self.home).expanduser() if self.home else None  # no shell has seen what a .env file says


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What ``stenogram serve`` and ``stenogram worker`` need on top of ``Settings``."""

    host: str = option(
        "127.0.0.1", "Address to listen on; other than this machine's own needs accounts, API keys or --no-auth."
    )
    port: int = option(8000, "Port to listen on; 0: any free one.", low=0, high=65535)
    no_auth: bool = option(
        False, "Listen on any address although there is neither user nor API key: everybody may use it."
    )
    allowed_hosts: str = option("", "Names by which browsers may reach the server, separated by commas; *: any.")
    cors_origins: str = option("", "Web origins whose pages may use the API, separated by commas.")
    requests_per_minute: int = option(
        0, "Requests a minute for each user and key; 0: no limit. A key's own goes first.", low=0
    )
    max_concurrent: int = option(
        0, "Requests at once for each user and key; 0: no limit. A key's own goes first.", low=0
    )
    session_days: float = option(
        30.0, "Have people sign in anew after so many days, and after half as many without use.", low=0.01, high=365
    )
    secure_cookies: Literal["auto", "on", "off"] = option(
        "auto", "Whether browsers may send the cookie by HTTPS only; auto: where the request came so."
    )
    trusted_proxies: str = option(
        "127.0.0.1,::1", "Proxies that are believed who asks and whether by HTTPS: addresses, networks, or *."
    )
    log_level: Literal["debug", "info", "warning"] = option("info", "The least that the log tells; -v: debug.")
    json_log: bool = option(False, "Write the log as JSON lines.")
    performance_log_s: int = option(0, "Have workers log what their runs cost, every so many seconds; 0: never.", low=0)

    database_url: str | None = option(
        None, "PostgreSQL (postgresql://...) or SQLite; unset: SQLite in the home folder.", env="DATABASE_URL"
    )
    db_host: str | None = option(None, "Host of PostgreSQL, instead of a URL.", env="DB_HOST")
    db_port: int = option(5432, "Port of PostgreSQL.", env="DB_PORT", low=1, high=65535)
    db_name: str = option("stenogram", "Database in PostgreSQL.", env="DB_NAME")
    db_user: str | None = option(None, "User of PostgreSQL.", env="DB_USER")
    db_pass: str | None = option(None, "Password of PostgreSQL.", env="DB_PASS")
    db_schema: str | None = option(None, "Schema of PostgreSQL for the tables; unset: the user's own default.")

    worker_devices: str = option(
        "auto",
        "One worker for each, separated by commas: cpu, cuda:0 ..., chat (cleans text up); auto: every GPU, else cpu; "
        "none: no worker.",
    )
    lease_s: float = option(15.0, "A worker not heard of for so long is dead, and its job goes to another.", low=1)
    max_crashes: int = option(3, "Workers that may die over one recording without getting further.", low=1)
    shutdown_grace_s: float = option(
        30.0, "At a stop, let running jobs go on for so long; then they are handed back.", low=0
    )

    media_url: str | None = option(None, "Where recordings are kept (any fsspec URL); unset: in the home folder.")
    max_upload_mb: int = option(10_240, "Refuse uploads larger than this, in MiB.", low=1)
    min_free_disk_mb: int = option(200, "Take no upload when less disk is free, in MiB.", low=0)
    delete_service_media: bool = option(
        True, "Delete a recording that came by /transcribe or /v1 when its job has succeeded."
    )
    delete_library_media: bool = option(False, "Delete one that came by /api/v1 when its job has succeeded.")
    service_language: str = option("Russian", "Language of POST /transcribe where the request names none.")
    cache_scope: Literal["all", "owner"] = option(
        "owner",
        "Whose earlier results may answer an identical recording: the owner's own, or those of all, who can then tell "
        "that somebody had it before.",
    )
    enhance: EnhanceWhen = option("auto", "Clean up the text of jobs of /api/v1; auto: what small models wrote.")
    llm_workers: int = option(
        1,
        "Processes that clean text up, unless worker_devices names them.",
        low=0,
        high=16,
    )
    retention_days: int = option(0, "Delete finished jobs after so many days; 0: keep them.", low=0)
    audit_days: int = option(365, "Forget entries of the audit log after so many days; 0: keep them.", low=0)
    trash_days: int = option(
        30, "Delete what has been in the trash for so many days for good; 0: when its owner says so.", low=0
    )
    archive_url: str | None = option(None, "Folder (any fsspec URL) that gets jobs as JSON lines before they go.")

    callback_allow: str = option("", "Private hosts and networks that callbacks may reach, separated by commas.")
    callback_secret: str | None = option(None, "Sign callbacks with this secret, as Standard Webhooks says.")
    callback_timeout_s: float = option(30.0, "Wait so long for the receiver of a callback.", low=0.1)
    callback_give_up_h: float = option(24.0, "Repeat a callback for so many hours.", low=0)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "production": {
        "preload": "auto",
        "idle_unload_s": 365 * 86_400,
        "cache_max_mb": 16_384,
    },
    "development": {
        "cache_max_mb": 64,
        "log_level": "debug",
        "performance_log_s": 60,
        "idle_unload_s": 300,
    },
}
"""Defaults that a preset (R33) puts in the place of others.

``production``: the one model that recordings get unasked is in memory from the start and stays there, and a large
cache. ``development``: small caches, of models too, a log with all details, and the figures of ``performance`` in it.
What every server has, with a preset or without: SQLite's WAL, all optimisations of the profile ``auto``, and the daily
clean-up of ``app.housekeeping``.
"""


@dataclass(frozen=True, slots=True)
class OptionRow:
    """One option as the user meets it, derived from its field."""

    name: str
    flag: str
    env: str
    env_also: str | None
    type: Any
    default: Any
    help: str
    low: float | None
    high: float | None
    short: str | None


def rows(group: type) -> Iterator[OptionRow]:
    """Every option of a dataclass made of ``types.option`` fields."""
    hints = get_type_hints(group)
    for field in dataclasses.fields(group):
        if "help" not in field.metadata:
            continue
        yield OptionRow(
            name=field.name,
            flag="--" + field.name.replace("_", "-"),
            env=field.metadata["env"] or ENV_PREFIX + field.name.upper(),
            env_also=field.metadata["env_also"],
            type=hints[field.name],
            default=field.default,
            help=field.metadata["help"],
            low=field.metadata["low"],
            high=field.metadata["high"],
            short=field.metadata["short"],
        )


def read(group: type[T], given: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> T:
    """Build an option group: what was ``given`` (by name; None: not given), else the environment, else the default.

    In ``Settings`` and ``ServerSettings`` the default is that of the preset, where one is set and has one.
    Raises ``OptionError``, with the place the value came from, when a value has the wrong type or is out of bounds.
    """
    given, environ = given or {}, environment() if environ is None else environ
    values: dict[str, Any] = dict(_preset(group, given, environ))
    for row in rows(group):
        found = _found(row, given, environ)
        if found is not None:
            values[row.name] = _convert(row, *found)
    return group(**values)


def _found(row: OptionRow, given: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Any, str] | None:
    """What was said of an option, and where."""
    if given.get(row.name) is not None:
        return given[row.name], row.flag
    return next(((environ[name], name) for name in (row.env, row.env_also) if name and environ.get(name)), None)


def _preset(group: type, given: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
    """The defaults of the preset that was asked for, as far as they are of this group."""
    if group not in (Settings, ServerSettings):
        return {}
    row = next(row for row in rows(Settings) if row.name == "preset")
    found = _found(row, given, environ)
    if found is None:
        return {}
    names = {row.name for row in rows(group)}
    preset = PRESETS.get(_convert(row, *found), {})
    return {name: value for name, value in preset.items() if name in names}


def _user_folder(kind: Literal["cache", "data"]) -> Path:
    import platformdirs

    find = platformdirs.user_cache_path if kind == "cache" else platformdirs.user_data_path
    return find("stenogram", appauthor=False)


def _convert(row: OptionRow, value: Any, source: str) -> Any:
    import msgspec

    if row.type is bool and isinstance(value, str):
        value = {"1": True, "yes": True, "on": True, "0": False, "no": False, "off": False}.get(value.lower(), value)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    try:
        converted = msgspec.convert(value, row.type, strict=False)
    except msgspec.ValidationError as error:
        raise OptionError(name=source, value=value, cause=f"must be {_wanted(row.type)}") from error
    if isinstance(converted, int | float):
        if math.isnan(converted):
            raise OptionError(name=source, value=value, cause="must be a number")
        if row.low is not None and converted < row.low:
            raise OptionError(name=source, value=value, cause=f"must be at least {row.low:g}")
        if row.high is not None and converted > row.high:
            raise OptionError(name=source, value=value, cause=f"must be at most {row.high:g}")
    return converted


def _wanted(kind: Any) -> str:
    """What a value of a type is called."""
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    kind = (get_args(kind) or (kind,))[0]  # ``int`` of ``int | None``
    return {bool: "on or off", int: "a whole number", float: "a number"}.get(kind, "text")


def environment() -> dict[str, str]:
    """The environment, over the ``.env`` file of the working folder."""
    return dotenv(Path(".env")) | os.environ


def dotenv(path: Path) -> dict[str, str]:
    """The ``NAME=value`` lines of a ``.env`` file; absent: nothing. Quotes around a value are taken off.

    The file may be another program's: what is not text in it does no harm. Raises ``OptionError`` when it cannot be
    read.
    """
    if not path.is_file():  # absent; or a folder, as some call their virtual environment
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except OSError as error:
        raise OptionError(name="settings file", value=str(path.absolute()), cause=error.strerror or error) from error
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.removeprefix("export ").strip(): value.strip().strip("\"'") for name, value in pairs}
