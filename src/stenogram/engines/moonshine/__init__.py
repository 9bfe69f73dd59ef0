"""Moonshine: small, fast speech recognition, its networks as graphs of our own, run by onnxruntime.

The files come as exported: ``encoder_model.ort`` and ``decoder_model_merged.ort``. As exported they quantise
activations with one scale per tensor, a whole batch in one, so that a chunk's text depends on its batch mates (16 of
91 dev clips, at equal lengths), and much of the time goes into some 1500 small nodes. So the weights are read
out of the files and the same networks are built anew (``graph``, ``encoder``, ``decoder``): every row is quantised by
itself and computes the same bits in any company.
"""

from stenogram.engines.moonshine.engine import MoonshineEngine

__all__ = ["MoonshineEngine"]
