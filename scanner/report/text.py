"""Texts for people: untrusted names without hidden characters, times and shares."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

__all__ = ["clock", "count", "join_words", "percent", "percents", "plain"]

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


def percents(one: float, other: float) -> tuple[str, str]:
    """Return two shares in percent, with a decimal where they would else read the same.

    >>> percents(0.783, 0.779), percents(0.3, 0.779)
    (('78.3 %', '77.9 %'), ('30 %', '78 %'))
    """
    texts = percent(one), percent(other)
    if one == other or texts[0] != texts[1]:
        return texts
    return f"{100 * one:.1f} %", f"{100 * other:.1f} %"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun in the right form.

    >>> count(1, "path"), count(3, "category", "categories")
    ('1 path', '3 categories')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def join_words(words: Sequence[str], last: str) -> str:
    """Return the words with commas between them and a conjunction before the last.

    >>> join_words(["a", "b", "c"], "and"), join_words(["a"], "or")
    ('a, b and c', 'a')
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
