"""The decoding process: it may crash, hang or be stopped, and the program and the next file do not notice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from stenogram import errors
from stenogram.audio.decode import Decoder, decode
from stenogram.types import DecodeOptions

OPTIONS = DecodeOptions()
posix = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")


def never() -> bool:
    """A stop that is never asked for."""
    return False


@pytest.fixture
def own() -> Iterator[Decoder]:
    """A decoder of the test's own."""
    with Decoder() as decoder:
        yield decoder


@pytest.fixture
def long(make: Any) -> Path:
    """Eight hours of noise at 8 kHz, which take seconds to decode."""
    dice = np.random.default_rng(1)
    path: Path = make.wav("long.wav", dice.uniform(-0.3, 0.3, 8_000).astype(np.float32), 8_000, 1)
    with path.open("r+b") as file:
        file.seek(44)
        second = file.read()
        for _ in range(8 * 3600 // 60):
            file.write(second * 60)
        size = file.tell()
        file.seek(40)
        file.write((size - 44).to_bytes(4, "little"))
    return path


def process(decoder: Decoder) -> psutil.Process:
    """The one process of a decoder."""
    (child,) = decoder._children
    return psutil.Process(child._process.pid)


@posix
def test_a_crash_is_one_error_and_the_next_file_is_decoded(own: Decoder, long: Path, make: Any, tmp_path: Path) -> None:
    """SIGKILL or SIGSEGV in the middle: DecoderCrashed with file and signal; the same decoder goes on."""
    for number in (signal.SIGKILL, signal.SIGSEGV):
        decoding = own.decode(long, tmp_path, OPTIONS, never)
        next(decoding)
        os.kill(process(own).pid, number)
        with pytest.raises(errors.DecoderCrashed, match=rf"long\.wav.*{number.name}"):
            list(decoding)
    short = make.wav("short.wav", np.zeros(16_000, np.float32))
    assert list(own.decode(short, tmp_path, OPTIONS, never))[-1].audios[0].duration == 1


@posix
def test_a_crash_between_files_is_not_noticed(own: Decoder, make: Any, tmp_path: Path) -> None:
    """A process that died while idle is replaced."""
    short = make.wav("short.wav", np.zeros(16_000, np.float32))
    list(own.decode(short, tmp_path, OPTIONS, never))
    child = process(own)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead with all its threads, and not yet collected
    assert list(own.decode(short, tmp_path, OPTIONS, never))[-1].finished


@posix
def test_a_hang_is_one_error(own: Decoder, long: Path, tmp_path: Path) -> None:
    """A process that says nothing for ``stall_s`` is given up and ended."""
    decoding = own.decode(long, tmp_path, OPTIONS, never)
    next(decoding)
    child = process(own)
    child.suspend()
    own._stall_s = 1.0
    with pytest.raises(errors.DecoderCrashed, match=r"long\.wav.*no progress for 1 s"):
        list(decoding)
    assert not child.is_running()


def test_one_process_serves_many_files(own: Decoder, make: Any, tmp_path: Path) -> None:
    """It is started once, also after an error, and files never share names in one folder."""
    short = make.wav("short.wav", np.zeros(16_000, np.float32))
    paths = {list(own.decode(short, tmp_path, OPTIONS, never))[-1].audios[0].path}
    first = process(own).pid
    with pytest.raises(errors.NotMedia):
        list(own.decode(make.bytes("a.txt", b"text"), tmp_path, OPTIONS, never))
    paths.add(list(own.decode(short, tmp_path, OPTIONS, never))[-1].audios[0].path)
    assert process(own).pid == first
    assert len(paths) == 2


@pytest.mark.parametrize("stuck", [False, pytest.param(True, marks=posix)])
def test_stop_is_cancelled_and_ends_the_process(own: Decoder, long: Path, tmp_path: Path, stuck: bool) -> None:
    """Asked to stop in the middle, also while the process is stuck: Cancelled, and nothing goes on behind."""
    stopping = threading.Event()
    decoding = own.decode(long, tmp_path, OPTIONS, stopping.is_set)
    next(decoding)
    child = process(own)
    if stuck:
        child.suspend()
    stopping.set()
    with pytest.raises(errors.Cancelled):
        list(decoding)
    assert not child.is_running()


def test_closing_the_iterator_stops_the_decode(own: Decoder, long: Path, tmp_path: Path) -> None:
    """A reader that wants no more ends the work."""
    decoding = own.decode(long, tmp_path, OPTIONS, never)
    next(decoding)
    child = process(own)
    decoding.close()  # type: ignore[attr-defined]
    assert not child.is_running()


def test_several_threads_share_a_decoder(own: Decoder, make: Any, tmp_path: Path) -> None:
    """Four threads get their own files, each by its own process."""
    paths = [make.wav(f"{index}.wav", np.full(16_000 * (index + 1), 0.1, np.float32)) for index in range(4)]
    found: dict[int, float] = {}

    def work(index: int) -> None:
        found[index] = list(own.decode(paths[index], tmp_path, OPTIONS, never))[-1].audios[0].duration

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: 1, 1: 2, 2: 3, 3: 4}


def test_close_in_another_thread_cancels(own: Decoder, long: Path, tmp_path: Path) -> None:
    """Closing the decoder ends what it is doing with Cancelled, not with a crash."""
    decoding = own.decode(long, tmp_path, OPTIONS, never)
    next(decoding)
    own.close()
    with pytest.raises(errors.Cancelled):
        list(decoding)


