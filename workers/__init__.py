"""The scanner's work on many processes and machines, by Ray: it moves data and calls the core, and judges nothing.

Read ``dispatch`` (what waits, who has it, what is over), then ``crew`` (threads around it), then ``actors`` (Ray).
Only ``actors`` and ``cluster`` import ray.
"""
