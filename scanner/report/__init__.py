"""What is delivered: one JSON document, and one page that shows it.

A report is built of plain values (``scanner.report.nouns``), so that it knows nothing of how risk
is folded.
"""
