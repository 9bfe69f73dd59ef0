"""Which language model a name means, what is known of a file without a library, and thoughts in answers."""

from __future__ import annotations

import struct
from pathlib import Path

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.config import Settings
from stenogram.enhance import gguf_header
from stenogram.enhance.chat import OpenAIChat
from stenogram.enhance.check import check
from stenogram.enhance.choose import open_chat
from stenogram.enhance.endpoint import Endpoint, said
from stenogram.enhance.gguf import LIBRARY, GgufChat
from stenogram.enhance.thought import Thought
from stenogram.errors import ChatNotInstalled, ChatRefused, ModelError, ModelNotInstalled
from stenogram.models import transfer
from tests import chats
from tools import tiny_gguf

NAME = "qwen1_5-0_5b-chat-q4_k_m"


def imported(home: Path, name: str) -> Settings:
    """A home where the tiny model has that name."""
    source = home / "source"
    source.mkdir()
    tiny_gguf.write(source / f"{name}.gguf")
    settings = Settings(home=str(home), llm_model=name)
    model = transfer.describe(name, "gguf", ("*",), source)
    transfer.import_model(model, source, settings, lambda *_: None, chats.never)
    return settings


@pytest.mark.parametrize("name", ["mistral:7b-instruct", "gpt-5-mini", "llama3", "small", "hf.co/a/b-GGUF"])
def test_other_names_are_the_endpoint_s(name: str) -> None:
    """Also those of models that transcribe, which have nothing to do with it."""
    chat = open_chat(Settings(llm_model=name))

    assert isinstance(chat, OpenAIChat)
    assert chat.model == chat.identity == name


@pytest.mark.parametrize("name", [NAME, f"{NAME}.gguf", NAME.upper()])
def test_a_model_of_the_catalogue_is_ours(name: str) -> None:
    """By its name or alias, in any case; absent ones say how to get them."""
    settings = Settings(llm_model=name)
    chat = open_chat(settings)

    assert isinstance(chat, GgufChat)
    assert chat.model == NAME
    assert chat.fault() is not None
    assert chat.context_tokens is None
    with pytest.raises(ModelNotInstalled, match=f"models pull {NAME}"):
        _ = chat.identity
    assert (check(settings).ready, check(settings).where) == (False, NAME)


def test_an_imported_model_is_ours(tmp_path: Path) -> None:
    """Whatever it is called."""
    settings = imported(tmp_path, "noise")
    chat = open_chat(settings)

    assert isinstance(chat, GgufChat)
    assert chat.context_tokens == 512
    assert chat.identity == open_chat(settings).identity
    assert check(settings).ready is LIBRARY.installed


@pytest.mark.parametrize("prefix", ["", "gguf:"])
def test_a_path_is_a_file(tmp_path: Path, prefix: str) -> None:
    """That ends in .gguf, or is said to be one; it need not be there yet."""
    path = tmp_path / ("tiny.gguf" if not prefix else "tiny")
    chat = open_chat(Settings(llm_model=f"{prefix}{path}"))

    assert chat.model == str(path)
    with pytest.raises(ModelError, match="No such file"):
        _ = chat.identity
    tiny_gguf.write(path)
    assert chat.context_tokens == 512
    assert chat.identity.startswith("gguf ")


@pytest.mark.skipif(LIBRARY.installed, reason="llama-cpp-python is installed")
def test_without_the_library_it_says_so(tmp_path: Path) -> None:
    """With the command that gets it."""
    chat = chats.gguf(tmp_path)

    assert "stenogram[llama-cpp]" in str(chat.fault())
    with pytest.raises(ChatNotInstalled):
        chats.ask(chat)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GGUF",
        b"GGML" + bytes(100),
        b"GGUF" + struct.pack("<IQQ", 9, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 0),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 60),
        b"GGUF" + struct.pack("<IQQQ2sIIQ", 3, 0, 1, 2, b"ab", 9, 4, 1 << 60),
    ],
)
def test_what_is_no_language_model_is_told(tmp_path: Path, content: bytes) -> None:
    """Quickly, whatever lengths it claims to have."""
    path = tmp_path / "file.gguf"
    path.write_bytes(content)

    with pytest.raises(ModelError, match="no GGUF file"):
        gguf_header.read(path)


@given(st.integers(0, 400))
def test_a_header_that_is_cut_off_is_told(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    """Wherever; only what comes after the facts does not matter."""
    folder = tmp_path_factory.mktemp("cut")
    whole = tiny_gguf.write(folder / "whole.gguf").read_bytes()
    cut = folder / "cut.gguf"
    cut.write_bytes(whole[:length])

    try:
        header = gguf_header.read(cut)
    except ModelError:
        assert b"llama.context_length" + bytes(8) not in whole[:length]
    else:
        assert header == gguf_header.Header("llama", 512)


def taken(text: str, size: int, *, thinking: bool = False) -> str:
    thought = Thought(thinking=thinking)
    pieces = [thought.take(text[at : at + size]) for at in range(0, len(text), size)]
    return "".join([*pieces, thought.end()])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("<think>x</think>\n\nyes", "yes"),
        ("\n <think>\nx < y </thin\n</think> yes </think>", "yes </think>"),
        ("<think>a</think><think>b</think>c", "c"),
        ("<think>never ends", ""),
        ("<b>bold</b>", "<b>bold</b>"),
        ("<thi", "<thi"),
        ("he said <think> aloud", "he said <think> aloud"),
        ("", ""),
        ("  \n1. one ", "1. one "),
    ],
)
@given(size=st.integers(1, 50))
def test_thoughts_are_left_out(text: str, shown: str, size: int) -> None:
    """At the beginning, however the pieces fall; everything else stays."""
    assert taken(text, size) == shown


@given(st.integers(1, 50))
def test_a_thought_that_the_question_opened(size: int) -> None:
    """Ends like any other."""
    assert taken("so, 42\n</think>\n\nyes", size, thinking=True) == "yes"


def test_offline_asks_this_machine_only() -> None:
    here = Endpoint.of(Settings(offline=True))
    elsewhere = Endpoint.of(Settings(offline=True, llm_base_url="https://models.example.com/v1"))

    assert here.fault is None
    assert elsewhere.fault is not None
    assert "--offline" in elsewhere.fault
    with pytest.raises(ChatRefused, match="--offline"):
        next(OpenAIChat(elsewhere).answer([], max_tokens=1, temperature=0.0, stop=lambda: False))


def test_what_an_endpoint_says_of_its_failure_can_be_kept() -> None:
    """PostgreSQL takes no NUL, and no database half of a character."""
    error = openai.APIError("bo\x00om \ud83d, sir", httpx2.Request("POST", "http://here/v1"), body=None)

    assert said(error) == "bo om , sir"
