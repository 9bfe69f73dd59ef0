#!/bin/sh
# Makes .venv from nothing but a Python and the lock files. `make` calls it every time; when all is well it returns
# at once. Plain POSIX sh: macOS has bash 3.2, Debian has dash.
#
#   tools/bootstrap.sh runtime   what `stenogram` itself needs        (requirements.lock)
#   tools/bootstrap.sh dev       and what test, check and bench need  (requirements-dev.lock, holds the former too)
#   tools/bootstrap.sh engines   .venv-engines: dev, PyTorch, openai-whisper, pyannote.audio (requirements-engines.txt)
#   tools/bootstrap.sh uv        prints the path of a uv; brings one into .uv when there is none on PATH
#
# PYTHON=/path/to/python names the interpreter; otherwise the newest suitable one on PATH is taken.

set -eu

cd "$(dirname "$0")/.."
root=$(pwd -P)

say() { printf '%s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# --- which Python ----------------------------------------------------------------------------------------------------

# Any Python from 2.7 on answers: fit|unfit, its version, venv|novenv, and the interpreter outside of any virtual
# environment (a virtual environment may be the very one we are about to replace). Wheels exist for 64-bit CPython
# with the GIL, 3.11 to 3.14.
PROBE='
import sys, sysconfig
try:
    import ensurepip, venv
    has_venv = "venv"
except ImportError:
    has_venv = "novenv"
inside = sys.prefix != getattr(sys, "base_prefix", sys.prefix)
path = inside and getattr(sys, "_base_executable", None) or sys.executable
fit = (
    (3, 11) <= sys.version_info[:2] <= (3, 14)
    and sys.implementation.name == "cpython"
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
)
print("%s %d.%d %s %s" % (("fit" if fit else "unfit",) + tuple(sys.version_info[:2]) + (has_venv, path)))
'

IDENTITY='import sys; print(sys.base_prefix, sys.version)'

python=''          # the interpreter chosen
python_version=''
venvless=''        # version of the newest suitable one that cannot make virtual environments
witness=''         # any Python >= 3.8: can judge the platform
seen=''            # what was found and would not do

# A command may exist and yet not run (pyenv's shims do that), so each candidate has to answer.
consider() {
    answer=$("$1" -c "$PROBE" 2>/dev/null </dev/null) || return 0
    read -r fit version has_venv path <<EOF
$answer
EOF
    [ -x "$path" ] || path=$1
    case $version in 2.* | 3.[0-7]) ;; *) witness=${witness:-$path} ;; esac
    if [ "$fit" = unfit ]; then
        seen="$seen, $1 is $version"
    elif [ "$has_venv" = novenv ] && [ -z "$uv" ]; then
        venvless=${venvless:-$version}
    elif [ -z "$python" ]; then
        python=$path
        python_version=$version
    fi
}

pick_python() {
    if [ -n "${PYTHON:-}" ]; then
        consider "$PYTHON"
    else
        for name in python3.14 python3.13 python3.12 python3.11 python3 python; do
            [ -n "$python" ] || consider "$name"
        done
    fi
    if [ -n "$witness" ]; then
        "$witness" tools/platform_check.py || exit 1
    fi
    [ -z "$python" ] || return 0
    if [ -n "$venvless" ]; then
        if command -v apt-get >/dev/null 2>&1; then
            die "Python $venvless is here but cannot make virtual environments. This installs what is missing:
    sudo apt-get install python$venvless-venv"
        fi
        die "Python $venvless is here but lacks the modules venv and ensurepip. Install them from where it came from."
    fi
    if [ -n "${PYTHON:-}" ]; then
        die "PYTHON=$PYTHON will not do (${seen:+${seen#, }; }needed: CPython 3.11 to 3.14 that runs)."
    fi
    die "No suitable Python: needed is CPython 3.11, 3.12, 3.13 or 3.14 (found: ${seen:+${seen#, }}${seen:-none}).
Install one:    macOS: brew install python@3.13    Debian, Ubuntu: sudo apt-get install python3-venv
or name one:    make setup PYTHON=/path/to/python3.13"
}

# --- which uv --------------------------------------------------------------------------------------------------------

uv=''

# Older ones do not know all the flags used here.
uv_runs() {
    case $("$1" --version 2>/dev/null </dev/null) in
        "uv 0."[0-6].*) return 1 ;;
        "uv "*) return 0 ;;
        *) return 1 ;;
    esac
}

find_uv() {
    own=$root/.uv/bin/uv
    if uv_runs uv; then
        uv=$(command -v uv)
    elif [ "$(cat .uv/made-from 2>/dev/null)" = "$(cksum <requirements-uv.lock)" ] && uv_runs "$own"; then
        uv=$own
    fi
}

