"""The journal (a database) and the objects (a directory of media) of the live service.

The processes of the service meet only here. ``schema`` has the tables; ``intake``, ``turns``,
``effects`` and ``queries`` have what each process does with them; ``objects`` stores media.
"""
