"""Importing public image classifiers: an ONNX file from elsewhere becomes a model folder.

``add.add_model`` runs all steps. ``classifier`` describes how a network takes its pictures and what
its columns mean, ``catalogue`` has the descriptions of known networks, ``source`` reads the file,
``sandboxed`` and ``task`` rewrite and try it in a sandbox, ``wrap`` puts preprocessing and
postprocessing into the graph (the only module that uses the package ``onnx``), ``preflight`` checks
the result, and ``folder`` writes it.
"""
