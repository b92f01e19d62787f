"""Evaluation on streams: long streams assembled from scored files, with events at known times,
folded as a live stream is.

recordings (scores of each file) -> pieces (safe pieces, event clips) -> assemble (streams) ->
folding (the product's own fold) -> outcome (delays, misses, false incidents) -> sweep (all
thresholds at once) -> fit -> outcome
"""
