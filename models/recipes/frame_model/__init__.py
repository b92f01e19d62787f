"""The training of ``streamwarden-frame``: from labelled footage to a calibrated ONNX model and its
card.

Data flows corpus -> pictures -> views -> features -> fitting -> folds -> calibration -> policy ->
export -> card. torch is used here and nowhere else in the project.
"""
