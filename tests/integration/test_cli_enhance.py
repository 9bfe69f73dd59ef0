"""Clean-up on the command line, as a user meets it: a process of its own, and a language model behind real HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from stenogram.enhancement import Message
from stenogram.testing.chat_server import ChatServer
from tests.integration.test_cli import INTERRUPTIBLE, run

RAW = "it was the worst of times"
CLEAN = "It was the worst of times"


def mend(messages: Sequence[Message]) -> str:
    """An answer that is good, but for one line, which gets a number."""
    text = messages[-1]["content"].replace("] It was a season of light", "] It was 7 seasons of light")
    return text.replace(f" {RAW}", f" {CLEAN}").replace("noisyest", "noisiest")


@pytest.fixture(scope="module")
def transcribed(tmp_path_factory: pytest.TempPathFactory, two_cities: Path) -> Path:
    """A home that knows the transcript of the recording, and the transcript as a file in it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STENOGRAM_HOME", str(home))
        assert run("transcribe", two_cities, "-q", "-f", "verbose_json", "-o", home).returncode == 0
    return home


@pytest.fixture
def file(transcribed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The transcript, with a home of its own in which the recording is known."""
    shutil.copytree(transcribed, tmp_path / "home")
    monkeypatch.setenv("STENOGRAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "two_cities.verbose.json"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """A language model that every command finds."""
    with ChatServer(say=mend) as running:
        monkeypatch.setenv("STENOGRAM_LLM_BASE_URL", running.url)
        yield running


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No language model where it should be."""
    with ChatServer() as gone:
        monkeypatch.setenv("STENOGRAM_LLM_BASE_URL", gone.url)


def text_of(file: Path) -> str:
    text: str = json.loads(file.read_text())["text"]
    return text


# --- transcribe --enhance --------------------------------------------------------------------------------------------


def test_without_the_flag_no_language_model_is_asked(file: Path, server: ChatServer, two_cities: Path) -> None:
    result = run("transcribe", two_cities)

    assert result.stdout.strip() == text_of(file)
    assert server.requests == []


def test_with_the_flag_the_clean_text_goes_out(file: Path, server: ChatServer, two_cities: Path) -> None:
    first = run("transcribe", "--enhance", two_cities)
    again = run("transcribe", "--enhance", two_cities)

    assert RAW in text_of(file)
    assert CLEAN in first.stdout
    assert "noisiest" in first.stdout
    assert "7 seasons" not in first.stdout
    assert "mistral:7b-instruct: 2 changes, 1 of 9 lines kept as transcribed (numbers);" in first.stderr
    assert "tokens/s" in first.stderr
    assert again.stdout == first.stdout
    assert "cached" in again.stderr
    assert (first.returncode, again.returncode, len(server.requests)) == (0, 0, 1)


@pytest.mark.usefixtures("server")
def test_every_format_has_the_clean_text_and_verbose_json_the_way_back(
    file: Path, two_cities: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    result = run("transcribe", two_cities, "--enhance", "-f", "text,srt,vtt,tsv,json,verbose_json", "-o", out)

    bodies = {path.name.partition(".")[2]: path.read_text() for path in out.iterdir()}
    assert result.stdout == ""
    assert len(bodies) == 6
    assert all("noisiest" in body for body in bodies.values())
    assert not [name for name, body in bodies.items() if "noisyest" in body and name != "verbose.json"]
    assert json.loads(bodies["json"]).keys() == {"text", "usage"}
    body, before = json.loads(bodies["verbose.json"]), json.loads(file.read_text())
    told = body.pop("enhancement")
    assert [(change["before"], change["after"]) for change in told["changes"]] == [
        ("it", "It"),
        ("noisyest", "noisiest"),
    ]
    assert told["kept"] == [{"segment": 2, "doubt": "numbers", "edit": "It was 7 seasons of light."}]
    assert told["model"] == "mistral:7b-instruct"
    assert told["usage"]["completion_tokens"] > 0
    assert body.keys() == before.keys()
    assert [(word["start"], word["end"]) for word in body["words"]] == [
        (word["start"], word["end"]) for word in before["words"]
    ]


@pytest.mark.usefixtures("file", "server")
def test_lines_on_the_screen_are_marked_and_come_once(two_cities: Path) -> None:
    result = run("transcribe", "--enhance", "--show", two_cities)

    lines = [line.partition("] ")[2] for line in result.stdout.splitlines()]
    assert [line[0] for line in lines] == list("~ =     ~")
    assert lines[2] == "= It was a season of light."
    assert "noisiest" in lines[-1]


@pytest.mark.usefixtures("file")
@pytest.mark.slow_on("no")
@pytest.mark.parametrize("show", ["--show", "--no-show"])
def test_an_absent_model_costs_no_transcript(show: str, nowhere: None, file: Path, two_cities: Path) -> None:
    result = run("transcribe", "--enhance", show, two_cities)

    lines = [line.partition("]   ")[2] or line.partition("] ")[2] or line for line in result.stdout.splitlines()]
    assert " ".join(lines) == text_of(file)
    assert "is not cleaned up, its text is as transcribed. The language model at http://127.0.0.1:" in result.stderr
    assert "Start it, or name another with --llm-base-url. Then run the same command again" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.returncode == 6


@pytest.mark.usefixtures("file")
def test_a_model_that_refuses_costs_no_files_either(server: ChatServer, two_cities: Path, tmp_path: Path) -> None:
    server.fault = "unauthorised"

    result = run("transcribe", "--enhance", two_cities, "-q", "-f", "txt,verbose_json", "-o", tmp_path / "out")

    assert RAW in (tmp_path / "out" / "two_cities.txt").read_text()
    assert "enhancement" not in json.loads((tmp_path / "out" / "two_cities.verbose.json").read_text())
    assert "STENOGRAM_LLM_API_KEY" in result.stderr
    assert result.returncode == 6


@pytest.mark.usefixtures("file")
def test_a_gguf_that_is_not_here_costs_no_transcript(two_cities: Path) -> None:
    result = run("transcribe", "--enhance", two_cities, "--llm-model", "gguf:/nowhere.gguf")

    assert RAW in result.stdout
    assert "not cleaned up" in result.stderr
    assert result.returncode in {3, 6}


@pytest.mark.usefixtures("file")
def test_scripts_learn_what_came_of_it(server: ChatServer, two_cities: Path, tmp_path: Path) -> None:
    good = json.loads(run("transcribe", "--enhance", "--json", two_cities, "-f", "verbose_json").stdout)
    server.fault = "no_model"
    failed = run("transcribe", "--enhance", "--json", two_cities, "--llm-model", "other", "-o", tmp_path)
    bad = json.loads(failed.stdout)

    assert (good["status"], good["enhancement"]["status"]) == ("succeeded", "completed")
    assert good["verbose_json"]["enhancement"]["changes"] == good["enhancement"]["changes"]
    assert CLEAN in good["text"]
    assert (bad["status"], bad["enhancement"]["status"]) == ("succeeded", "failed")
    assert bad["enhancement"]["error"]["code"] == "chat_refused"
    assert RAW in bad["text"]
    assert (failed.returncode, failed.stderr) == (6, "")


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.usefixtures("file")
def test_ctrl_c_in_clean_up_leaves_the_transcript_and_stops_the_model(
    server: ChatServer, two_cities: Path, tmp_path: Path
) -> None:
    server.tokens_per_s = 5.0
    command = [sys.executable, "-c", INTERRUPTIBLE, "transcribe", "--enhance", str(two_cities), "-o", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until(lambda: server.generating == 1)

    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)

    until(lambda: server.stopped == 1)
    assert RAW in (tmp_path / "two_cities.txt").read_text()
    assert "two_cities.wav is not cleaned up, its text is as transcribed." in told
    assert "the same command goes on from there" in told
    assert "Traceback" not in told
    assert process.returncode == 130


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


# --- enhance ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("server")
def test_a_file_is_cleaned_up_and_stays_as_it_is(file: Path) -> None:
    before = file.read_bytes()

    result = run("enhance", file)

    assert CLEAN in result.stdout
    assert "2 changes, 1 of 9 lines kept" in result.stderr
    assert file.read_bytes() == before
    assert result.returncode == 0


def test_what_was_cleaned_up_is_cleaned_up_anew_from_the_original(file: Path, server: ChatServer) -> None:
    once = run("enhance", file, "-f", "verbose_json", "-o", file.parent)
    server.say = lambda messages: messages[-1]["content"]
    clean = file.with_name("two_cities.clean.verbose.json")
    again = run("enhance", clean, "--again")

    assert f"wrote {clean}" in once.stderr
    assert CLEAN in text_of(clean)
    assert again.stdout.strip() == text_of(file)
    assert len(server.requests) == 2


@pytest.mark.usefixtures("server")
def test_changes_are_listed_and_can_be_left_out(file: Path) -> None:
    listed = run("enhance", file, "--diff")
    one = run("enhance", file, "--revert", "1")
    none = run("enhance", file, "--revert", "0,1", "--json")
    wrong = run("enhance", file, "--revert", "7")
    only = run("enhance", file, "--accept", "1", "--json")
    unknown = run("enhance", file, "--accept", "1,7")

    assert [line.split(maxsplit=2)[::2] for line in listed.stdout.splitlines()] == [
        ["0", '"it" -> "It"'],
        ["1", '"noisyest" -> "noisiest"'],
    ]
    assert CLEAN in one.stdout
    assert "noisyest" in one.stdout
    assert "2 changes (1 reverted)" in one.stderr
    assert json.loads(none.stdout)["text"] == text_of(file)
    assert json.loads(none.stdout)["enhancement"]["reverted"] == [0, 1]
    assert "there are 2 changes, numbered from 0" in wrong.stderr
    assert wrong.returncode == 2
    assert json.loads(only.stdout)["text"] == text_of(file).replace("noisyest", "noisiest")
    assert json.loads(only.stdout)["enhancement"]["reverted"] == [0]
    assert "--accept = 7: there is no such change; --diff lists them" in unknown.stderr
    assert unknown.returncode == 2


def test_lines_come_while_the_model_still_writes(file: Path, server: ChatServer) -> None:
    server.tokens_per_s = 20.0
    process = subprocess.Popen(
        [sys.executable, "-m", "stenogram.cli.main", "enhance", "--show", str(file)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None

    first = process.stdout.readline()
    under_way = server.generating
    server.tokens_per_s = None
    rest = process.communicate(timeout=60)[0]

    assert "] ~ It was the best of times." in first
    assert under_way == 1
    assert len(rest.splitlines()) == 8


def test_a_translation_keeps_times_and_has_no_words(file: Path, server: ChatServer) -> None:
    server.say = lambda messages: messages[-1]["content"].replace("It was a season of", "Es war eine Zeit von")

    result = run("enhance", file, "--kind", "translation", "--target-language", "german", "-f", "verbose_json")

    body, before = json.loads(result.stdout), json.loads(file.read_text())
    assert body["segments"][2]["text"] == " Es war eine Zeit von light."
    assert body["segments"][2]["start"] == before["segments"][2]["start"]
    assert (body["language"], body["words"]) == ("german", [])
    assert "lines in German" in result.stderr


@pytest.mark.parametrize(
    ("kind", "answer", "text"),
    [
        ("title", {"title": "Best and worst"}, "Best and worst\n"),
        (
            "summary",
            {"summary": "Times were mixed.", "action_items": [{"task": "Read on", "owner": "Ann"}]},
            "Times were mixed.\n\nTo do:\n- Read on (Ann)\n",
        ),
        (
            "chapters",
            {"chapters": [{"line": 0, "title": "Times"}, {"line": 7, "title": "In short"}]},
            "00:01  Times\n00:29  In short\n",
        ),
    ],
)
def test_documents_are_for_people_and_for_scripts(
    kind: str, answer: dict[str, Any], text: str, file: Path, server: ChatServer, tmp_path: Path
) -> None:
    server.say = lambda _: json.dumps(answer)

    shown = run("enhance", file, "--kind", kind)
    told = run("enhance", file, "--kind", kind, "--json")
    written = run("enhance", file, "--kind", kind, "-f", "text,json", "-o", tmp_path / "out")

    assert shown.stdout == text
    assert f"mistral:7b-instruct: {kind};" in shown.stderr
    document = json.loads(told.stdout)["enhancement"]["document"]
    assert document.keys() == answer.keys()
    assert written.returncode == 0
    assert (tmp_path / "out" / f"two_cities.{kind}.txt").read_text() == text
    assert json.loads((tmp_path / "out" / f"two_cities.{kind}.json").read_text()) == document


def test_a_bad_file_is_told_and_does_not_stop_the_others(file: Path, server: ChatServer, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"text": "Ever tried."}')

    result = run("enhance", bad, tmp_path / "none.json", file, "-o", tmp_path / "out")

    assert "bad.json: not a transcript" in result.stderr
    assert "none.json: cannot be read: No such file" in result.stderr
    assert CLEAN in (tmp_path / "out" / "two_cities.clean.txt").read_text()
    assert result.returncode == 1
    assert len(server.requests) == 1


@pytest.mark.usefixtures("server")
def test_a_transcript_comes_from_stdin_too(file: Path) -> None:
    assert CLEAN in run("enhance", "-", stdin=file).stdout


@pytest.mark.usefixtures("nowhere")
@pytest.mark.slow
def test_an_absent_model_is_told(file: Path) -> None:
    result = run("enhance", file)
    for_scripts = run("enhance", file, "--json")

    assert result.stderr.count("nothing listens there. Start it") == 1
    assert result.stdout == ""
    assert json.loads(for_scripts.stdout)["error"]["code"] == "chat_unavailable"
    assert (result.returncode, for_scripts.returncode) == (6, 6)


def test_offline_asks_no_other_machine(file: Path) -> None:
    result = run("enhance", file, "--offline", "--llm-base-url", "http://llm.invalid/v1")

    assert "it is on another machine, and the network is not to be used (--offline)" in result.stderr
    assert result.returncode == 6


def test_check_tells_whether_the_model_can_be_used(server: ChatServer) -> None:
    server.ollama = True
    good = run("enhance", "--check")
    lacking = run("enhance", "--check", "--llm-model", "other", "--json")

    assert [line.split()[-1] for line in good.stdout.splitlines()] == [
        server.url,
        "mistral:7b-instruct",
        "yes",
        "yes",
        "yes",
    ]
    assert json.loads(lacking.stdout)["has_model"] is False
    assert json.loads(lacking.stdout)["ready"] is False
    assert (good.returncode, lacking.returncode) == (0, 1)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ([], 2, "Missing argument 'FILE...'"),
        (["x.json", "--kind", "poem"], 2, "'poem' is not one of"),
        (["x.json", "--kind", "summary", "-f", "srt"], 2, "--format = 'srt': summary can be written as text or json"),
        (["x.json", "--kind", "title", "--diff"], 2, "only --kind clean makes changes"),
        (["x.json", "--kind", "title", "--revert", "1"], 2, "only --kind clean makes changes"),
        (["x.json", "--revert", "one"], 2, 'must be like "3,7"'),
        (["x.json", "y.json", "--revert", "1"], 2, "each file has changes of its own"),
        (["x.json", "--accept", "1", "--revert", "2"], 2, "give it or --revert, not both"),
        (["x.json", "--kind", "title", "--accept", "1"], 2, "only --kind clean makes changes"),
        (["x.json", "--llm-parallel", "0"], 2, "must be at least 1"),
        (["x.json"], 1, "x.json: cannot be read"),
    ],
)
def test_mistakes_get_one_clear_line(args: list[str], code: int, message: str) -> None:
    result = run("enhance", *args)

    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.returncode == code
