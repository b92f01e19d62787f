"""The training of ``streamwarden-frame``: from labelled footage to a calibrated ONNX model and its
card.

Data flows corpus -> pictures -> views -> features -> fitting -> tuning -> folds -> calibration ->
policy -> export -> card. torch is used here and nowhere else in the project.
"""

from __future__ import annotations

import os

# As in ``scanner``: modules here import the runtime before that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
