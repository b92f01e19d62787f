"""What happens to video on its way to a viewer, made on purpose: to measure what it costs a model.

Each change is a small noun with a name and a pure function from a picture to a picture; some name
an encoder's setting beside it. ``Studio`` applies them to a whole source, in a disposable child.
"""
