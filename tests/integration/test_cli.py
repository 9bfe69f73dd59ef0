"""The command line as a user meets it: a process of its own, the real engine, real files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from stenogram.bundled import asset
from stenogram.cli.outputs import write
from stenogram.errors import StorageError
from stenogram.scoring import word_error_rate
from tests.service import read_wav, write_wav

BECKETT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
STENOGRAM = [sys.executable, "-m", "stenogram.cli.main"]
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background of a shell is born deaf to Ctrl-C
from stenogram.cli.main import main
main()
"""


def run(*args: str | Path, stdin: Path | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``stenogram`` to its end."""
    with (stdin or Path(os.devnull)).open("rb") as source:
        return subprocess.run(
            [*STENOGRAM, *map(str, args)],
            stdin=source,
            capture_output=True,
            text=True,
            cwd=cwd,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def ten_minutes(tmp_path_factory: pytest.TempPathFactory, two_cities: Path) -> Path:
    """Long enough to be interrupted: the recording over and over, a little louder each time."""
    import numpy as np

    path = tmp_path_factory.mktemp("long") / "long.wav"
    with wave.open(str(two_cities)) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        samples = np.frombuffer(source.readframes(source.getnframes()), np.int16)
        for gain in np.linspace(0.5, 1.0, 14):
            target.writeframes((samples * gain).astype(np.int16).tobytes())
    return path


def test_one_recording_in_one_format_goes_to_stdout_and_nothing_else_does(beckett: Path) -> None:
    result = run("transcribe", beckett)

    assert result.returncode == 0
    assert word_error_rate(BECKETT, result.stdout).rate < 0.2
    assert "real time" in result.stderr
    assert "Traceback" not in result.stderr


def test_quiet_prints_only_results(beckett: Path) -> None:
    result = run("transcribe", "--quiet", "--format", "srt", beckett)

    assert result.stdout.startswith("1\n00:00:0")
    assert result.stderr == ""


def test_lines_as_they_come_do_not_swallow_the_result(beckett: Path) -> None:
    result = run("transcribe", "--show", "--format", "srt", beckett)

    lines, separator, srt = result.stdout.partition("1\n00:00:0")
    assert lines.startswith("[00:0")
    assert separator
    assert "-->" in srt


@pytest.mark.slow
def test_speakers_are_told_apart_and_named_and_shown_when_that_is_known(tmp_path: Path) -> None:
    """With the networks that come with stenogram: two people, of whom one is known by eight seconds of her voice."""
    dialogue, sample = asset("assets/endgame_nagg_nell.wav"), tmp_path / "nell.wav"
    sound, rate = read_wav(dialogue)
    write_wav(sample, sound[18 * rate : 26 * rate], rate)

    result = run("transcribe", dialogue, "--show", "--speakers", "2", "--known", f"Nell={sample}", "-f", "rttm")

    said = [line.partition("] ")[2].partition(":")[0] for line in result.stdout.splitlines() if line.startswith("[")]
    turns = [line.split() for line in result.stdout.splitlines() if line.startswith("SPEAKER ")]
    assert set(said) == {"Nell", "SPEAKER_01"}
    assert {turn[7] for turn in turns} == {"Nell", "SPEAKER_01"}
    assert {turn[1] for turn in turns} == {"endgame_nagg_nell"}
    assert "speakers: " in result.stderr


def test_a_recording_by_which_nobody_can_be_known_fails_once(beckett: Path, tmp_path: Path) -> None:
    short = write_wav(tmp_path / "short.wav", read_wav(beckett)[0][:16_000])

    result = run("transcribe", beckett, beckett.with_name("two_cities.wav"), "--known", f"Ann={short}")

    assert result.returncode == 1
    assert result.stderr.count("it is 1.0 s long. A reference recording has 2 to 10 s") == 1
    assert result.stdout == ""


def test_what_goes_into_a_pipe_is_utf_8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    command = [*STENOGRAM, "transcribe", "--json", "нет такого.wav"]

    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)

    assert json.loads(result.stdout.decode("utf-8"))["file"] == "нет такого.wav"
    assert "нет такого" in result.stdout.decode("utf-8")


def test_files_are_named_after_the_recordings(beckett: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "запись №1 🎤.wav", tmp_path / "out"
    shutil.copy(beckett, source)

    result = run("transcribe", source, "--format", "txt,srt", "-f", "vtt", "--output-dir", out)

    assert result.returncode == 0
    assert sorted(path.name for path in out.iterdir()) == [f"запись №1 🎤.{ending}" for ending in ("srt", "txt", "vtt")]
    assert str(out / "запись №1 🎤.srt") in result.stderr
    assert result.stdout == ""


def test_equal_stems_get_distinct_names_and_a_line_that_says_so(beckett: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(beckett, tmp_path / "A.wav")
    shutil.copy(beckett, tmp_path / "other" / "A.wave")

    result = run("transcribe", tmp_path / "A.wav", tmp_path / "other" / "A.wave", "-o", tmp_path / "out")

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["A.txt", "A.wave.txt"]
    assert "another recording has the name of its results; they are called A.wave" in result.stderr


def test_no_recording_is_overwritten_by_its_own_results(beckett: Path, tmp_path: Path) -> None:
    """Sound may be in a file of any name, also one that results would get."""
    source = tmp_path / "talk.txt"
    shutil.copy(beckett, source)

    result = run("transcribe", source, "-f", "text,srt", "--output-dir", tmp_path)

    assert source.read_bytes() == beckett.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["talk.txt", "talk.txt.srt", "talk.txt.txt"]
    assert "they are called talk.txt" in result.stderr


def test_a_bad_recording_is_told_and_does_not_stop_the_others(beckett: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_text("this is no sound\n")
    shutil.copy(beckett, tmp_path / "good.wav")

    result = run("transcribe", tmp_path, "--output-dir", tmp_path / "out")

    assert result.returncode == 1
    assert "bad.mp3: not an audio or video file" in result.stderr
    assert (tmp_path / "out" / "good.txt").read_text().startswith("Ever")
    assert "Traceback" not in result.stderr


def test_json_mode_is_one_object_for_each_recording(beckett: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()

    result = run(
        "transcribe", "--json", "--format", "verbose_json", beckett, tmp_path / "empty.wav", "-o", tmp_path / "o"
    )

    good, bad = [json.loads(line) for line in result.stdout.splitlines()]
    assert good["status"] == "succeeded"
    assert good["duration"] == pytest.approx(9.97, abs=0.1)
    assert json.loads(Path(good["outputs"][0]).read_text())["words"]
    assert bad["status"] == "failed"
    assert bad["error"]["code"] == "empty_file"
    assert result.returncode == 1
    assert result.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_in_every_locale(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    source = tmp_path / "речь é 🎤.wav"

    result = subprocess.run(
        [*STENOGRAM, "transcribe", "--json", str(source)], capture_output=True, timeout=120, check=False
    )

    assert json.loads(result.stdout.decode("utf-8"))["file"] == str(source)


def test_stdin_is_a_recording_too(beckett: Path) -> None:
    result = run("transcribe", "-", stdin=beckett)

    assert word_error_rate(BECKETT, result.stdout).rate < 0.2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the size of files")
def test_a_full_disk_under_stdin_is_told_and_nothing_stays(beckett: Path) -> None:
    limited = (
        "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (4096, 4096)); import stenogram.cli.main as m; m.main()"
    )
    with beckett.open("rb") as source:
        command = [sys.executable, "-c", limited, "transcribe", "-"]
        result = subprocess.run(command, stdin=source, capture_output=True, text=True, timeout=120, check=False)

    assert "cannot be written: File too large. Standard input is kept there" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.returncode == 4
    assert not [path for path in Path(os.environ["STENOGRAM_HOME"]).rglob("*") if path.is_file()]


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_a_recording_from_stdin_does_not_outlive_a_killed_run(beckett: Path) -> None:
    """It is big, it may be private, and its place is swept at the next start."""
    work = Path(os.environ["STENOGRAM_HOME"]) / "cache" / "work"
    process = subprocess.Popen([*STENOGRAM, "transcribe", "-"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(beckett.read_bytes())
    process.stdin.flush()
    process.kill()
    process.communicate(timeout=60)
    killed = list(work.glob("*/stdin"))

    run("transcribe", "-q", beckett)

    assert len(killed) == 1
    assert list(work.glob("*/stdin")) == []


def test_the_second_run_comes_from_the_cache(beckett: Path) -> None:
    first = run("transcribe", "--json", beckett)
    second = run("transcribe", beckett)
    cleared = run("cache", "clear")
    info = run("cache", "info")

    assert json.loads(first.stdout)["text"] == second.stdout.strip()
    assert "from the cache" in second.stderr
    assert "freed" in cleared.stdout
    assert "entries  0" in info.stdout


def test_ctrl_c_stops_and_the_same_command_goes_on_where_it_was(ten_minutes: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "transcribe", "--show", str(ten_minutes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first_line = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, told = process.communicate(timeout=60)
    cache = run("cache", "info").stdout

    assert process.returncode == 130
    assert first_line.startswith("[00:0")
    assert "the same command goes on from there" in told
    assert "Traceback" not in told + rest
    assert "chunk" in cache
    assert "transcript" not in cache


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["transcribe"], 2, "Missing argument"),
        (["transcribe", "x.wav", "--format", "doc"], 2, "No output format 'doc'. There are: text, json"),
        (["transcribe", "x.wav", "--threshold", "7"], 2, "--threshold = '7': must be at most 0.99"),
        (["transcribe", "x.wav", "--language", "klingon"], 2, "klingon"),
        (["transcribe", "x.wav", "--beam-size", "5"], 2, "does not support beam_size"),
        (["transcribe", "x.wav", "--device", "cuda"], 2, "does not support device cuda"),
        (["transcribe", "x.wav", "--compute-type", "float16"], 2, "does not support compute_type float16 on cpu"),
        (["transcribe", "x.wav", "--task", "translate"], 2, "does not support task"),
        (["transcribe", "x.wav", "--language", "es"], 3, "stenogram models pull "),
        (["transcribe", "x.wav", "--language", "Russian"], 3, "stenogram models"),
        (["transcribe", "x.wav", "--model", "moonshine-base-en"], 3, "stenogram models pull moonshine-base-en"),
        (["transcribe", "x.wav", "--model", "whisper-9000"], 3, "No model 'whisper-9000'"),
        (["transcribe", "no such file.wav"], 1, "no such file.wav: cannot be read"),
        (["transcribe", "x.wav", "-o", "/dev/null/out"], 4, "/dev/null/out cannot be written"),
        (["models", "list", "--engine", "nonsense"], 2, "no models of it are known; there are:"),
        (["cache", "clear", "chunks"], 2, "'chunks' is not one of 'transcript', 'chunk', 'speech'"),
        (["cache", "clear", "../.."], 2, "is not one of"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_mistakes_get_one_clear_line_and_their_exit_code(args: list[str], code: int, message: str) -> None:
    result = run(*args)

    assert message in result.stderr
    assert result.returncode == code
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_settings_come_from_the_environment_and_a_dotenv_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("STENOGRAM_LANGUAGE=es\n")
    assert "speaks Spanish" in run("transcribe", "x.wav", cwd=tmp_path).stderr

    monkeypatch.setenv("STENOGRAM_LANGUAGE", "ja")
    assert "speaks Japanese" in run("transcribe", "x.wav", cwd=tmp_path).stderr
    assert "x.wav: cannot be read" in run("transcribe", "x.wav", "--language", "en", cwd=tmp_path).stderr


def test_a_reader_that_leaves_gets_no_traceback(beckett: Path) -> None:
    with subprocess.Popen(
        [*STENOGRAM, "transcribe", "--quiet", "--format", "tsv", str(beckett)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()

        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@pytest.mark.parametrize("options", [["--show"], ["--json"], ["--format", "srt"]])
def test_a_full_disk_behind_stdout_is_told(options: list[str], beckett: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        result = subprocess.run(
            [*STENOGRAM, "transcribe", "--quiet", *options, str(beckett)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )

    assert result.stderr == "stenogram: stdout cannot be written: No space left on device.\n"
    assert result.returncode == 4


@pytest.mark.skipif(os.name != "posix", reason="closes streams by a POSIX shell")
@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 0), ("<&-", 1), ("<&- >&- 2>&-", 1)])
def test_closed_streams_are_no_reason_to_fail(closed: str, code: int, beckett: Path, tmp_path: Path) -> None:
    source = "-" if "<" in closed else str(beckett)
    command = f'exec "$@" {closed}'
    result = subprocess.run(
        ["/bin/sh", "-c", command, "sh", *STENOGRAM, "transcribe", source, "-o", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert "Traceback" not in result.stderr
    assert result.returncode == code
    assert (tmp_path / "beckett.txt").exists() == (code == 0)


def test_a_folder_that_takes_no_files_is_told(tmp_path: Path) -> None:
    """Neither the file nor the removal of its half works there, as on a read-only file system."""
    (tmp_path / "no folder").touch()

    with pytest.raises(StorageError, match=r"talk\.txt cannot be written: Not a directory"):
        write(tmp_path / "no folder" / "talk.txt", "text")


def test_help_of_every_command_works() -> None:
    for command in ([], ["transcribe"], ["models"], ["models", "pull"], ["cache"], ["cache", "clear"]):
        result = run(*command, "--help")
        assert result.returncode == 0
        assert result.stdout.startswith("Usage:")
    assert run("--version").stdout.startswith("stenogram ")
