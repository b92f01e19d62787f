"""What the product costs beside what one would write by hand; ``docs/benchmarks.md`` has the
figures.

Machines are shared and clocks of processors move, so every figure is a ratio of processor times,
measured in turns in one run: A, B, A, B. Wall time is never compared.
"""
