"""Reports of a scan: the lines of ``scan --json``, and one JSON document with a page that shows it.

Everything is made from events (``scanner.stream.events``). ``lines`` makes and reads lines;
``collect`` gathers the values of ``nouns``; ``document`` and ``page`` write them.
"""
