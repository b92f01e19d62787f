"""Risk: a fold over what happens to a stream. Read ``fold.advance`` first.

    Sampled | Gap | Signal | Tick | Ended  ->  advance  ->  StreamRisk, Opened | Extended | Closed

Pure: no clock, no I/O, times are exact fractions. The equations, the methods and what the defaults
stand on are in ``docs/risk.md``.
"""
