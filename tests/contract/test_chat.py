"""What every language model promises (``protocols.Chat``). A new one joins by one line in ``CHATS``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from stenogram.errors import Cancelled
from stenogram.protocols import Chat
from stenogram.testing import FakeChat
from stenogram.testing.chat_server import ChatServer
from tests import chats

LONG = "word " * 60


@contextlib.contextmanager
def fake(_folder: Path) -> Iterator[Chat]:
    yield FakeChat()


@contextlib.contextmanager
def endpoint(_folder: Path) -> Iterator[Chat]:
    with ChatServer() as server, chats.at_server(server, timeout_s=30) as chat:
        yield chat


@contextlib.contextmanager
def gguf(folder: Path) -> Iterator[Chat]:
    chat = chats.gguf(folder)
    yield chat
    chat.close()


CHATS: dict[str, Callable[[Path], AbstractContextManager[Chat]]] = {"fake": fake, "endpoint": endpoint}
if chats.HAS_LLAMA:  # ``tests/integration/test_gguf.py`` says that it has not
    CHATS["gguf"] = gguf
ECHOES = {"fake", "endpoint"}
"""They say what they are told; the others say noise that goes on."""


@pytest.fixture(scope="module", params=CHATS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def chat(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    with CHATS[name](tmp_path_factory.mktemp("model")) as made:
        yield made


@pytest.fixture
def fresh(name: str, tmp_path: Path) -> Iterator[Chat]:
    with CHATS[name](tmp_path) as made:
        yield made


def test_it_can_be_used_and_has_a_name(chat: Chat) -> None:
    """No fault is known; its name and identity stay."""
    assert chat.fault() is None
    assert chat.model == chat.model != ""
    assert chat.identity == chat.identity != ""
    assert chat.context_tokens is None or chat.context_tokens > 0


def test_pieces_come_in_order(chat: Chat, name: str) -> None:
    """Joined they are the answer; none is empty."""
    answer = chats.ask(chat)

    assert len(answer.pieces) > 5
    assert all(answer.pieces)
    if name in ECHOES:
        assert answer.text == chats.TEXT


def test_usage_is_told(chat: Chat) -> None:
    """Tokens of question and answer, and times in their order."""
    usage = chats.ask(chat).usage

    assert usage.prompt_tokens > 0
    assert 5 < usage.completion_tokens <= 40
    assert usage.first_token_s is not None
    assert 0 <= usage.first_token_s <= usage.answer_s


@pytest.mark.parametrize("limit", [1, 7])
def test_a_limit_cuts(chat: Chat, limit: int) -> None:
    """So many tokens and no more, and the usage says that it is not the whole answer."""
    answer = chats.ask(chat, LONG, max_tokens=limit)

    assert answer.usage.cut
    assert answer.usage.completion_tokens == limit
    assert 1 <= len(answer.pieces) <= limit


def test_a_whole_answer_is_not_cut(chat: Chat, name: str) -> None:
    """Where the answer ends before the limit."""
    if name not in ECHOES:
        pytest.skip("noise has no end")

    assert not chats.ask(chat, max_tokens=1000).usage.cut


def test_the_same_question_has_the_same_answer(chat: Chat) -> None:
    """Also with another question in between."""
    first = chats.ask(chat)
    chats.ask(chat, "something else")

    assert chats.ask(chat).pieces == first.pieces


def test_a_schema_is_taken(chat: Chat, name: str) -> None:
    """It holds a model to the form where it can be held; one that cannot still answers."""
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}

    answer = chats.ask(chat, schema=schema)

    assert answer.text.lstrip().startswith("1." if name in ECHOES else "{")


@pytest.mark.parametrize("patience", [0, 1, 5])
def test_stop_raises_cancelled(chat: Chat, patience: int) -> None:
    """Asked to stop at any point, it gives up by raising; the next question is answered as ever."""
    before = chats.ask(chat)
    answers = iter([False] * patience)

    with pytest.raises(Cancelled):
        chats.ask(chat, LONG, stop=lambda: next(answers, True))

    assert chats.ask(chat).pieces == before.pieces


def test_an_answer_can_be_closed(chat: Chat) -> None:
    """Before its first piece, or in the middle; the next question is answered as ever."""
    before = chats.ask(chat)
    chats.begin(chat).close()
    answer = chats.begin(chat, LONG, max_tokens=200)
    next(answer)
    answer.close()

    assert chats.ask(chat).pieces == before.pieces


def test_threads_do_not_disturb_each_other(chat: Chat) -> None:
    """Several questions at once: each gets its own answer."""
    texts = [f"{number}. {'word ' * number}" for number in range(1, 5)]
    alone = [chats.ask(chat, text).pieces for text in texts]

    with ThreadPoolExecutor(4) as pool:
        together = [answer.pieces for answer in pool.map(lambda text: chats.ask(chat, text), texts)]

    assert together == alone


def test_closing_ends_answers(fresh: Chat) -> None:
    """The one under way and those asked for later end by raising; closing twice is closing."""
    answer = chats.begin(fresh, LONG, max_tokens=200)
    next(answer)
    fresh.close()
    fresh.close()

    with pytest.raises(Cancelled):
        chats.finish(answer)
    with pytest.raises(Cancelled):
        chats.ask(fresh)


def test_closing_one_that_was_never_asked(fresh: Chat) -> None:
    """Nothing was loaded, nothing happens."""
    fresh.close()
