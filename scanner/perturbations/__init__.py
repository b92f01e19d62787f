"""Controlled changes to video, of the kinds that happen between a camera and a viewer, to measure
what they cost a model.

Each perturbation has a name and a pure function from a picture to a picture; some also set the
encoder's quality. ``Perturber`` applies them to a whole source, in a disposable child process. The
option ``--change`` and the key ``change`` of an evaluation name a perturbation.
"""
