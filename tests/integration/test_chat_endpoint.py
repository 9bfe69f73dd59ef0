"""A language model behind an endpoint: a real server, and everything that can go wrong with it."""

from __future__ import annotations

import email.utils
import json
import subprocess
import sys
import time
import typing
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from stenogram.config import Settings
from stenogram.enhance.chat import OpenAIChat
from stenogram.enhance.check import check
from stenogram.enhance.endpoint import Endpoint
from stenogram.errors import Cancelled, ChatRefused, ChatUnavailable, EnhancementError
from stenogram.testing.chat_answer import AFTER, BEFORE, POEM, Fault
from stenogram.testing.chat_server import ChatServer
from tests import chats
from tests.chats import TEXT

SCHEMA = {"type": "object"}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(tokens_per_s=1000) as running:
        yield running


@pytest.fixture
def chat(server: ChatServer) -> Iterator[OpenAIChat]:
    with chats.at_server(server) as made:
        yield made


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what another process or thread is about to do."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


SAYS: dict[Fault, str] = {
    "slow": TEXT,
    "wrong_line_numbers": TEXT.replace("1.", "2.").replace("2. и", "3. и"),
    "wrong_numbers": TEXT.replace("42", "43"),
    "obey": POEM,
    "explain": f"{BEFORE}{TEXT}{AFTER}",
    "think": TEXT,
    "think_aside": TEXT,
}
"""Faults that are answers all the same: what is made of them is not up to the back-end."""
AGAIN: set[Fault] = {"drop", "rate_limited", "broken"}
"""Faults before the first word: tried again."""
FAILS: dict[Fault, tuple[type[EnhancementError], str, str]] = {
    "cut": (ChatUnavailable, "broke off", "Try again"),
    "stream_error": (ChatUnavailable, "the runner has gone", "Try again"),
    "silent": (ChatUnavailable, "not a word for 0.3 s", "--llm-timeout-s"),
    "headers_only": (ChatUnavailable, "not a word for 0.3 s", "--llm-timeout-s"),
    "wordless": (ChatUnavailable, "not a word for 0.3 s", "--llm-timeout-s"),
    "stalled": (ChatUnavailable, "not a word for 0.3 s", "--llm-timeout-s"),
    "not_json": (ChatRefused, "no answer of the OpenAI API", "--llm-base-url"),
    "not_sse": (ChatRefused, "no answer of the OpenAI API", "--llm-base-url"),
    "empty": (ChatRefused, "without a word", "too long for its context"),
    "unauthorised": (ChatRefused, "status 401", "STENOGRAM_LLM_API_KEY"),
    "forbidden": (ChatRefused, "status 403", "STENOGRAM_LLM_API_KEY"),
    "no_model": (ChatRefused, "model not found", "--llm-model"),
    "bad_request": (ChatRefused, "this cannot be", "--llm-model"),
}
"""Faults that end an answer: the error, its cause, and what to do."""


def test_every_fault_is_in_a_table() -> None:
    """Of the server's faults none is forgotten here."""
    assert {*SAYS, *AGAIN, *FAILS, "endless"} == set(typing.get_args(Fault))


@pytest.mark.parametrize("fault", SAYS)
def test_what_is_said_is_given_as_it_is(server: ChatServer, chat: OpenAIChat, fault: Fault) -> None:
    """Slow, wrong or chatty answers come whole, without the model's thoughts."""
    server.slow_s = 0.02
    server.fail(fault)

    assert chats.ask(chat).text == SAYS[fault]


def test_who_waits_for_another_s_answer_is_not_given_up(server: ChatServer) -> None:
    """Many endpoints answer one question at a time; the last of three waits for longer than the time for a word."""
    server.slots, server.tokens_per_s = 1, 20

    with chats.at_server(server, timeout_s=1.0) as patient, ThreadPoolExecutor(3) as pool:
        assert [each.text for each in pool.map(chats.ask, [patient] * 3)] == [TEXT] * 3
    assert server.most_generating == 1


def test_halves_of_characters_are_left_out(server: ChatServer, chat: OpenAIChat) -> None:
    """JSON can hold them; no file and no database can."""
    server.say = lambda _messages: "so it was \ud83d of times"

    assert chats.ask(chat).text == "so it was ? of times"


@pytest.mark.parametrize("fault", sorted(AGAIN))
def test_what_fails_before_the_first_word_is_tried_again(server: ChatServer, chat: OpenAIChat, fault: Fault) -> None:
    """Twice here; the third try counts."""
    server.fail(fault, times=2)

    assert chats.ask(chat).text == TEXT
    assert len(server.requests) == 3


@pytest.mark.parametrize("fault", sorted(AGAIN))
def test_tries_have_an_end(server: ChatServer, chat: OpenAIChat, fault: Fault) -> None:
    """After the last one it is not there."""
    server.fault = fault

    with pytest.raises(ChatUnavailable):
        chats.ask(chat)
    assert len(server.requests) == 3


