"""Publishing points: what a standard encoder pushes becomes streams of numbered segments.

Pure: no clock, no I/O. The driver reads rows and the time, and records what is decided.
"""
