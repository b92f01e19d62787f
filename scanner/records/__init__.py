"""The codec of events, exact and versioned; ``recording`` has the lines of ``scan --record``.

Times are pairs of integers and scores are floats in Python's shortest form, so an event that was
read equals the one that was written.
"""
