"""How good scores are, on labelled footage: areas, recalls at stated false positives, calibration,
each with its interval.

rows -> folds, work (scored by the real scan, each by models that never saw it) -> tables (contests)
contests -> results, curves, reliability, slices, robustness (after ``scanner.perturbations``) ->
evaluation -> page, JSON
"""
