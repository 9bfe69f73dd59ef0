"""``tools/bootstrap.sh`` chooses a Python that works, says what is missing, and installs only when something changed.

Pythons and uv are shell scripts here: nothing is installed, and no network is used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell script")

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    "tools/bootstrap.sh",
    "pyproject.toml",
    *(f"requirements{kind}" for kind in (".lock", "-dev.lock", "-uv.lock", "-engines.txt")),
)
COMMANDS = ("cat", "chmod", "cksum", "dirname", "ln", "mkdir", "rm", "sh")

# Answers the probe, the question of identity, and the call of the platform check.
PYTHON = """#!/bin/sh
case "$1 $2" in
    "-c import sys; print"*) echo "{identity}" ;;
    -c*) echo "{answer} $0" ;;
    "tools/platform_check.py "*) {platform} ;;
    "-m venv") mkdir -p .uv/bin && cat "{folder}/python" >.uv/bin/python && chmod +x .uv/bin/python ;;
    "-m pip")
        echo "pip $3" >>"{log}"
        [ "$3" = config ] || {{ cat "{folder}/uv-script" >.uv/bin/uv && chmod +x .uv/bin/uv; }} ;;
esac
"""

# `uv venv ... --python P .venv` puts P into .venv; `uv pip install ... --editable .` puts the command there.
UV = """#!/bin/sh
case "$*" in
    --version) echo "uv {version}" ;;
    venv*) echo "venv $5" >>"{log}"; mkdir -p .venv/bin; cat "$5" >.venv/bin/python; chmod +x .venv/bin/python ;;
    *--editable*) echo "editable" >>"{log}"; echo >.venv/bin/stenogram; chmod +x .venv/bin/stenogram ;;
    "pip install"*) echo "install ${{9}}" >>"{log}" ;;
