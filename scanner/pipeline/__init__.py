"""The main job: arrivals become turns, turns are decoded, scored and folded, and events come out.

``scan`` runs it for many streams at once, ``worker`` runs the turns of one stream, and ``replay``
folds recorded events again.
"""
