"""What a scan reports: the lines of ``scan --json``, and one document with a page that shows it.

Everything is made from events (``scanner.stream.events``); ``scanner.report.nouns`` are the values.
"""
