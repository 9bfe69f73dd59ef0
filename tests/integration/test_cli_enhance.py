"""Clean-up on the command line: processes of their own, real recordings, a real endpoint."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from stenogram.cli.enhance import enhance
from stenogram.cli.exits import exit_code
from stenogram.enhancement import Message
from stenogram.errors import StenogramError
from stenogram.formats import openai, verbose
from stenogram.testing.chat_server import ChatServer
from tests.integration.test_cli import INTERRUPTIBLE, STENOGRAM

BOTH: tuple[openai.Granularity, ...] = ("segment", "word")
TEXTS = ("well i dont know", "we have 42 dollars", "we met at the the station")
CLEAN = ("Well, I don't know.", "We have 42 dollars.", "We met at the station.")


def tidy(messages: Sequence[Message]) -> str:
    """Answer lines with clean ones, and other questions with a document."""
    system, text = messages[0]["content"], messages[-1]["content"]
    if '"summary"' in system:
        return '{"summary": "Somebody knows nothing.", "action_items": [{"task": "Find out", "owner": "Ann"}]}'
    if '"chapters"' in system:
        return '{"chapters": [{"line": 0, "title": "Doubts"}, {"line": 2, "title": "A station"}]}'
    known = dict(zip(TEXTS, CLEAN, strict=True))
    rows = [re.fullmatch(r"\[(\d+)\] (.*)", row) for row in text.splitlines()]
    return "\n".join(f"[{row[1]}] {known.get(row[2], row[2].replace('.', '!'))}" for row in rows if row)


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer(say=tidy, ollama=True) as server:
        yield server


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """A transcript as another program writes it."""
    segments = [{"start": 3.0 * n, "end": 3.0 * n + 2.5, "text": text} for n, text in enumerate(TEXTS)]
    path = tmp_path / "talk.json"
    path.write_text(json.dumps({"language": "en", "segments": segments}))
    return path


def run(chat: ChatServer | str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``stenogram`` to its end, with the language model at this address."""
    url = chat if isinstance(chat, str) else chat.url
    return subprocess.run(
        [*STENOGRAM, *map(str, args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "LLM_BASE_URL": url},
        timeout=120,
        check=False,
    )


@pytest.fixture
def nowhere() -> str:
    """The address of a server that has gone."""
    with ChatServer() as server:
        return server.url


Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """``stenogram enhance`` in this process: what it returns and prints; an error of ours as ``main`` tells it."""

    def asked(chat: ChatServer | str, *args: str | Path) -> subprocess.CompletedProcess[str]:
        url = chat if isinstance(chat, str) else chat.url
        given = [*map(str, args), "--llm-base-url", url]
        capsys.readouterr()
        try:
            code, complaint = enhance.main(given, "stenogram enhance", standalone_mode=False), ""
        except StenogramError as error:
            code, complaint = exit_code(error), str(error)
        shown = capsys.readouterr()
        return subprocess.CompletedProcess(given, code, shown.out, shown.err + complaint)

    return asked


# --- transcribe --enhance ---


def test_without_the_flag_no_language_model_is_asked(chat: ChatServer, beckett: Path) -> None:
    result = run(chat, "transcribe", beckett)

    assert result.returncode == 0
    assert chat.requests == []


def test_the_clean_text_is_written_in_every_format_and_nothing_is_lost(
    chat: ChatServer, beckett: Path, tmp_path: Path
) -> None:
    plain = json.loads(run(chat, "transcribe", beckett, "-f", "verbose_json").stdout)
    result = run(chat, "transcribe", beckett, "--enhance", "-f", "txt,srt,json,verbose_json", "-o", tmp_path)

    assert result.returncode == 0
    assert re.search(r"beckett\.wav: \d+ changes in \d+ of \d+ lines; \d", result.stderr)
    text = (tmp_path / "beckett.txt").read_text()
    assert "!" in text
    assert "." not in text
    assert "!" in (tmp_path / "beckett.srt").read_text()
    assert set(json.loads((tmp_path / "beckett.json").read_text())) == {"text", "usage"}
    told = json.loads((tmp_path / "beckett.verbose.json").read_text())
    assert told["text"] == text.strip()
    assert told["words"][0]["start"] == plain["words"][0]["start"]
    assert told["enhancement"]["model"] == "mistral:7b-instruct"
    original = verbose.read(json.dumps(told)).transcript
    assert json.loads(openai.verbose_json(original, BOTH)) == plain


def test_lines_appear_as_they_are_final_with_a_mark_where_they_were_edited(chat: ChatServer, beckett: Path) -> None:
    result = run(chat, "transcribe", beckett, "--enhance", "--show")

    lines = result.stdout.splitlines()
    assert lines
    assert all(line.startswith(("* [00:", "  [00:")) for line in lines)
    assert [line[0] == "*" for line in lines] == ["!" in line for line in lines]
    assert "\x1b" not in result.stdout


def test_an_endpoint_that_is_absent_costs_only_the_clean_up(nowhere: str, beckett: Path, tmp_path: Path) -> None:
    plain = run(nowhere, "transcribe", "-q", beckett)
    result = run(nowhere, "transcribe", beckett, "--enhance", "-f", "txt,verbose_json", "-o", tmp_path)

    assert (plain.returncode, result.returncode) == (0, 6)
    assert (tmp_path / "beckett.txt").read_text() == plain.stdout
    assert "the text is not cleaned up" in result.stderr
    assert "--llm-base-url" in result.stderr
    told = json.loads((tmp_path / "beckett.verbose.json").read_text())
    assert "The text is not cleaned up." in told["warnings"][-1]
    assert "enhancement" not in told


def test_a_refusal_is_told_to_scripts_beside_the_text(chat: ChatServer, beckett: Path) -> None:
    chat.fault = "unauthorised"
    result = run(chat, "transcribe", beckett, "--enhance", "--json")

    told = json.loads(result.stdout)
    assert result.returncode == 6
    assert result.stderr == ""
    assert (told["status"], told["enhancement"]["error"]["code"]) == ("succeeded", "chat_refused")
    assert "tried" in told["text"].lower()


def test_what_was_answered_is_not_asked_again(chat: ChatServer, beckett: Path) -> None:
    first = run(chat, "transcribe", beckett, "--enhance", "--json")
    count = len(chat.requests)
    again = run(chat, "transcribe", beckett, "--enhance")

    assert len(chat.requests) == count
    assert json.loads(first.stdout)["text"] == again.stdout.strip()
    assert "from the cache" in again.stderr.splitlines()[-1]


def test_ctrl_c_writes_the_transcript_as_it_was_and_stops_the_model(
    chat: ChatServer, two_cities: Path, tmp_path: Path
) -> None:
    chat.tokens_per_s = 40
    command = [sys.executable, "-c", INTERRUPTIBLE, "transcribe", str(two_cities), "--enhance", "--show"]
    command += ["-f", "txt", "-o", str(tmp_path)]
    environ = {**os.environ, "LLM_BASE_URL": chat.url}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, complaint = process.communicate(timeout=60)

    assert process.returncode == 130
    assert first.startswith("* [00:01")
    assert "!" in first
    lines = [first, *rest.splitlines()]
    assert len(set(lines)) == len(lines)
    assert lines[-1].startswith("  [00:3")
    assert "superlative" in lines[-1]
    written = (tmp_path / "two_cities.txt").read_text()
    assert "superlative" in written
    assert "!" not in written
    assert "Traceback" not in complaint
    end = time.monotonic() + 10
    while chat.generating and time.monotonic() < end:
        time.sleep(0.01)
    assert (chat.generating, chat.stopped) == (0, 1)


# --- enhance FILE ---


def test_a_transcript_of_another_program_is_cleaned_up(chat: ChatServer, talk: Path, ask: Ask) -> None:
    result = ask(chat, talk)

    assert (result.returncode, result.stdout) == (0, " ".join(CLEAN) + "\n")
    assert f"{talk}: " in result.stderr
    assert " in 3 of 3 lines; " in result.stderr


def test_results_have_names_of_their_own_beside_the_file(
    chat: ChatServer, talk: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(talk.parent)
    before = talk.read_bytes()
    result = ask(chat, talk, "-f", "txt,json,verbose_json")
    german = ask(chat, talk, "--kind", "translation", "--target-language", "German", "-o", talk.parent)

    assert (result.returncode, german.returncode) == (0, 0)
    assert {path.name for path in talk.parent.iterdir()} == {
        "talk.json",
        "talk.clean.txt",
        "talk.clean.json",
        "talk.clean.verbose.json",
        "talk.de.txt",
    }
    assert talk.read_bytes() == before


def test_changes_are_shown_and_left_out_one_by_one(chat: ChatServer, talk: Path, tmp_path: Path, ask: Ask) -> None:
    """The second time from the file that tells of them, without a language model."""
    shown = ask(chat, talk, "--diff").stdout.splitlines()
    found = {int(line[:4]): line for line in shown}
    (twice,) = [number for number, line in found.items() if "the the" in line or " the -> nothing" in line]
    ask(chat, talk, "-f", "verbose_json", "-o", tmp_path)
    chat.fault = "broken"
    kept = ask(chat, tmp_path / "talk.clean.verbose.json", "--revert", str(twice), "-f", "verbose_json")
    only = ask(chat, tmp_path / "talk.clean.verbose.json", "--accept", str(twice))

    assert list(found) == list(range(len(found)))
    told = json.loads(kept.stdout)
    assert told["segments"][2]["text"] == " We met at the the station."
    assert [change["id"] for change in told["enhancement"]["changes"] if not change["accepted"]] == [twice]
    assert only.stdout == f"{TEXTS[0]} {TEXTS[1]} we met at the station\n"


def test_a_line_that_the_guard_keeps_is_told_with_the_reason(chat: ChatServer, talk: Path, ask: Ask) -> None:
    chat.fault = "wrong_numbers"
    result = ask(chat, talk, "--diff")

    assert "kept, numbers changed: we have 42 dollars (the model: We have 43 dollars.)" in result.stdout
    assert "; 1 line kept by the guard (numbers changed); " in result.stderr


def test_again_asks_anew(chat: ChatServer, talk: Path, ask: Ask) -> None:
    for flags in ([], [], ["--again"]):
        assert ask(chat, talk, *flags).returncode == 0

    assert len(chat.requests) == 2


def test_documents_are_printed_for_people_and_for_scripts(chat: ChatServer, talk: Path, ask: Ask) -> None:
    summary = ask(chat, talk, "--kind", "summary")
    chapters = ask(chat, talk, "--kind", "chapters")
    scripts = ask(chat, talk, "--kind", "chapters", "-f", "json")

    assert summary.stdout == "Somebody knows nothing.\n\nTo do:\n- Find out (Ann)\n"
    assert chapters.stdout == "00:00 Doubts\n00:06 A station\n"
    assert json.loads(scripts.stdout)["chapters"][1] == {"segment": 2, "start": 6.0, "title": "A station"}


def test_scripts_get_one_object_also_of_a_failure(chat: ChatServer, talk: Path, nowhere: str, ask: Ask) -> None:
    good = ask(chat, talk, "--json")
    bad = ask(nowhere, talk, "--json", "--again")

    told = json.loads(good.stdout)
    assert (good.returncode, good.stderr, told["status"], told["text"]) == (0, "", "succeeded", " ".join(CLEAN))
    assert {change["segment"] for change in told["changes"]} == {0, 1, 2}
    assert bad.returncode == 6
    assert json.loads(bad.stdout)["error"]["code"] == "chat_unavailable"


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--kind", "summary", "-f", "srt"], "a summary has no times"),
        (["--kind", "title", "--diff"], "only clean text is made of changes"),
        (["--accept", "1", "--revert", "2"], "not both"),
        (["--revert", "x"], "ids as --diff shows them"),
        (["--revert", "99"], "there are the changes 0 to "),
        (["--target-language", "Klingon"], "no such language"),
    ],
)
def test_options_that_cannot_be_are_refused(
    flags: Sequence[str], complaint: str, chat: ChatServer, talk: Path, ask: Ask
) -> None:
    result = ask(chat, talk, *flags)

    assert result.returncode == 2
    assert complaint in result.stderr


