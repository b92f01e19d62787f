"""The command line ``streamwarden``: data on stdout, messages on stderr, exit status 0, 1, 2 or 3.

0: nothing to report. 1: some path failed. 2: wrong usage or set-up. 3: something was flagged, and
no path failed.
"""
