"""The smallest files of every family of onnx-asr, with the names, shapes and number types of the real networks.

Each says the same two words whatever it hears, so that the way from files to words can be checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stenogram.onnx.graph import FLOAT, INT32, INT64, Graph
from stenogram.types import ModelFiles

FLOAT16 = 10
TOKENS = ("▁да", "▁н", "ет", "<blk>")
BLANK = len(TOKENS) - 1
SAID = {5: 0, 9: 1, 11: 2}
"""Frame -> token: "да нет"."""
LONGEST = 4000
"""Frames that a network can say something about."""
CANARY = (
    *("<unk>", "▁", "<|startofcontext|>", "<|startoftranscript|>", "<|emo:undefined|>", "<|pnc|>", "<|noitn|>"),
    *("<|notimestamp|>", "<|nodiarize|>", "<|endoftext|>", "<|en|>", "<|ru|>", "▁yes", "▁да"),
)


def scores(tokens: int, blank: int) -> npt.NDArray[np.float32]:
    """Log-probabilities ``[1, LONGEST, tokens]`` that say ``SAID``."""
    best = np.full(LONGEST, blank)
    best[list(SAID)] = list(SAID.values())
    logits = np.zeros((1, LONGEST, tokens), np.float32)
    logits[0, :, blank] = 5
    logits[0, np.arange(LONGEST), best] = 12
    logprobs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return np.asarray(logprobs, np.float32)


def frames(graph: Graph, lengths: str, stride: int) -> str:
    """``ceil(length / stride)`` of the only row, as ``[1]``."""
    (more,) = graph.node("Add", [lengths, graph.constant([stride - 1])])
    return graph.node("Div", [more, graph.constant([stride])])[0]


def until(graph: Graph, table: npt.NDArray[np.float32], end: str, axis: int) -> str:
    """The first ``end`` steps of a constant table."""
    return graph.node("Slice", [graph.constant(table), graph.constant([0]), end, graph.constant([axis])])[0]


def ctc(features: str, size: int, lengths: str, output: str, stride: int) -> bytes:
    """A network with one file."""
    graph = Graph()
    graph.input(features, FLOAT, ["batch", size, "time"])
    end = frames(graph, graph.input(lengths, INT64, ["batch"]), stride)
    graph.node("Identity", [until(graph, scores(len(TOKENS), BLANK), end, 1)], [output])
    graph.output(output, FLOAT, ["batch", "frames", len(TOKENS)])
    return graph.build()


def encoder(names: Sequence[str], size: int, stride: int, *, time_last: bool, narrow: bool) -> bytes:
    """An encoder whose states are the log-probabilities themselves; ``names``: features, lengths, states, lengths."""
    graph = Graph()
    graph.input(names[0], FLOAT, ["batch", size, "time"] if time_last else ["batch", "time", size])
    end = frames(graph, graph.input(names[1], INT64, ["batch"]), stride)
    table = scores(len(TOKENS), BLANK)
    states = until(graph, table.transpose(0, 2, 1) if time_last else table, end, 2 if time_last else 1)
    graph.node("Identity", [states], [names[2]])
    graph.node("Cast", [end], [names[3]], to=INT32 if narrow else INT64)
    graph.output(names[2], FLOAT, ["batch", "a", "b"])
    graph.output(names[3], INT32 if narrow else INT64, ["batch"])
    return graph.build()


def never_again(width: int) -> npt.NDArray[np.float32]:
    """``[tokens, width]``: what the token before does to the next one's logits; no word piece follows itself."""
    table = np.zeros((len(TOKENS), width), np.float32)
    table[range(BLANK), range(BLANK)] = -99
    return table


def nemo_joint(durations: int) -> bytes:
    """Frame and last token to logits; with durations, the next frame always comes next."""
    graph = Graph()
    frame = graph.input("encoder_outputs", FLOAT, ["batch", len(TOKENS), "frames"])
    (ban,) = graph.node("Gather", [graph.constant(never_again(len(TOKENS))), graph.input("targets", INT32, [1, 1])])
    graph.input("target_length", INT32, ["batch"])
    (turned,) = graph.node("Transpose", [frame], perm=[0, 2, 1])
    parts = graph.node("Add", [turned, ban])
    if durations:
        parts.append(graph.constant(np.eye(durations, dtype=np.float32)[1].reshape(1, 1, -1)))
    graph.node("Concat", parts, ["outputs"], axis=-1)
    graph.output("outputs", FLOAT, ["batch", "frames", "logits"])
    for number in (1, 2):
        graph.input(f"input_states_{number}", FLOAT, [2, "batch", 4])
        graph.node("Identity", [f"input_states_{number}"], [f"output_states_{number}"])
        graph.output(f"output_states_{number}", FLOAT, [2, "batch", 4])
    return graph.build()


