"""Measures scores on labelled files: ROC areas, recall at stated false-positive rates and
calibration, each with a confidence interval.

rows -> folds, row_scoring (the real scan; held-out fold models) -> comparisons (positives against
negatives) -> results, curves, reliability, slices, robustness (with ``scanner.perturbations``) ->
evaluation -> page, JSON
"""