@pytest.mark.parametrize("fault", FAILS)
def test_what_cannot_be_mended_says_what_to_do(server: ChatServer, chat: OpenAIChat, fault: Fault) -> None:
    """One try; the error names the place, the cause and the remedy; the next question is answered."""
    server.fail(fault)
    kind, cause, advice = FAILS[fault]
    timeout_s = 0.3 if "0.3 s" in cause else 30.0

    with chats.at_server(server, timeout_s=timeout_s) as hasty, pytest.raises(kind) as raised:
        chats.ask(hasty)

    assert raised.value.facts["where"] == server.url
    assert cause in str(raised.value)
    assert advice in str(raised.value)
    assert len(server.requests) == 1
    assert chats.ask(chat).text == TEXT


def test_pieces_before_a_fault_are_kept(server: ChatServer, chat: OpenAIChat) -> None:
    """What came before the break has been given; nothing is said twice."""
    server.fail("cut")
    pieces: list[str] = []

    with pytest.raises(ChatUnavailable):
        pieces.extend(chats.begin(chat))

    assert pieces
    assert TEXT.startswith("".join(pieces))
    assert len(server.requests) == 1


def test_one_that_never_stops_is_stopped(server: ChatServer, chat: OpenAIChat) -> None:
    """More than the limit is not taken; the server's work ends."""
    server.fail("endless")

    answer = chats.ask(chat, max_tokens=50)

    assert answer.usage.cut
    assert len(answer.pieces) == 50
    eventually(lambda: (server.generating, server.stopped) == (0, 1))


@pytest.mark.parametrize("fault", ["silent", "headers_only", "stalled", "endless"])
def test_stop_ends_the_work_of_the_server(server: ChatServer, fault: Fault) -> None:
    """Also while it says nothing; long before the timeout."""
    server.fail(fault)
    with chats.at_server(server, timeout_s=600) as chat:
        with pytest.raises(Cancelled):
            chats.ask(chat, max_tokens=10**6, stop=lambda: server.generating > 0)

        eventually(lambda: (server.generating, server.stopped) == (0, 1))


def test_closing_an_answer_ends_the_work_of_the_server(server: ChatServer, chat: OpenAIChat) -> None:
    """The connection closes with the generator."""
    server.fail("endless")
    answer = chats.begin(chat, max_tokens=10**6)
    next(answer)
    assert server.generating == 1

    answer.close()

    eventually(lambda: (server.generating, server.stopped) == (0, 1))


def test_closing_the_chat_ends_all_work(server: ChatServer) -> None:
    """Every connection closes."""
    server.fault = "endless"
    with chats.at_server(server) as chat:
        answers = [chats.begin(chat, max_tokens=10**6) for _ in range(3)]
        for answer in answers:
            next(answer)
        assert server.generating == 3

    eventually(lambda: (server.generating, server.stopped) == (0, 3))
    for answer in answers:
        with pytest.raises(Cancelled):
            chats.finish(answer)


def test_only_silence_times_out(server: ChatServer) -> None:
    """An answer may take longer than the timeout as long as words come."""
    server.tokens_per_s = 12

    with chats.at_server(server, timeout_s=0.8) as chat:
        answer = chats.ask(chat)

    assert answer.usage.answer_s > 0.8
    assert answer.text == TEXT


@pytest.mark.parametrize("retry_after", ["0.05", email.utils.formatdate(0, usegmt=True), "nonsense", None])
def test_retry_after_is_obeyed(server: ChatServer, chat: OpenAIChat, retry_after: str | None) -> None:
    """Seconds or a date; what is neither counts as nothing."""
    server.retry_after = retry_after
    server.fail("rate_limited")

    assert chats.ask(chat).text == TEXT


def test_a_long_retry_after_is_not_waited_for(server: ChatServer, chat: OpenAIChat) -> None:
    """Minutes are as good as never."""
    server.retry_after = "3600"
    server.fail("rate_limited")

    with pytest.raises(ChatUnavailable, match="Try again later"):
        chats.ask(chat)
    assert len(server.requests) == 1


def test_a_refused_form_is_left_out_and_remembered(server: ChatServer, chat: OpenAIChat) -> None:
    """An endpoint without ``response_format`` is asked once more without, and from then on at once."""
    server.schemas = False

    assert [chats.ask(chat, schema=SCHEMA).text for _ in range(2)] == [TEXT, TEXT]
    assert ["response_format" in request.body for request in server.requests] == [True, False, False]


def test_a_form_is_asked_for(server: ChatServer, chat: OpenAIChat) -> None:
    """As a JSON schema in the way of the API."""
    chats.ask(chat, schema=SCHEMA)

    form = server.requests[0].body["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"] == SCHEMA


def test_the_other_name_of_the_limit_is_found(server: ChatServer, chat: OpenAIChat) -> None:
    """``max_tokens``, which local servers know; ``max_completion_tokens`` where that is refused."""
    server.limits = ("max_completion_tokens",)

    answers = [chats.ask(chat, max_tokens=3) for _ in range(2)]

    assert all(answer.usage.cut for answer in answers)
    assert ["max_tokens" in request.body for request in server.requests] == [True, False, False]
    assert server.requests[-1].limit == 3


def test_usage_is_counted_where_it_is_not_told(server: ChatServer, chat: OpenAIChat) -> None:
    """A piece for a token."""
    server.usage = False

    answer = chats.ask(chat)

    assert answer.usage.completion_tokens == len(answer.pieces)