def gigaam_decoder() -> bytes:
    """The prediction network of GigaAM."""
    graph = Graph()
    graph.node("Gather", [graph.constant(never_again(320)), graph.input("x", INT64, [1, 1])], ["dec"])
    for into, out in (("h.1", "h"), ("c.1", "c")):
        graph.node("Identity", [graph.input(into, FLOAT, [1, 1, 320])], [out])
        graph.output(out, FLOAT, [1, 1, 320])
    graph.output("dec", FLOAT, [1, 1, 320])
    return graph.build()


def gigaam_joint() -> bytes:
    """Frame and last token to logits ``[1, 1, 1, tokens]``."""
    graph = Graph()
    frame = graph.input("enc", FLOAT, [1, len(TOKENS), 1])
    limits = [graph.constant([value]) for value in (0, len(TOKENS), 1)]
    (ban,) = graph.node("Slice", [graph.input("dec", FLOAT, [1, 320, 1]), *limits])
    (both,) = graph.node("Add", [frame, ban])
    (turned,) = graph.node("Transpose", [both], perm=[0, 2, 1])
    graph.node("Unsqueeze", [turned, graph.constant([2])], ["joint"])
    graph.output("joint", FLOAT, [1, 1, 1, len(TOKENS)])
    return graph.build()


def vosk_decoder() -> bytes:
    """The stateless prediction network of Kaldi's transducers."""
    graph = Graph()
    graph.input("y", INT64, ["batch", 2])
    graph.node("Identity", [graph.constant(np.zeros((1, 4), np.float32))], ["decoder_out"])
    graph.output("decoder_out", FLOAT, ["batch", 4])
    return graph.build()


def vosk_joiner() -> bytes:
    """Frame to logits."""
    graph = Graph()
    frame = graph.input("encoder_out", FLOAT, ["batch", len(TOKENS)])
    graph.input("decoder_out", FLOAT, ["batch", 4])
    graph.node("Identity", [frame], ["logit"])
    graph.output("logit", FLOAT, ["batch", len(TOKENS)])
    return graph.build()


def t_one() -> bytes:
    """A streaming network: 300 ms of 8 kHz in, ten frames out; it says the same in every piece."""
    graph = Graph()
    graph.input("signal", INT32, ["batch", 2400, 1])
    graph.node("Identity", [graph.input("state", FLOAT16, ["batch", 8])], ["state_next"])
    table = scores(len(TOKENS), BLANK)[:, :10]
    graph.node("Identity", [graph.constant(table)], ["logprobs"])
    graph.output("logprobs", FLOAT, ["batch", 10, len(TOKENS)])
    graph.output("state_next", FLOAT16, ["batch", 8])
    return graph.build()


def canary_encoder() -> bytes:
    """States and mask of some length."""
    graph = Graph()
    graph.input("audio_signal", FLOAT, ["batch", 128, "time"])
    graph.input("length", INT64, ["batch"])
    graph.node("Identity", [graph.constant(np.zeros((1, 3, 4), np.float32))], ["encoder_embeddings"])
    graph.node("Identity", [graph.constant(np.ones((1, 3), np.int64))], ["encoder_mask"])
    graph.output("encoder_embeddings", FLOAT, ["batch", "frames", 4])
    graph.output("encoder_mask", INT64, ["batch", "frames"])
    return graph.build()


