"""The process in which llama.cpp works: questions in, answers out piece by piece (``stenogram.child``).

Requests are ``{"ask": number, ...}`` and ``{"stop": number}``. A question is worked on in a thread of its own, so that
a stop can be heard; llama.cpp asks for it between the steps of its graph, also in the middle of a long prompt.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from stenogram import child
from stenogram.enhance.thought import OPEN, Thought

SEED = 6
"""The same question gets the same answer."""
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
"""For files that bring no template; most models that were taught to chat without one know this form."""

_BATCH = 512


class _RefusedError(Exception):
    """The question cannot be answered, with the reason."""


def main() -> None:
    """Serve requests until standard input closes."""
    threading.excepthook = _die
    child.serve(Asked().serve)


def _die(died: threading.ExceptHookArgs) -> None:
    sys.__excepthook__(died.exc_type, died.exc_value or died.exc_type(), died.exc_traceback)
    sys.stderr.flush()
    os._exit(1)


class Asked:
    """The weights in memory, and the question under way."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._number = -1
        self._key: tuple[Any, ...] = ()
        self._model: Any = None
        self._abort: Any = None

    def serve(self, request: dict[str, Any], send: child.Send) -> None:
        """Begin with a question, or stop the one under way."""
        if "stop" in request:
            if request["stop"] == self._number:
                self._stopped.set()
            return
        self._number = request["ask"]
        self._stopped.clear()
        threading.Thread(target=self._answer, args=(request, send), name="question").start()

    def _answer(self, request: dict[str, Any], send: child.Send) -> None:
        asked = time.monotonic()
        number = {"ask": request["ask"]}
        try:
            self._load(request)
            usage = self._say(request, asked, lambda piece: send(number | {"piece": piece}))
        except _RefusedError as error:
            send(number | {"refused": str(error)})
        except MemoryError as error:
            send(number | {"out_of_memory": str(error)})
        else:
            send(number | {"done": usage | {"answer_s": time.monotonic() - asked}})

    def _load(self, request: dict[str, Any]) -> None:
        """Bring the weights into memory, once. On the CPU: what memory a GPU has is for those who transcribe."""
        key = tuple(request[name] for name in ("path", "context", "threads"))
        if key == self._key:
            return
        import llama_cpp

        path, context, threads = key
        try:
            self._model = llama_cpp.Llama(
                path,
                n_ctx=context,
                n_batch=min(_BATCH, context),
                n_threads=threads,
                n_threads_batch=threads,
                n_gpu_layers=0,
                verbose=False,
            )
        except ValueError as error:
            if "context" in str(error):  # the weights are mapped, its context is what takes memory
                raise MemoryError(str(error)) from error
            raise _RefusedError(f"llama.cpp cannot load the file ({error})") from error
        self._abort = llama_cpp.ggml_abort_callback(lambda _: self._stopped.is_set())
        llama_cpp.llama_set_abort_callback(self._model.ctx, self._abort, None)
        self._key = key

    def _say(self, request: dict[str, Any], asked: float, say: Callable[[str], None]) -> dict[str, Any]:
        """Answer, and tell what it cost; nothing more is said once it is stopped."""
        prompt = self._prompt(request["messages"])
        tokens = self._model.tokenize(prompt.encode(), add_bos=False, special=True)
        room = request["context"] - len(tokens)
        if room < 1:
            raise _RefusedError(f"{len(tokens)} tokens do not go into its context of {request['context']}")
        thought = Thought(thinking=prompt.rstrip().endswith(OPEN))
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        limit, count, first_s, cut = min(request["max_tokens"], room), 0, None, False
        for token in self._tokens(tokens, request):
            if token is None:
                break
            count += 1
            first_s = time.monotonic() - asked if first_s is None else first_s
            if piece := thought.take(decoder.decode(self._model.detokenize([token], prev_tokens=tokens))):
                say(piece)
            if count == limit:
                cut = True
                break
        if rest := thought.take(decoder.decode(b"", final=True)) + thought.end():
            say(rest)
        return {"prompt_tokens": len(tokens), "completion_tokens": count, "first_token_s": first_s, "cut": cut}

    def _tokens(self, prompt: list[int], request: dict[str, Any]) -> Iterator[int | None]:
        """The tokens of the answer; None at its end, or when it is stopped."""
        import llama_cpp

        self._model.reset()  # a beginning shared with the last question would be computed in other steps
        self._model.set_seed(SEED)
        answer = self._model.generate(prompt, temp=request["temperature"], grammar=_grammar(request["schema"]))
        with contextlib.closing(answer):
            while not self._stopped.is_set():
                try:
                    token = next(answer)
                except RuntimeError:
                    if self._stopped.is_set():  # llama_decode has given up
                        return
                    raise
                yield None if llama_cpp.llama_vocab_is_eog(self._model._model.vocab, token) else token  # noqa: SLF001

    def _prompt(self, messages: list[dict[str, str]]) -> str:
        """The messages in the form that the model was taught."""
        try:
            return self._render(messages)
        except ValueError as error:  # some know no system message, and say so
            if len(messages) < 2 or messages[0]["role"] != "system":  # noqa: PLR2004
                raise _RefusedError(f"its chat template fails: {error}") from error
        first = {**messages[1], "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
        return self._prompt([first, *messages[2:]])

    def _render(self, messages: list[dict[str, str]]) -> str:
        """Raises ``ValueError``."""
        import jinja2
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        model = self._model
        eos, bos = (model._model.token_get_text(token) if token >= 0 else "" for token in _ends(model))  # noqa: SLF001
        template = model.metadata.get("tokenizer.chat_template", CHATML)
        try:
            formatter = Jinja2ChatFormatter(template=template, eos_token=eos, bos_token=bos)
            prompt: str = formatter(messages=messages).prompt
        except jinja2.TemplateError as error:
            raise ValueError(str(error)) from error
        return prompt


def _ends(model: Any) -> tuple[int, int]:
    return model.token_eos(), model.token_bos()


def _grammar(schema: dict[str, Any] | None) -> Any:
    """What holds the answer to a schema, as far as llama.cpp knows how."""
    if schema is None:
        return None
    from llama_cpp.llama_grammar import LlamaGrammar

    try:
        return LlamaGrammar.from_json_schema(json.dumps(schema), verbose=False)
    except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError):  # more of JSON schema than it knows
        return None
