"""Scores of samples: the ``Scorer`` protocol, models with their manifests, and calibration.

``scorer`` is the protocol, ``manifest`` describes a model, ``registry`` finds and loads models,
``onnx`` runs them, and ``segment`` scores the samples of one segment.
"""
