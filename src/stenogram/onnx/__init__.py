"""Graphs of our own for onnxruntime: write them, read weights out of its ``.ort`` files, open sessions."""
