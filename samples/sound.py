"""A second of silence, for files without a picture."""

from __future__ import annotations

import io

import av
import numpy as np

__all__ = ["silence"]

RATE = 48_000


def silence(container: str, codec: str) -> bytes:
    """An audio file in that container."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=RATE)
        assert isinstance(stream, av.AudioStream)
        for start in range(0, RATE, 960):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="flt", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()