def canary_decoder() -> bytes:
    """Says the word of the language asked for (token 5 of the prompt), then ends."""
    graph = Graph()
    ids = graph.input("input_ids", INT64, ["batch", "tokens"])
    for name, element, shape in (
        ("encoder_embeddings", FLOAT, ["batch", "frames", 4]),
        ("encoder_mask", INT64, ["batch", "frames"]),
        ("decoder_mems", FLOAT, [1, "batch", "past", 4]),
    ):
        graph.input(name, element, shape)  # type: ignore[arg-type]
    following = np.full(len(CANARY), CANARY.index("<|endoftext|>"))
    following[CANARY.index("<|en|>")], following[CANARY.index("<|ru|>")] = (CANARY.index(w) for w in ("▁yes", "▁да"))
    logits = np.full((len(CANARY), len(CANARY)), -9, np.float32)
    logits[np.arange(len(CANARY)), following] = -0.5
    (last,) = graph.node("Sub", [graph.node("Size", [ids])[0], graph.constant(np.array(1, np.int64))])
    (place,) = graph.node("Min", [last, graph.constant(np.array(5, np.int64))])
    (asked,) = graph.node("Gather", [ids, place], axis=1)
    (row,) = graph.node("Gather", [graph.constant(logits), asked])
    graph.node("Unsqueeze", [row, graph.constant([1])], ["logits"])
    graph.node("Identity", [graph.constant(np.zeros((1, 1, 1, 4), np.float32))], ["decoder_hidden_states"])
    graph.output("logits", FLOAT, ["batch", "tokens", len(CANARY)])
    graph.output("decoder_hidden_states", FLOAT, [1, "batch", "past", 4])
    return graph.build()


NEMO = ("audio_signal", "length", "outputs", "encoded_lengths")
GIGAAM = ("audio_signal", "length", "encoded", "encoded_len")
VOSK = ("x", "x_lens", "encoder_out", "encoder_out_lens")
NETWORKS: dict[str, dict[str, Callable[[], bytes]]] = {
    "nemo-ctc": {"model": lambda: ctc("audio_signal", 80, "length", "logprobs", 8)},
    "nemo-rnnt": {
        "encoder": lambda: encoder(NEMO, 80, 8, time_last=True, narrow=False),
        "decoder_joint": lambda: nemo_joint(0),
    },
    "nemo-tdt": {
        "encoder": lambda: encoder(NEMO, 128, 8, time_last=True, narrow=False),
        "decoder_joint": lambda: nemo_joint(5),
    },
    "canary": {"encoder": canary_encoder, "decoder": canary_decoder},
    "gigaam-ctc": {"model": lambda: ctc("features", 64, "feature_lengths", "log_probs", 4)},
    "gigaam-rnnt": {
        "encoder": lambda: encoder(GIGAAM, 64, 4, time_last=True, narrow=True),
        "decoder": gigaam_decoder,
        "joint": gigaam_joint,
    },
    "t-one": {"model": t_one},
    "vosk": {
        "encoder": lambda: encoder(
            ("x", "x_lens", "encoder_out", "encoder_out_lens"), 80, 4, time_last=False, narrow=False
        ),
        "decoder": vosk_decoder,
        "joiner": vosk_joiner,
    },
}
CONFIGS: dict[str, dict[str, object]] = {
    "nemo-ctc": {"model_type": "nemo-conformer-ctc", "features_size": 80, "subsampling_factor": 8},
    "nemo-rnnt": {"model_type": "nemo-conformer-rnnt", "features_size": 80, "subsampling_factor": 8},
    "nemo-tdt": {"model_type": "nemo-conformer-tdt", "features_size": 128, "subsampling_factor": 8},
    "canary": {"model_type": "nemo-conformer-aed", "features_size": 128, "subsampling_factor": 8},
    "gigaam-ctc": {"model_type": "gigaam", "version": "v2"},
    "gigaam-rnnt": {"model_type": "gigaam", "version": "v3"},
    "t-one": {
        "decoder_params": {"vocabulary": [token.replace("▁", " ") for token in TOKENS[:BLANK]]},
        "encoder_params": {"reduction_kernel_size": 3},
        "pad_token_id": BLANK,
    },
}


def write_family(folder: Path, family: str, languages: tuple[str, ...] = ("ru",)) -> ModelFiles:
    """The files of a family in ``folder``, by role."""
    parts: dict[str, bytes] = {role: build() for role, build in NETWORKS[family].items()}
    if family in CONFIGS:
        parts["config"] = json.dumps(CONFIGS[family]).encode()
    if family != "t-one":
        tokens = CANARY if family == "canary" else TOKENS
        parts["vocab"] = "".join(f"{token} {index}\n" for index, token in enumerate(tokens)).encode()
    folder.mkdir(parents=True, exist_ok=True)
    for role, content in parts.items():
        (folder / role).write_bytes(content)
    return ModelFiles(f"a-{family}", "onnx-asr", languages, {role: folder / role for role in parts}, "digest")
