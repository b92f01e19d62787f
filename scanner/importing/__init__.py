"""Public models, taken in without shipping their weights: a file of somebody else's becomes a model
folder of ours.

``add_model`` is the whole of it. ``recipe`` says how a network wants its pictures and what its
columns mean, ``catalogue`` has the recipes of networks that are known, ``source`` gets the bytes,
``wrap`` puts everything that we promise into the graph (the only door of the package ``onnx``),
``preflight`` looks at the result, and ``folder`` writes it.
"""
