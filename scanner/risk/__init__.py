"""Risk: a fold over what happens to a stream. Read ``fold.fold_observation`` first.

    StreamRisk, Sampled | Gap | Signal | Stalled | Ended
        -> fold_observation -> StreamRisk, Opened | Extended | Closed

Pure: no clock and no I/O, and times are exact fractions. ``docs/risk.md`` has the equations, the
methods and the evidence for the defaults.
"""
