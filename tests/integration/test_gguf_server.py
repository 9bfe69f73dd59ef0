"""Our client with a server that is not ours: llama.cpp's, of llama-cpp-python, on a tiny model that says noise."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from stenogram.config import Settings
from stenogram.enhance.chat import OpenAIChat
from stenogram.enhance.check import check
from stenogram.enhance.endpoint import Endpoint
from stenogram.errors import Cancelled, ChatRefused
from tests import chats
from tools import tiny_gguf

if not chats.HAS_LLAMA or find_spec("sse_starlette") is None:
    pytest.skip(
        "llama-cpp-python[server] is not installed: its server is not tried (CONTRIBUTING.md says how)",
        allow_module_level=True,
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("model")
    model = tiny_gguf.write(folder / "tiny.gguf", tiny_gguf.Shape(width=256, layers=4, context=4096))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    facts = {"model": model, "port": port, "n_ctx": 4096, "model_alias": "noise", "chat_format": "chatml"}
    command = [sys.executable, "-m", "llama_cpp.server"]
    command += [word for name, value in facts.items() for word in (f"--{name}", str(value))]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            address = f"http://127.0.0.1:{port}/v1"
            _until_ready(address, process, folder / "log")
            yield address
        finally:
            process.terminate()


def _until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while not check(Settings(llm_base_url=address, llm_model="noise")).answers:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture
def chat(url: str) -> Iterator[OpenAIChat]:
    made = OpenAIChat(Endpoint(url, "noise", timeout_s=30))
    yield made
    made.close()


def test_check_finds_the_model(url: str) -> None:
    """Of the GPU it tells nothing."""
    state = check(Settings(llm_base_url=url, llm_model="noise"))

    assert (state.ready, state.has_model, state.on_gpu) == (True, True, None)


def test_an_answer_streams(chat: OpenAIChat) -> None:
    """Piece by piece, up to its limit, with what it cost."""
    answer = chats.ask(chat)

    assert len(answer.pieces) > 10
    assert answer.usage.cut
    assert answer.usage.completion_tokens > 10
    assert answer.usage.first_token_s is not None
    assert answer.usage.first_token_s < answer.usage.answer_s


def test_a_schema_holds_it_or_is_left_out(chat: OpenAIChat) -> None:
    """Whichever this server does, there is an answer."""
    text = chats.ask(chat, max_tokens=300, schema=chats.ANSWER).text

    assert text
    if text.lstrip().startswith("{"):
        assert "lines" in json.loads(text)


def test_stop_frees_the_server(chat: OpenAIChat) -> None:
    """It answers one at a time: the next answer comes although the last would have taken thousands of tokens."""
    asked = time.monotonic()
    with pytest.raises(Cancelled):
        chats.ask(chat, max_tokens=3500, stop=lambda: time.monotonic() > asked + 0.3)
    answer = chats.begin(chat, max_tokens=3500)
    next(answer)
    answer.close()

    assert chats.ask(chat, max_tokens=5).usage.completion_tokens


def test_what_does_not_fit_is_an_error(chat: OpenAIChat) -> None:
    """This server says nothing then; the error says what it may be."""
    with pytest.raises(ChatRefused, match="context"):
        chats.ask(chat, "word " * 3000)
