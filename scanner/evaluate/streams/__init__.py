"""Evaluation on streams: long streams put together from scored footage, events at known times,
folded as live.

recordings (what models said of files)  ->  footage (pieces, takes)  ->  assemble (streams)
    ->  live (the product's own fold)               -> outcome (delays, misses, false incidents)
    ->  sweep (every threshold at once)  ->  fit    -> outcome
"""