def test_a_file_that_holds_no_transcript_says_how_to_get_one(chat: ChatServer, beckett: Path, ask: Ask) -> None:
    result = ask(chat, beckett)

    assert result.returncode == 1
    assert "it is no JSON. One is made by: stenogram transcribe --format verbose_json" in result.stderr
    assert chat.requests == []


def test_check_tells_whether_the_model_answers(chat: ChatServer, nowhere: str, ask: Ask) -> None:
    ready, lacking = ask(chat, "--check"), ask(chat, "--check", "--llm-model", "qwen")
    absent = ask(nowhere, "--check", "--json")

    assert (ready.returncode, ready.stdout) == (0, f"mistral:7b-instruct at {chat.url}: ready, in GPU memory\n")
    assert (lacking.returncode, absent.returncode) == (6, 6)
    assert "it has no model 'qwen'" in lacking.stdout
    assert json.loads(absent.stdout)["ready"] is False
    assert chat.requests == []


def test_on_a_terminal_new_words_are_green(chat: ChatServer, talk: Path) -> None:
    """Both streams on a terminal of 80 columns; the last line is whole."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*STENOGRAM, "enhance", str(talk)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "LLM_BASE_URL": chat.url, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"},
    ) as process:
        os.close(follower)
        shown = b""
        try:
            while piece := os.read(leader, 4096):
                shown += piece
        except OSError:  # how Linux tells that the other end is closed
            pass
        os.close(leader)
    text = shown.decode()

    assert process.returncode == 0
    assert "\x1b[32mWell," in text
    assert re.search(r"clean-up: talk\.json .*?\d/3 lines", text)
    assert re.search(r"changes in 3 of 3 lines", text)


def test_the_help_asks_for_no_heavy_library() -> None:
    script = (
        "import sys; sys.argv = ['stenogram', 'enhance', '--help']\n"
        "import atexit; atexit.register(lambda: print([m for m in ('openai', 'httpx', 'av', 'onnxruntime', 'numpy') "
        "if m in sys.modules], file=sys.stderr))\n"
        "from stenogram.cli.main import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert result.stderr.strip() == "[]"