# --- as a user's script sees it --------------------------------------------------------------------------------------

SCRIPT = """
    import sys
    from pathlib import Path
    sys.path[:0] = {path!r}
    from stenogram.audio.decode import decode
    decoded = decode(Path({source!r}), Path({folder!r}))
    print(decoded.audios[0].duration)
"""


def run_script(folder: Path, source: Path, path: list[str], *flags: str) -> subprocess.CompletedProcess[str]:
    """Run a script without a ``__main__`` guard, from its own folder."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(SCRIPT).format(path=path, source=str(source), folder=str(folder)))
    return subprocess.run(
        [sys.executable, *flags, script.name], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def test_modules_of_the_user_are_not_imported(make: Any, tmp_path: Path) -> None:
    """Files named like modules, beside the script and in the working folder, stay out of the process."""
    source = make.wav("a.wav", np.zeros(16_000, np.float32))
    (tmp_path / "graphlib.py").write_text("")
    for name in ("av", "resource", "fractions", "stenogram"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    probe = (
        "import sys; from pathlib import Path; sys.path.remove(sys.path[0])\n"
        "from stenogram.audio.decode import decode\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        f"print(decode(Path({str(source)!r}), Path({str(tmp_path)!r})).audios[0].duration)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("1.0\n", "")


def test_packages_only_the_script_knows_of_are_found(make: Any, tmp_path: Path) -> None:
    """Where stenogram and its libraries are importable through ``sys.path`` alone, the process finds them too."""
    import av

    import stenogram

    source = make.wav("a.wav", np.zeros(16_000, np.float32))
    homes = [str(Path(str(module.__file__)).parent.parent) for module in (stenogram, av)]
    done = run_script(tmp_path, source, homes, "-S")  # no site-packages
    assert (done.stdout, done.stderr) == ("1.0\n", "")


def test_nothing_is_printed(make: Any, tmp_path: Path) -> None:
    """FFmpeg's complaints about a damaged file do not reach the terminal."""
    source = make.encode("a.mp3", "libmp3lame", np.zeros(48_000, np.float32), 48_000)
    content = bytearray(source.read_bytes())
    content[2000:2400] = bytes(range(200)) * 2
    source.write_bytes(bytes(content))
    done = run_script(tmp_path, source, [])
    assert done.returncode == 0
    assert done.stderr == ""


@posix
def test_the_process_ends_when_the_program_is_killed(long: Path, tmp_path: Path) -> None:
    """SIGKILL of the program leaves no orphan behind."""
    program = (
        "import sys; from pathlib import Path\n"
        "from stenogram.audio.decode import Decoder, DecodeOptions\n"
        "decoder = Decoder()\n"
        "for decoded in decoder.decode(Path(sys.argv[1]), Path(sys.argv[2]), DecodeOptions(), lambda: False):\n"
        "    print('going', flush=True); sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(long), str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"going\n"
        (child,) = psutil.Process(parent.pid).children()
        parent.kill()
        parent.wait()
        psutil.wait_procs([child], timeout=20)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts on Linux only")
def test_memory_is_bounded() -> None:
    """A file that makes FFmpeg ask for more than the limit gets no memory, instead of the machine's."""
    program = (
        "from stenogram.audio import decode_child\n"
        "decode_child.MEMORY_LIMIT_BYTES = 2**29\n"
        "decode_child._limit_memory()\n"
        "bytearray(2**20)\n"
        "try: bytearray(2**29)\n"
        "except MemoryError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "refused\n"


def test_all_at_once(make: Any, tmp_path: Path) -> None:
    """``decode`` gives the finished state and leaves no process behind."""
    before = {child.pid for child in psutil.Process().children()}
    decoded = decode(make.wav("a.wav", np.zeros(16_000 * 70, np.float32)), tmp_path)
    assert decoded.finished
    assert decoded.audios[0].duration == 70
    assert {child.pid for child in psutil.Process().children()} <= before


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="RssAnon is Linux")
def test_ten_hours_take_no_more_memory_than_ten_minutes(make: Any, tmp_path: Path) -> None:
    """Peak RssAnon of program and process together: a 10 h file within 300 MB of a 10 min file's."""
    minutes = make.wav("minutes.wav", np.zeros(600 * 8_000, np.float32), 8_000, 1)
    hours = make.folder / "hours.wav"
    content = minutes.read_bytes()
    size = 36_000 * 8_000
    with hours.open("wb") as file:
        file.write(content[:40] + size.to_bytes(4, "little"))
        for _ in range(60):
            file.write(content[44:])

    def peak(source: Path) -> int:
        with Decoder() as decoder:
            most = 0
            for decoded in decoder.decode(source, tmp_path, OPTIONS, never):
                audio = decoded.audios[0]
                audio.window(audio.sample_count - 16_000 * 30, audio.sample_count)
                most = max(most, rss_anon(os.getpid()) + rss_anon(process(decoder).pid))
            assert decoded.audios[0].duration == pytest.approx(600 if source is minutes else 36_000)
            return most

    assert peak(hours) - peak(minutes) < 300e6


def rss_anon(pid: int) -> int:
    """Anonymous memory of a process, bytes."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024