# pip may have been told of a mirror; a machine without uv of its own will not have told uv.
use_mirror_of_pip() {
    mirror=$("$1" -m pip config get global.index-url 2>/dev/null </dev/null) || mirror=''
    mirror=${PIP_INDEX_URL:-$mirror}
    if [ -n "$mirror" ] && [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        export UV_DEFAULT_INDEX="$mirror"
    fi
    if [ -n "${PIP_CERT:-}" ] && [ -z "${SSL_CERT_FILE:-}" ]; then
        export SSL_CERT_FILE="$PIP_CERT"
    fi
}

bring_uv() {
    if [ -z "$uv" ]; then
        say "uv is not on PATH: putting one into .uv"
        rm -rf .uv
        "$python" -m venv .uv
        PIP_USER=0 .uv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
            --require-hashes --only-binary :all: --requirement requirements-uv.lock
        cksum <requirements-uv.lock >.uv/made-from
        uv=$root/.uv/bin/uv
    fi
    if [ "$uv" = "$root/.uv/bin/uv" ]; then
        use_mirror_of_pip .uv/bin/python
    fi
}

# --- .venv -----------------------------------------------------------------------------------------------------------

lock_of() {
    case $1 in
        runtime) echo requirements.lock ;;
        dev) echo requirements-dev.lock ;;
        engines) echo requirements-dev.lock requirements-engines.txt ;;
    esac
}

venv_of() {
    case $1 in
        engines) echo .venv-engines ;;
        *) echo .venv ;;
    esac
}

# What decides the contents of .venv; kept in .venv/stenogram-<mode> once they are there.
# shellcheck disable=SC2046 # several files
fingerprint() { cat tools/bootstrap.sh pyproject.toml $(lock_of "$1") | cksum; }

# Why a virtual environment cannot be kept; empty: it can.
fault_of_venv() {
    answer=$("$1/bin/python" -c "$PROBE" 2>/dev/null </dev/null) || { echo "its Python does not run"; return; }
    case $answer in unfit*) echo "its Python is not one of 3.11 to 3.14"; return ;; esac
    made_in=$(cat "$1/stenogram-root" 2>/dev/null) || made_in=$root
    [ "$made_in" = "$root" ] || { echo "it was made in $made_in"; return; }
    [ -n "${PYTHON:-}" ] || return 0
    # Not the paths: python3 and python3.11 may be one interpreter. One that does not run is reported elsewhere.
    asked=$("$PYTHON" -c "$IDENTITY" 2>/dev/null </dev/null) || return 0
    [ "$asked" = "$("$1/bin/python" -c "$IDENTITY")" ] || echo "PYTHON=$PYTHON asks for another Python"
}

is_current() {
    venv=$(venv_of "$1")
    [ "$(cat "$venv/stenogram-$1" 2>/dev/null)" = "$(fingerprint "$1")" ] &&
        [ -x "$venv/bin/stenogram" ] && [ -z "$(fault_of_venv "$venv")" ]
}

# An empty virtual environment, unless there is one that can be kept; what follows its path goes to `uv venv`.
make_venv() {
    venv=$1
    shift
    if [ -e "$venv" ] || [ -h "$venv" ]; then
        fault=$(fault_of_venv "$venv")
        if [ -n "$fault" ]; then
            say "Making $venv anew: $fault"
            rm -rf "$venv"
        fi
    fi
    if [ ! -e "$venv" ]; then
        say "Making $venv with Python $python_version ($python)"
        "$uv" venv --quiet --no-project --python "$python" "$@" "$venv"
    fi
    printf '%s\n' "$root" >"$venv/stenogram-root"
}

# What a lock file pins, and stenogram itself.
fill_venv() {
    say "Installing what $2 pins"
    "$uv" pip install --python "$1/bin/python" --require-hashes --only-binary :all: --requirement "$2"
    # The lock has hatchling too, so that this build is as pinned as the rest.
    "$uv" pip install --quiet --python "$1/bin/python" --no-deps --no-build-isolation --editable .
}

install() {
    find_uv
    pick_python
    bring_uv
    make_venv .venv
    fill_venv .venv "$(lock_of "$1")"
    fingerprint runtime >.venv/stenogram-runtime
    if [ "$1" = dev ]; then
        fingerprint dev >.venv/stenogram-dev
    fi
}

# By pip, not uv: uv does not read pip's configuration, where a machine without a GPU names PyTorch's build for the CPU,
# and takes gigabytes of CUDA. openai-whisper comes alone: it asks for triton, which only a GPU needs. So do
# pyannote.audio and torchaudio: the index has torchaudio for CUDA only. Its native part goes, which it bears (see its
# _load_lib) and pyannote.audio does not use.
install_engines() {
    find_uv
    pick_python
    bring_uv
    make_venv .venv-engines --seed
    fill_venv .venv-engines requirements-dev.lock
    say "Installing PyTorch, openai-whisper and pyannote.audio"
    pip_install torch numba tiktoken tqdm more-itertools setuptools asteroid-filterbanks einops lightning \
        opentelemetry-exporter-otlp opentelemetry-sdk pyannote-pipeline pyannoteai-sdk pytorch-metric-learning \
        safetensors torchmetrics
    pip_install --no-deps --no-build-isolation openai-whisper
    pip_install --no-deps pyannote-audio torchaudio torch-audiomentations torch-pitch-shift julius primepy
    rm -f .venv-engines/lib/python*/site-packages/torchaudio/lib/*.so
    fingerprint engines >.venv-engines/stenogram-engines
}

pip_install() {
    .venv-engines/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
        --constraint requirements-engines.txt "$@"
}

case ${1:-} in
    runtime | dev)
        is_current "$1" || install "$1"
        ;;
    engines)
        is_current engines || install_engines
        ;;
    uv)
        find_uv
        pick_python
        bring_uv
        printf '%s\n' "$uv"
        ;;
    *)
        die "usage: tools/bootstrap.sh runtime|dev|engines|uv"
        ;;
esac