def test_nothing_of_the_environment_goes_out(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, header or word about this machine that the settings do not name."""
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID"):
        monkeypatch.setenv(f"OPENAI_{name}", "secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: secret\nAuthorization: secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid/v1")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:1")

    with chats.at_server(server) as chat:
        chats.ask(chat)

    headers = server.requests[0].headers
    assert "secret" not in str(headers)
    assert "authorization" not in headers
    assert not [name for name in headers if name.startswith(("x-", "openai-"))]


def test_the_key_of_the_settings_is_sent(server: ChatServer) -> None:
    """As a bearer token; a login in the address as a basic one, and it is not shown."""
    server.api_key = "right"
    with chats.at_server(server, api_key="right") as chat:
        assert chats.ask(chat).text == TEXT
    server.api_key = None
    with_login = server.url.replace("//", "//ann:pass%20word@")

    chat = OpenAIChat(Endpoint(with_login, server.models[0]))
    chats.ask(chat)
    chat.close()

    assert server.requests[-1].headers["authorization"] == "Basic YW5uOnBhc3Mgd29yZA=="
    assert chat.endpoint.where == server.url


def test_an_absent_endpoint_says_how_to_start_it() -> None:
    """Where Ollama would listen, its command."""
    with ChatServer() as server:
        gone = server.url
    chat = OpenAIChat(Endpoint(gone, "m"), pauses_s=())
    with pytest.raises(ChatUnavailable, match=r"nothing listens there\. Start it, or name another with --llm-base-url"):
        chats.ask(chat)
    chat.close()

    assert "ollama serve" in str(Endpoint("http://localhost:11434/v1", "m").absent("x"))
    assert "ollama pull m" in str(Endpoint("http://localhost:11434/v1", "m").lacking())


@pytest.mark.parametrize("address", ["localhost:11434/v1", "", "http://", "ftp://host/v1", "http://host:port/v1"])
def test_an_address_that_cannot_be(address: str) -> None:
    """Is a fault that is known without asking."""
    chat = OpenAIChat(Endpoint(address, "m"))

    assert chat.fault() is not None
    with pytest.raises(ChatRefused):
        chats.ask(chat)


def test_check_of_one_that_is_well(server: ChatServer) -> None:
    """It answers, it has the model; of the GPU only Ollama tells."""
    server.models = ("other", "mistral:7b-instruct")

    state = check(Settings(llm_base_url=server.url))

    assert (state.ready, state.has_model, state.on_gpu, state.cause) == (True, True, None, None)
    assert state.models == server.models


@pytest.mark.parametrize(("share", "on_gpu"), [(1.0, True), (0.4, False), (0.0, False), (None, None)])
def test_check_of_ollama(server: ChatServer, share: float | None, on_gpu: bool | None) -> None:
    """Whether all of the model is in GPU memory; a name without a tag is its latest."""
    server.models, server.ollama, server.vram_share = ("mistral:latest",), True, share

    state = check(Settings(llm_base_url=server.url, llm_model="mistral"))

    assert (state.ready, state.on_gpu) == (True, on_gpu)


def test_check_of_one_that_lacks_the_model(server: ChatServer) -> None:
    """It answers, and what it has is listed."""
    state = check(Settings(llm_base_url=server.url, llm_model="absent"))

    assert (state.answers, state.has_model, state.ready) == (True, False, False)
    assert "'absent'" in str(state.cause)
    assert state.models == server.models


def test_check_of_one_that_refuses_or_is_absent(server: ChatServer) -> None:
    """The cause and the remedy, never an error."""
    server.api_key = "right"
    refused = check(Settings(llm_base_url=server.url, llm_api_key="wrong"))
    elsewhere = check(Settings(llm_base_url=server.url.removesuffix("/v1"), llm_api_key="right"))
    absent = check(Settings(llm_base_url="http://127.0.0.1:9/v1"))
    senseless = check(Settings(llm_base_url="here"))

    assert (refused.answers, refused.ready, elsewhere.ready) == (True, False, False)
    assert "STENOGRAM_LLM_API_KEY" in str(refused.advice)
    assert "/v1" in str(elsewhere.advice)
    for state in (absent, senseless):
        assert (state.answers, state.ready) == (False, False)
        assert state.cause
        assert state.advice


def test_the_server_as_a_process() -> None:
    """It tells its address, does what it is told over HTTP, and tells what it has seen."""
    command = [sys.executable, "-m", "stenogram.testing.chat_server", "--model", "m"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            _call(url, "/test/fail", {"fault": "obey", "times": 1})
            chat = OpenAIChat(Endpoint(url, "m"))
            assert [chats.ask(chat).text for _ in range(2)] == [POEM, TEXT]
            chat.close()
            state = _call(url, "/test/state")
        finally:
            process.terminate()

    assert [request["fault"] for request in state["requests"]] == ["obey", None]
    assert state["finished"] == 2


def _call(url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url.removesuffix("/v1") + path, data=data) as answer:  # noqa: S310 - our own server
        return json.load(answer)
