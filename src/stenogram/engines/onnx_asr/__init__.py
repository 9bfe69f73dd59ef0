"""onnx-asr: Parakeet, Canary, GigaAM, T-one and Vosk, as exported to ONNX; the best models of Russian are among them.

The library makes features, runs the networks and decodes greedily; ours are the choice of the family, the words and
their times. Its loader is not used: it would look for files by name, and fetch what it does not find.
"""

from stenogram.engines.onnx_asr.engine import OnnxAsrEngine

__all__ = ["OnnxAsrEngine"]
