"""The lock files pin everything with hashes, agree with each other and with pyproject.toml, and name no host."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock")


def pins(name: str) -> dict[str, str]:
    """Library -> version and marker."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==(.+) \\$", text, re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_has_a_version_and_a_hash(name: str) -> None:
    logical_lines = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    requirements = [line for line in logical_lines if line.strip() and not line.strip().startswith("#")]

    assert requirements
    for line in requirements:
        assert re.fullmatch(r"[a-z0-9.-]+==[\w.]+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", line), line[:80]


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_names_a_host(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    assert "://" not in text
    assert "index-url" not in text
    assert " @ " not in text


def test_the_development_lock_holds_the_pins_of_the_runtime() -> None:
    runtime, development = pins("requirements.lock"), pins("requirements-dev.lock")

    assert runtime
    # what the runtime needs on one platform only, a tool may need everywhere
    versions = {name: pin.partition(" ;")[0] for name, pin in development.items()}
    assert {name: pin.partition(" ;")[0] for name, pin in runtime.items()}.items() <= versions.items()


def test_all_that_pyproject_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    runtime = [*project["project"]["dependencies"], *groups["build"], *project["build-system"]["requires"]]
    development = [requirement for group in groups.values() for requirement in group]

    assert names(runtime) <= pins("requirements.lock").keys()
    assert names(development) <= pins("requirements-dev.lock").keys()


def names(requirements: list[str]) -> set[str]:
    """The names in a list of requirements."""
    return {re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0].lower() for requirement in requirements}
