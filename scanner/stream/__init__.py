"""One stream as a value: the order of its input, its state, and the pure function that advances it.

    arrivals -> TurnOrder (arrival side) -> turns
    state, turn, policies -> advance -> state, events

Nothing here reads a clock, starts a thread or imports a media library.
"""
