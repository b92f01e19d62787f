"""From samples to scores: one model a scorer, calibrated probabilities, every score with its model
and version."""

from scanner.scoring.golden import Golden, check_model, record, write_golden
from scanner.scoring.manifest import LabelFacts, Manifest, RecommendedPolicy, read_manifest
from scanner.scoring.motion import Motion, chance, gates_of, in_motion, taken
from scanner.scoring.onnx import OnnxScorer, Precision, Provider, graph_file, load_onnx
from scanner.scoring.priors import at_one_prior, leading_facts
from scanner.scoring.registry import Check, check_models, list_models, load_scorers, user_models_dir
from scanner.scoring.reuse import Reuse
from scanner.scoring.scorer import (
    Advised,
    Scorer,
    gate_of,
    looks_at_bursts,
    score_bursts,
    score_samples,
    shadow_of,
    specs,
)
from scanner.scoring.shadow import Asides, asides, set_aside
from scanner.scoring.test_card import TestCard

__all__ = [
    "Advised",
    "Asides",
    "Check",
    "Golden",
    "LabelFacts",
    "Manifest",
    "Motion",
    "OnnxScorer",
    "Precision",
    "Provider",
    "RecommendedPolicy",
    "Reuse",
    "Scorer",
    "TestCard",
    "asides",
    "at_one_prior",
    "chance",
    "check_model",
    "check_models",
    "gate_of",
    "gates_of",
    "graph_file",
    "in_motion",
    "leading_facts",
    "list_models",
    "load_onnx",
    "load_scorers",
    "looks_at_bursts",
    "read_manifest",
    "record",
    "score_bursts",
    "score_samples",
    "set_aside",
    "shadow_of",
    "specs",
    "taken",
    "user_models_dir",
    "write_golden",
]
