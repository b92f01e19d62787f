"""Inference as a hand-written script does it: onnxruntime alone, without checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnxruntime

from scanner.bench.bare import Rgb

__all__ = ["open_session", "score_frames"]


def open_session(file: Path) -> onnxruntime.InferenceSession:
    """Open an ONNX Runtime session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def score_frames(pictures: Iterator[Rgb], session: onnxruntime.InferenceSession) -> int:
    """Run every picture through the network, and return their number."""
    name = session.get_inputs()[0].name
    return sum(len(session.run(None, {name: rgb[None]})) > 0 for rgb in pictures)
