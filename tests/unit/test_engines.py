"""The table of engines, and Moonshine's own parts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from stenogram import engines
from stenogram.engines import options
from stenogram.engines.moonshine.encoder import EDGE, FRAME, padded_length
from stenogram.engines.moonshine.graph import MoonshineGraph
from stenogram.engines.moonshine.greedy import best, loops
from stenogram.engines.runtime import native
from stenogram.errors import EngineError, EngineNotInstalled, LanguageNotSupported, OptionNotSupported
from stenogram.onnx.graph import FLOAT
from stenogram.onnx.session import exact_int8, open_session
from stenogram.onnx.weights import Quantized
from stenogram.types import ModelFiles, TranscribeOptions

FILES = ModelFiles("a-model", "moonshine", ("en",), {}, "digest")


def test_every_engine_is_found_by_its_name() -> None:
    """The name in the table is the engine's own; one whose library is not here has an extra that brings it."""
    for name, row in engines.ENGINES.items():
        if row.installed:
            assert engines.find(name).name == name
        else:
            assert row.extra
            with pytest.raises(EngineNotInstalled, match=rf"stenogram\[{row.extra}\]"):
                engines.find(name)
    with pytest.raises(EngineError, match="moonshine"):
        engines.find("nonsense")


def test_options_are_checked_by_their_features() -> None:
    """Every option that needs a feature is refused unless it is left at its default."""
    engine = engines.find("moonshine")
    options.check(engine, FILES, TranscribeOptions(language="en"))
    needing = [field for field in dataclasses.fields(TranscribeOptions) if field.metadata.get("feature")]
    for field in needing:
        with pytest.raises(OptionNotSupported, match=field.name):
            options.check(engine, FILES, TranscribeOptions(**{field.name: "set"}))  # type: ignore[arg-type]
    with pytest.raises(LanguageNotSupported, match="a-model speaks: en"):
        options.check(engine, FILES, TranscribeOptions(language="de"))


@pytest.mark.parametrize("signed", [True, False])
def test_rows_are_multiplied_on_their_own(signed: bool) -> None:
    """A row's product is near the exact one, and the same bits alone and among far louder rows."""
    if signed and not exact_int8():
        pytest.skip("this processor saturates: such a graph is not built here")
    rng = np.random.default_rng(0)
    matrix = Quantized.of(rng.standard_normal((64, 48)).astype(np.float32))
    graph = MoonshineGraph(signed=signed)
    value = graph.input("value", FLOAT, ["rows", 64])
    graph.node("Identity", [graph.linear(value, [matrix, matrix], np.ones(96, np.float32))], ["product"])
    graph.output("product", FLOAT, ["rows", 96])
    session = open_session(graph.build())
    rows = (rng.standard_normal((7, 64)) * 10.0 ** np.arange(-3, 4)[:, None]).astype(np.float32)

    products = session.run(None, {"value": rows})[0]

    weights = (matrix.values.astype(np.float32) - 128) * matrix.scale
    exact = rows @ np.hstack([weights, weights]) + 1
    for row in range(7):
        assert np.linalg.norm(products[row] - exact[row]) <= 0.02 * np.linalg.norm(exact[row])
        alone = session.run(None, {"value": rows[row : row + 1]})[0]
        assert np.array_equal(alone[0], products[row])
    assert np.array_equal(session.run(None, {"value": np.zeros((1, 64), np.float32)})[0], np.ones((1, 96)))


def test_padding_loses_no_sample_and_adds_less_than_a_frame() -> None:
    """Lengths fit the strides of the convolutions."""
    for samples in [*range(EDGE + FRAME, EDGE + 3 * FRAME), 160_000]:
        length = padded_length(samples)
        assert 0 <= length - samples < FRAME
        assert (length - EDGE) % FRAME == 0
    assert padded_length(0) == EDGE + FRAME


def test_loops_are_told_from_repetition() -> None:
    """A dozen equal words are speech, two dozen are a loop; so are three equal long phrases."""
    assert not loops([7] * 12)
    assert loops([1, 2, 3, *[7] * 24])
    assert loops(list(range(10)) * 3)
    assert not loops([*list(range(10)) * 3, 99])
    assert not loops(list(range(100)))


def test_best_token_and_its_likelihood() -> None:
    """The largest logit, and the logarithm of its share."""
    tokens, logprobs = best(np.log(np.array([[1, 2, 1], [1, 1, 6]], np.float32)))

    assert tokens.tolist() == [1, 2]
    assert np.exp(logprobs) == pytest.approx([0.5, 0.75])


def test_errors_of_onnxruntime_become_ours() -> None:
    """A run that fails raises ``EngineError`` with its cause."""
    graph = MoonshineGraph(signed=False)
    graph.node("Abs", [graph.input("value", FLOAT, ["rows", 2])], ["result"])
    graph.output("result", FLOAT, ["rows", 2])
    session = open_session(graph.build())

    with pytest.raises(EngineError, match="moonshine") as caught, native("moonshine"):
        session.run(None, {"value": np.zeros((1, 3), np.float32)})

    assert caught.value.__cause__ is not None
    with pytest.raises(ValueError, match="cannot load"):
        open_session(b"no graph")
