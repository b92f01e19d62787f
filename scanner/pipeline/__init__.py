"""The main job: arrivals become turns, turns are decoded, scored and folded, events come out."""
