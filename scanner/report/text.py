"""Texts for people: untrusted names without hidden characters, times and shares."""

from __future__ import annotations

import unicodedata

__all__ = ["clock", "percent", "plain"]

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that are invisible, or change how the text around them is displayed."""


def plain(text: str) -> str:
    r"""Return the text with every character that is invisible or turns the reading direction as an
    escape sequence.

    The result is not yet safe in HTML; the template escapes it.

    >>> plain("a\u202egpj.exe")
    'a\\u202egpj.exe'
    """
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) in _UNSEEN else c for c in text)


def clock(at: float) -> str:
    """Return seconds as hours, minutes and seconds.

    >>> clock(3723.46)
    '1:02:03.5'
    """
    tenths = round(at * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{rest / 10:04.1f}"


def percent(share: float) -> str:
    """Return a share in percent: small ones keep their first digit, and only the whole is 100 %.

    >>> percent(0.9999), percent(0.0042), percent(0.25)
    ('99.9 %', '0.4 %', '25 %')
    """
    hundredths = share * 100
    if hundredths in (0.0, 100.0):
        return f"{hundredths:.0f} %"
    if hundredths < 0.05:
        return "< 0.1 %"
    if hundredths < 9.95 or hundredths > 99:
        return f"{min(hundredths, 99.9):.1f}".removesuffix(".0") + " %"
    return f"{hundredths:.0f} %"