esac
"""


@dataclass
class Checkout:
    """A copy of the files that matter, with a PATH of its own."""

    root: Path
    path: Path
    shell: list[str]

    @property
    def log(self) -> list[str]:
        """What was made and installed, in order."""
        file = self.path / "log"
        return file.read_text().splitlines() if file.exists() else []

    def python(self, name: str, answer: str, platform: str = ":", identity: str | None = None) -> Path:
        """Put a Python on PATH; ``answer`` is what it says of itself, ``platform`` what the platform check does."""
        return self.script(name, PYTHON, answer=answer, platform=platform, identity=identity or name)

    def uv(self, version: str = "0.9.1", name: str = "uv") -> Path:
        """Put a uv on PATH."""
        return self.script(name, UV, version=version)

    def script(self, name: str, template: str, **values: str) -> Path:
        """Put a command on PATH."""
        file = self.path / name
        file.write_text(template.format(log=self.path / "log", folder=self.path, **values))
        file.chmod(0o755)
        return file

    def run(self, mode: str = "runtime", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the script as make does."""
        (self.path / "log").unlink(missing_ok=True)
        return subprocess.run(
            [*self.shell, "tools/bootstrap.sh", mode],
            cwd=self.root,
            env={"PATH": str(self.path), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def shells() -> list[list[str]]:
    """The machine's sh, and bash held to POSIX where there is one."""
    found = [[shutil.which("sh") or "/bin/sh"]]
    bash = shutil.which("bash")
    return [*found, [bash, "--posix"]] if bash else found


@pytest.fixture(params=shells(), ids=lambda shell: Path(shell[0]).name)
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Checkout:
    root, path = tmp_path / "a checkout", tmp_path / "bin"
    path.mkdir()
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for command in COMMANDS:
        found = shutil.which(command)
        assert found
        (path / command).symlink_to(found)
    return Checkout(root, path, request.param)


def test_the_newest_python_that_really_runs_is_taken(checkout: Checkout) -> None:
    checkout.uv()
    checkout.script("python3.14", "#!/bin/sh\necho 'pyenv: python3.14: command not found' >&2; exit 127\n")
    checkout.python("python3.13", "unfit 3.13 venv")
    wanted = checkout.python("python3.12", "fit 3.12 venv")
    checkout.python("python3.11", "fit 3.11 venv")

    assert checkout.run().returncode == 0
    assert checkout.log == [f"venv {wanted}", "install requirements.lock", "editable"]


def test_an_old_python3_is_named_when_nothing_newer_is_there(checkout: Checkout) -> None:
    checkout.python("python3", "unfit 3.9 venv")

    result = checkout.run()

    assert result.returncode == 1
    assert "python3 is 3.9" in result.stderr
    assert "3.11" in result.stderr
    assert "make setup PYTHON=" in result.stderr


def test_no_python_at_all_is_said(checkout: Checkout) -> None:
    result = checkout.run()

    assert result.returncode == 1
    assert "found: none" in result.stderr


def test_a_missing_venv_module_gives_the_line_that_installs_it(checkout: Checkout) -> None:
    checkout.python("python3", "fit 3.12 novenv")
    checkout.script("apt-get", "#!/bin/sh\n")

    result = checkout.run()

    assert result.returncode == 1
    assert "    sudo apt-get install python3.12-venv\n" in result.stderr
    assert not (checkout.root / ".uv").exists()


def test_where_there_is_no_apt_the_missing_module_is_named(checkout: Checkout) -> None:
    checkout.python("python3", "fit 3.12 novenv")

    result = checkout.run()

    assert result.returncode == 1
    assert "ensurepip" in result.stderr
    assert "apt-get" not in result.stderr


def test_an_older_python_with_venv_beats_a_newer_one_without(checkout: Checkout) -> None:
    checkout.uv(name="uv-script")
    checkout.python("python", "fit 3.11 venv")  # the stand-in inside .uv
    checkout.python("python3.13", "fit 3.13 novenv")
    wanted = checkout.python("python3.11", "fit 3.11 venv")

    assert checkout.run().returncode == 0
    assert f"venv {wanted}" in checkout.log


def test_with_uv_on_path_the_venv_module_is_not_needed(checkout: Checkout) -> None:
    checkout.uv()
    checkout.python("python3", "fit 3.12 novenv")

    assert checkout.run().returncode == 0


@pytest.mark.parametrize("present", ["none", "old", "broken"])
def test_without_a_uv_that_will_do_one_is_brought_and_kept(checkout: Checkout, present: str) -> None:
    checkout.uv(name="uv-script")
    checkout.python("python", "fit 3.11 venv")
    if present == "old":
        checkout.uv(version="0.4.30")
    if present == "broken":
        checkout.script("uv", "#!/bin/sh\nexit 127\n")

    assert checkout.run().returncode == 0
    assert checkout.log[0] == "pip install"
    assert checkout.run("dev").returncode == 0
    assert "pip install" not in checkout.log
    assert checkout.run("uv").stdout == f"{checkout.root}/.uv/bin/uv\n"


def test_the_platform_is_judged_before_anything_is_made(checkout: Checkout) -> None:
    checkout.uv()
    checkout.python("python3", "unfit 3.9 venv", platform="echo 'no wheel for this machine' >&2; exit 1")

    result = checkout.run()

    assert result.returncode == 1
    assert result.stderr == "no wheel for this machine\n"
    assert checkout.log == []
    assert not (checkout.root / ".venv").exists()


def test_python_may_be_named_and_is_then_the_only_candidate(checkout: Checkout) -> None:
    checkout.uv()
    checkout.python("python3.14", "fit 3.14 venv")
    folder = checkout.path / "with space"
    folder.mkdir()
    named = checkout.python("with space/mine", "fit 3.12 venv")

    assert checkout.run(PYTHON=str(named)).returncode == 0
    assert checkout.log[0] == f"venv {named}"

    result = checkout.run(PYTHON=str(checkout.python("old", "unfit 3.8 venv")))
    assert result.returncode == 1
    assert "will not do" in result.stderr


def test_another_python_named_later_makes_venv_anew(checkout: Checkout) -> None:
    checkout.uv()
    checkout.python("python3.14", "fit 3.14 venv")
    named = checkout.python("mine", "fit 3.12 venv")
    checkout.run()

    assert "asks for another Python" in checkout.run(PYTHON=str(named)).stderr
    assert f"venv {named}" in checkout.log
    assert checkout.run(PYTHON=str(named)).stderr == ""


@pytest.fixture
def ready(checkout: Checkout) -> Checkout:
    """A checkout whose .venv is as ``make setup`` leaves it."""
    checkout.uv()
    checkout.python("python3.12", "fit 3.12 venv")
    assert checkout.run("dev").returncode == 0
    assert checkout.log[1:] == ["install requirements-dev.lock", "editable"]
    return checkout


@pytest.mark.parametrize("mode", ["runtime", "dev"])
def test_when_nothing_changed_nothing_is_done(ready: Checkout, mode: str) -> None:
    result = ready.run(mode)

    assert (result.returncode, result.stdout, result.stderr, ready.log) == (0, "", "", [])


@pytest.mark.parametrize("changed", ["pyproject.toml", "requirements-dev.lock"])
def test_a_changed_file_installs_again_into_the_same_venv(ready: Checkout, changed: str) -> None:
    with (ready.root / changed).open("a") as file:
        file.write("# changed\n")

    assert ready.run("dev").returncode == 0
    assert ready.log == ["install requirements-dev.lock", "editable"]


def test_the_tests_install_more_after_the_demo(checkout: Checkout) -> None:
    checkout.uv()
    checkout.python("python3.12", "fit 3.12 venv")
    checkout.run("runtime")

    assert checkout.run("dev").returncode == 0
    assert checkout.log == ["install requirements-dev.lock", "editable"]


def test_a_moved_checkout_gets_a_new_venv(ready: Checkout) -> None:
    moved = ready.root.with_name("moved")
    ready.root.rename(moved)
    ready.root = moved

    assert "it was made in" in ready.run("dev").stderr
    assert ready.log[0].startswith("venv ")
    assert ready.run("dev").stderr == ""


def test_a_venv_whose_python_is_gone_is_made_anew(ready: Checkout) -> None:
    (ready.root / ".venv/bin/python").unlink()

    assert "its Python does not run" in ready.run("dev").stderr
    assert ready.log[0].startswith("venv ")


def test_an_installation_that_failed_is_tried_again(checkout: Checkout) -> None:
    checkout.script("uv", UV.replace('echo "install ${{9}}"', "exit 2; echo"), version="0.9.1")
    checkout.python("python3.12", "fit 3.12 venv")
    assert checkout.run().returncode == 2

    checkout.uv()
    assert checkout.run().returncode == 0
    assert checkout.log == ["install requirements.lock", "editable"]


def test_a_wrong_mode_is_refused(checkout: Checkout) -> None:
    result = checkout.run("everything")

    assert result.returncode == 1
    assert "usage:" in result.stderr


ENGINES_UV = """#!/bin/sh
case "$*" in
    --version) echo "uv 0.9.1" ;;
    venv*) echo "$*" >>"{log}"; mkdir -p .venv-engines/bin; cat "{folder}/inner" >.venv-engines/bin/python
        chmod +x .venv-engines/bin/python ;;
    *--editable*) echo "editable" >>"{log}"; echo >.venv-engines/bin/stenogram; chmod +x .venv-engines/bin/stenogram ;;
    "pip install"*) echo "install ${{9}}" >>"{log}" ;;
esac
"""
INNER = """#!/bin/sh
case "$1 $2" in
    -c*) echo "fit 3.12 venv $0" ;;
    "-m pip") shift 7; echo "pip install $*" >>"{log}" ;;
esac
"""


def test_pytorch_gets_an_environment_of_its_own_by_pip(checkout: Checkout) -> None:
    """Beside .venv, which stays as it is; once it is there, nothing is done until a list changes."""
    checkout.script("uv", ENGINES_UV)
    checkout.script("inner", INNER)
    wanted = checkout.python("python3.12", "fit 3.12 venv")

    with_their_own = (
        "torch numba tiktoken tqdm more-itertools setuptools asteroid-filterbanks einops lightning "
        "opentelemetry-exporter-otlp opentelemetry-sdk pyannote-pipeline pyannoteai-sdk pytorch-metric-learning "
        "safetensors torchmetrics"
    )
    alone = "pyannote-audio torchaudio torch-audiomentations torch-pitch-shift julius primepy"
    assert checkout.run("engines").returncode == 0
    assert checkout.log == [
        f"venv --quiet --no-project --python {wanted} --seed .venv-engines",
        "install requirements-dev.lock",
        "editable",
        f"pip install requirements-engines.txt {with_their_own}",
        "pip install requirements-engines.txt --no-deps --no-build-isolation openai-whisper",
        f"pip install requirements-engines.txt --no-deps {alone}",
    ]
    assert not (checkout.root / ".venv").exists()

    assert checkout.run("engines").stderr == ""
    assert checkout.log == []

    with (checkout.root / "requirements-engines.txt").open("a") as file:
        file.write("# changed\n")
    assert checkout.run("engines").returncode == 0
    assert checkout.log[0] == "install requirements-dev.lock"


def test_what_pytorch_needs_is_pinned_once() -> None:
    """No version of the list for PyTorch contradicts the lock that is installed before it."""
    pinned = [line for line in (ROOT / "requirements-engines.txt").read_text().splitlines() if "==" in line]
    locked = (ROOT / "requirements-dev.lock").read_text().splitlines()

    assert len(pinned) > 10
    for line in pinned:
        name = line.split("==")[0]
        assert not [other for other in locked if other.startswith(f"{name}==")], f"{name} is in both"
