"""Which family of models the files are of, and the class of the library that reads it.

The roles of the files are the library's own words. The publishers' repositories map to them so:

===================================  ====================================================================
family                               role = file
===================================  ====================================================================
Parakeet TDT and RNNT, FastConformer encoder = encoder-model.onnx, decoder_joint = decoder_joint-model.onnx,
                                     vocab = vocab.txt, config = config.json
Parakeet CTC                         model = model.onnx, vocab = vocab.txt, config = config.json
Canary                               encoder = encoder-model.onnx, decoder = decoder-model.onnx,
                                     vocab = vocab.txt, config = config.json
GigaAM CTC                           model = v3_ctc.onnx, vocab = v3_vocab.txt, config = config.json
GigaAM CTC with punctuation          model = v3_e2e_ctc.onnx, vocab = v3_e2e_ctc_vocab.txt, config = config.json
GigaAM RNNT (with punctuation e2e_)  encoder = v3_rnnt_encoder.onnx, decoder = v3_rnnt_decoder.onnx,
                                     joint = v3_rnnt_joint.onnx, vocab = v3_vocab.txt, config = config.json
T-one                                model = model.onnx, config = config.json
Vosk                                 encoder = am-onnx/encoder.onnx, decoder = am-onnx/decoder.onnx,
                                     joiner = am-onnx/joiner.onnx, vocab = lang/tokens.txt
===================================  ====================================================================

Any of the networks may be the quantised one (``encoder-model.int8.onnx``): the file given is the file read. A network
whose weights lie in a second file needs that file beside it under its own name, in a role that ends in ``_data``
(``encoder_data = encoder-model.onnx.data``).
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stenogram.types import SAMPLE_RATE

CONFIG, VOCABULARY = "config", "vocab"
DATA = "_data"
"""How the role of a file ends that holds the weights of another."""
FEATURE_S = 0.01
"""Seconds from one feature of a network's input to the next, in all families."""


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of network."""

    title: str
    implementation: str
    """``module:class`` of the library."""
    stride: int
    """Features per frame of its output, unless config.json tells."""
    sample_rate: int = SAMPLE_RATE
    timed: bool = True
    """Whether it tells when each token was said."""
    prompted: bool = False
    """Whether it is told the languages heard and written, and so can translate."""


NEMO, GIGAAM = "onnx_asr.models.nemo", "onnx_asr.models.gigaam"
TDT = Family("NeMo TDT", f"{NEMO}:NemoConformerTdt", 8)
RNNT = Family("NeMo RNNT", f"{NEMO}:NemoConformerRnnt", 8)
CTC = Family("NeMo CTC", f"{NEMO}:NemoConformerCtc", 8)
CANARY = Family("Canary", f"{NEMO}:NemoConformerAED", 8, timed=False, prompted=True)
GIGAAM_CTC = Family("GigaAM CTC", f"{GIGAAM}:GigaamV2Ctc", 4)
GIGAAM_RNNT = Family("GigaAM RNNT", f"{GIGAAM}:GigaamV2Rnnt", 4)
T_ONE = Family("T-one", "onnx_asr.models.tone:TOneCtc", 3, sample_rate=8_000)
VOSK = Family("Vosk", "onnx_asr.models.kaldi:KaldiTransducer", 4)

BY_ROLES: Mapping[frozenset[str], tuple[tuple[str, Family], ...]] = {
    frozenset({"model", VOCABULARY, CONFIG}): (("nemo", CTC), ("", GIGAAM_CTC)),
    frozenset({"encoder", "decoder_joint", VOCABULARY, CONFIG}): (("nemo-conformer-tdt", TDT), ("", RNNT)),
    frozenset({"encoder", "decoder", VOCABULARY, CONFIG}): (("", CANARY),),
    frozenset({"encoder", "decoder", "joint", VOCABULARY, CONFIG}): (("", GIGAAM_RNNT),),
    frozenset({"model", CONFIG}): (("", T_ONE),),
    frozenset({"encoder", "decoder", "joiner", VOCABULARY}): (("", VOSK),),
    frozenset({"encoder", "decoder", "joiner", VOCABULARY, CONFIG}): (("", VOSK),),
}
"""Roles -> how the ``model_type`` of config.json begins, and the family; the first that fits."""


def identify(paths: Mapping[str, Path], config: Mapping[str, Any]) -> Family:
    """The family of the files. Raises ``ValueError`` when the roles are of none."""
    roles = frozenset(role for role in paths if not role.endswith(DATA))
    kind = str(config.get("model_type", ""))
    for beginning, family in BY_ROLES.get(roles, ()):
        if kind.startswith(beginning):
            return family
    known = "; ".join(", ".join(sorted(known)) for known in BY_ROLES)
    raise ValueError(f"no family of onnx-asr has the files {', '.join(sorted(roles)) or '(none)'}; there are: {known}")


def read_config(paths: Mapping[str, Path]) -> dict[str, Any]:
    """What config.json says; nothing where there is none. Raises ``OSError``, ``ValueError``."""
    if CONFIG not in paths:
        return {}
    config = json.loads(paths[CONFIG].read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ValueError("config.json is not an object")  # noqa: TRY004 - the file is wrong, not the program
    return config


def read_ids(paths: Mapping[str, Path], config: Mapping[str, Any]) -> dict[str, int]:
    """Token -> id, spaces as spaces. Raises ``OSError``, ``ValueError``, ``KeyError``."""
    if VOCABULARY not in paths:
        return {token: index for index, token in enumerate(config["decoder_params"]["vocabulary"])}
    lines = paths[VOCABULARY].read_text(encoding="utf-8").splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line)
    return {token.replace("▁", " "): int(index) for token, index in pairs}


def frame_s(family: Family, config: Mapping[str, Any]) -> float:
    """Seconds from one frame of the network's output to the next."""
    return FEATURE_S * int(config.get("subsampling_factor", family.stride))


def open_model(family: Family, paths: Mapping[str, Path], options: Mapping[str, Any]) -> Any:
    """Let the library read the networks, with onnxruntime's ``options`` for their sessions."""
    module, name = family.implementation.split(":")
    files = {role: path for role, path in paths.items() if not role.endswith(DATA)}
    return getattr(importlib.import_module(module), name)(files, open_preprocessor, options)


def open_preprocessor(name: str) -> Any:
    """What makes the features, in numpy: cheaper than a session, and the same on every device."""
    from onnx_asr.preprocessors import numpy_preprocessor
    from onnx_asr.preprocessors.preprocessor import IdentityPreprocessor

    if name == "identity":
        return IdentityPreprocessor()
    if name.startswith("gigaam"):
        return numpy_preprocessor.GigaamPreprocessorNumpy(name)
    if name == "kaldi":
        return numpy_preprocessor.KaldiPreprocessorNumpy(name)
    return numpy_preprocessor.NemoPreprocessorNumpy(name)
