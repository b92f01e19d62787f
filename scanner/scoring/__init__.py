"""From samples to scores: one model a scorer, calibrated probabilities, every score with its model and version."""

from scanner.scoring.golden import Golden, check_model, record, write_golden
from scanner.scoring.manifest import LabelFacts, Manifest, RecommendedPolicy, read_manifest
from scanner.scoring.onnx import OnnxScorer, Precision, Provider, graph_file, load_onnx
from scanner.scoring.registry import Check, check_models, list_models, load_scorers, user_models_dir
from scanner.scoring.reuse import Reuse
from scanner.scoring.scorer import Scorer, score_samples, specs
from scanner.scoring.test_card import TestCard

__all__ = [
    "Check",
    "Golden",
    "LabelFacts",
    "Manifest",
    "OnnxScorer",
    "Precision",
    "Provider",
    "RecommendedPolicy",
    "Reuse",
    "Scorer",
    "TestCard",
    "check_model",
    "check_models",
    "graph_file",
    "list_models",
    "load_onnx",
    "load_scorers",
    "read_manifest",
    "record",
    "score_samples",
    "specs",
    "user_models_dir",
    "write_golden",
]
